"""Files, sockets and programs that decoding processes tried to open, from a trace of the kernel."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

TRACED = (
    *("open", "openat", "openat2", "creat", "socket", "connect", "bind", "sendto", "execve"),
    *("execveat", "fork", "vfork", "clone", "clone3", "kill", "unlink", "unlinkat", "rename"),
    *("renameat", "renameat2", "mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat"),
    *("truncate", "ptrace", "mount", "setns", "unshare", "memfd_create", "io_uring_setup", "prctl"),
)
HARMLESS = ("clone", "clone3", "prctl")
"""Threads and their names; a process of its own is counted (see `Reach`)."""

HOW = {"reached": ["--seccomp-bpf"], "refused": []}
"""With a filter in the kernel strace is quick, but the child's own filter then hides from it what
it refuses. Without one every system call of every process stops twice."""

_LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)")
_RESULT = re.compile(r"= (-?\d+|\?)(?: (E\w+))?[^=]*$")


@dataclass
class Reach:
    """children: that confined themselves. reached: calls of theirs that succeeded, by any of their
    threads and at any time of their lives. refused: those that did not."""

    children: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


def command(log: str, how: str) -> list[str]:
    """The program to put before another to trace it and all its children into a file.
    how: a key of HOW."""
    calls = ",".join(f"?{call}" for call in TRACED)
    options = ["-f", "-qq", "-s", "200", *HOW[how], "-e", "signal=none", "-e", f"trace={calls}"]
    return ["strace", *options, "-o", log]


def reach(lines: Iterable[str]) -> Reach:
    """System calls of the confined processes of a trace."""
    calls = list(_calls(lines))
    confined = {
        pid for pid, name, arguments, _, _ in calls
        if name == "prctl" and "SECCOMP" in arguments
    }
    found = Reach(children=len(confined))
    for pid, name, arguments, result, _ in calls:  # threads come after the thread that made them
        if name.startswith("clone") and pid in confined and result > 0:
            confined.add(result)
            if "CLONE_THREAD" not in arguments:
                found.reached[f"{name} of a process"] += 1
    for pid, name, arguments, _, error in calls:
        if pid not in confined or name in HARMLESS:
            continue
        what = f"{name}({arguments})"
        if error:
            found.refused[f"{what} {error}"] += 1
        else:
            found.reached[what] += 1
    return found


def _calls(lines: Iterable[str]) -> Iterable[tuple[int, str, str, int, str]]:
    """(process, call, arguments, result, error), calls cut in two by others put together."""
    begun: dict[tuple[int, str], str] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        pid, name, arguments = int(match[1]), match[2], match[3]
        if arguments.endswith("<unfinished ...>"):
            begun[pid, name] = arguments.removesuffix("<unfinished ...>")
            continue
        arguments = begun.pop((pid, name), "") + arguments
        result = _RESULT.search(arguments)
        if result is not None:
            number = -1 if result[1] == "?" else int(result[1])
            arguments = arguments[: result.start()].rstrip().removesuffix(")").rstrip()
            yield pid, name, arguments, number, result[2] or ("" if number >= 0 else "ended")
