"""What a process gives up, for good, before it touches an untrusted video.

`isolate` is called once by the server that forks the children, `confine` by each child. Every
measure that the platform lacks is left out, and both say which ones took.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import sys
from typing import Any

from dsanet_core.video.limits import Limits
from dsanet_core.video.seccomp import install_filter

LIMITED = "memory, time, file size and descriptors are limited"
NO_PRIVILEGES = "no privileges can be gained"
NO_NETWORK = "there is no network"
NO_CAPABILITIES = "no capabilities of the superuser are left"
UNREADABLE = "its memory is closed to other processes"
FILTERED = "system calls other than for decoding are refused"

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
CAPABILITY_VERSION_3 = 0x20080522

USABLE_CORES = min(os.cpu_count() or 1, 4)
"""Threads of one decoder. Asked now: a confined process cannot look it up."""


def isolate() -> tuple[str, ...]:
    """Cut this process, which has one thread, and its children off from network and privileges.

    Returns what took, as sentences.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = _linux_libc()
    if libc is None:
        return ()
    # Whoever may not leave the network as it is may do so in a user namespace of its own.
    has_left = libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 or libc.unshare(CLONE_NEWNET) == 0
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    took = {
        NO_NETWORK: has_left,
        NO_CAPABILITIES: libc.capset(header, (ctypes.c_uint32 * 6)()) == 0,
        NO_PRIVILEGES: libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0,
        UNREADABLE: libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0,
    }
    return tuple(measure for measure, is_on in took.items() if is_on)


def die_with_parent(parent_pid: int) -> None:
    """Be killed when the parent ends, where the platform can; end now if it has already."""
    libc = _linux_libc()
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def confine(
    limits: Limits, *, file_bytes: int, max_output_bytes: int, num_files: int
) -> tuple[str, ...]:
    """Give up what reading does not need: memory, time, opening any file, most system calls.

    No new descriptor can be numbered below num_files once those are all in use, so FFmpeg can
    open neither a file nor a socket, whatever the video says and whatever the platform is.
    Returns what took, as sentences.
    """
    seconds = math.ceil(limits.wall_seconds)
    address_space = limits.address_space_for(file_bytes)
    cpu_seconds = seconds * USABLE_CORES
    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, max_output_bytes, max_output_bytes),
        # The signal at the soft limit says why; at an equal hard one the kernel would just kill.
        (resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1),
        (resource.RLIMIT_AS, address_space, address_space),
        (resource.RLIMIT_NOFILE, num_files, num_files),
    ):
        resource.setrlimit(kind, (soft, hard))
    signal.alarm(seconds + 5)  # should the parent be gone by then
    return (LIMITED, FILTERED) if install_filter() else (LIMITED,)


def _linux_libc() -> Any:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
