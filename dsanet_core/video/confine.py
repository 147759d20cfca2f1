"""Privileges that a process gives up, for good, before it touches an untrusted video.

`isolate` is called once by the server that forks the children, `confine` by each child. Every
measure that the platform lacks is left out, and both say which ones took.

The filter of system calls allows what decoding needs, and nothing else. The kernel runs it before
every system call of the process and of its threads, and nothing takes it off again (Linux manual,
seccomp(2)). What is not on the list fails with EPERM: opening, looking up, renaming or removing
files, sockets, programs, processes, signals to others, tracing, mounts, io_uring, BPF, keys.
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from typing import Any

from dsanet_core.video.limits import Limits

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


MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's AUDIT_ARCH number of each machine that the tables below know."""

ALLOWED = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "lseek": (8, 62),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "uname": (63, 160),
    "ftruncate": (77, 46),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "times": (100, 153),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "set_tid_address": (218, 96),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "set_robust_list": (273, 99),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "rseq": (334, 293),
}
"""Numbers on x86_64 and on aarch64 (asm/unistd_64.h, asm-generic/unistd.h)."""

DEPENDING = {
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "clone": (56, 220),
    "prctl": (157, 167),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "clone3": (435, 435),
}
"""Numbers of those that depend on an argument."""

PROT_EXEC = 0x4
CLONE_THREAD = 0x10000
PR_SET_NAME, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 15, 22, 2

LOAD, JUMP_IF_EQUAL, JUMP_IF_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER_OFFSET, MACHINE_OFFSET, ARGUMENTS_OFFSET = 0, 4, 16
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000

Instruction = tuple[int, int, int, int]
"""Opcode, instructions to skip if true and if false, operand."""


def install_filter() -> bool:
    """Filter this process's system calls from now on; False where the platform cannot.

    No new privileges must have been given up before (see `confine`).
    """
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        return False
    steps = program(platform.machine(), os.getpid())
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    header = _Program(len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    done = libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(header), 0, 0)
    return bool(done == 0)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def program(machine: str, pid: int) -> list[Instruction]:
    """The filter for a process of a machine of `MACHINES`."""
    return list(_steps(machine, pid))


def _steps(machine: str, pid: int) -> Iterator[Instruction]:
    column = list(MACHINES).index(machine)
    refuse = ERRNO | errno.EPERM
    yield (LOAD, 0, 0, MACHINE_OFFSET)
    yield (JUMP_IF_EQUAL, 1, 0, MACHINES[machine])
    yield (RETURN, 0, 0, KILL)
    yield (LOAD, 0, 0, NUMBER_OFFSET)
    for numbers in ALLOWED.values():
        yield (JUMP_IF_EQUAL, 0, 1, numbers[column])
        yield (RETURN, 0, 0, ALLOW)
    for name, argument, test, operand, (if_true, if_false) in (
        ("mmap", 2, JUMP_IF_ANY_BIT, PROT_EXEC, (refuse, ALLOW)),
        ("mprotect", 2, JUMP_IF_ANY_BIT, PROT_EXEC, (refuse, ALLOW)),
        ("clone", 0, JUMP_IF_ANY_BIT, CLONE_THREAD, (ALLOW, refuse)),
        ("prctl", 0, JUMP_IF_EQUAL, PR_SET_NAME, (ALLOW, refuse)),
        ("tgkill", 0, JUMP_IF_EQUAL, pid, (ALLOW, refuse)),  # how a process aborts itself
    ):
        yield (JUMP_IF_EQUAL, 0, 4, DEPENDING[name][column])
        yield (LOAD, 0, 0, ARGUMENTS_OFFSET + 8 * argument)
        yield (test, 0, 1, operand)
        yield (RETURN, 0, 0, if_true)
        yield (RETURN, 0, 0, if_false)
    # Limits may be read, not set: the address of the new ones is null.
    yield (JUMP_IF_EQUAL, 0, 6, DEPENDING["prlimit64"][column])
    yield (LOAD, 0, 0, ARGUMENTS_OFFSET + 8 * 2)
    yield (JUMP_IF_EQUAL, 0, 3, 0)
    yield (LOAD, 0, 0, ARGUMENTS_OFFSET + 8 * 2 + 4)
    yield (JUMP_IF_EQUAL, 0, 1, 0)
    yield (RETURN, 0, 0, ALLOW)
    yield (RETURN, 0, 0, refuse)
    # The C library makes threads by clone where clone3, whose flags no filter sees, is unknown.
    yield (JUMP_IF_EQUAL, 0, 1, DEPENDING["clone3"][column])
    yield (RETURN, 0, 0, ERRNO | errno.ENOSYS)
    yield (RETURN, 0, 0, refuse)
