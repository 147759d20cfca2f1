"""Attempts of a child that has given up everything but decoding."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

import pytest

from dsanet_core.records import Sampling
from dsanet_core.video import confine, read_clips, sandbox
from dsanet_core.video.confine import FILTERED, LIMITED, NO_NETWORK
from dsanet_core.video.limits import DEFAULT_LIMITS
from tests.video.make import Children, write_video

ATTEMPTS = {
    "open": "os.open('/etc/passwd', os.O_RDONLY)",
    "open a folder": "os.listdir('/')",
    "reopen": "os.open('/proc/self/fd/0', os.O_RDONLY)",
    "duplicate": "os.dup(0)",
    "pipe": "os.pipe()",
    "socket": "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "unix socket": "socket.socket(socket.AF_UNIX)",
}
"""Refused everywhere, if only as no further descriptor can be had."""

FILTERED_ATTEMPTS = {
    "stat": "os.stat('/etc/passwd')",
    "create": "os.mkdir('/tmp/lens-canary')",
    "unlink": "os.unlink('/tmp/lens-canary')",
    "rename": "os.rename('/tmp/lens-canary', '/tmp/lens-canary-2')",
    "fork": "os.fork() or os._exit(0)",
    "execute": "os.execv('/bin/true', ['true'])",
    "signal the parent": "os.kill(os.getppid(), 0)",
    "signal oneself by kill": "os.kill(os.getpid(), 0)",
    "trace": "call('ptrace', 0, 0, 0, 0)",
    "mount": "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
    "unshare": "call('unshare', 0x10000000)",
    "memory file": "os.memfd_create('lens')",
    "executable memory": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
    "change a limit": "call('setrlimit', 7, bytes(16))",
    "become dumpable": "call('prctl', 4, 1, 0, 0, 0)",
    "chmod": "os.fchmod(0, 0o777)",
    "message with descriptors": "call('sendmsg', 3, None, 0)",
}

PROGRAM = """
import ctypes, json, mmap, os, socket, threading
from dsanet_core.video import confine, fork_server, limits

libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def attempt(code):
    try:
        eval(code)
    except OSError as error:
        return error.strerror
    return "done"

def work(data, isolation):
    data.recv(65536)
    took = confine.confine(
        limits.DEFAULT_LIMITS, file_bytes=0, max_output_bytes=0, num_files=4
    )
    outcomes = {name: attempt(code) for name, code in ATTEMPTS.items()}
    thread = threading.Thread(target=lambda: outcomes.update(thread=attempt("os.getpid()")))
    thread.start()
    thread.join()
    answer = json.dumps({"outcomes": outcomes}).encode()
    os.write(data.fileno(), len(answer).to_bytes(8, "big") + answer)

fork_server.serve(work)
"""


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Outcome of each attempt of a confined child."""
    sandbox.server.shut_down()
    attempts = {**ATTEMPTS, **(FILTERED_ATTEMPTS if FILTERED in sandbox.protections() else {})}
    sandbox.server.shut_down()
    program = PROGRAM.replace("fork_server.serve", f"ATTEMPTS = {attempts!r}\nfork_server.serve")
    monkeypatch.setattr(sandbox, "COMMAND", (sys.executable, "-B", "-c", program))
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        header, _ = sandbox.ask_child({}, nothing, DEFAULT_LIMITS)
    finally:
        os.close(nothing)
        sandbox.server.shut_down()
    return dict(header["outcomes"])


def test_a_confined_child_can_do_nothing_but_compute(outcomes: dict[str, str]) -> None:
    assert outcomes.pop("thread") == "done"  # the decoder's threads work
    assert len(outcomes) >= len(ATTEMPTS)
    assert [name for name, outcome in outcomes.items() if outcome == "done"] == []
    if len(outcomes) > len(ATTEMPTS):
        assert set(outcomes.values()) == {"Operation not permitted"}


def test_the_platform_says_what_protects() -> None:
    protections = sandbox.protections()
    assert LIMITED in protections
    if sys.platform == "linux" and platform.machine() in confine.MACHINES:
        assert FILTERED in protections


def test_the_server_has_no_network_where_the_platform_allows_it() -> None:
    """Its name space is another one than ours."""
    if NO_NETWORK not in sandbox.protections():
        pytest.skip("the platform gives no network name space")
    server = sandbox.server.get().pid
    spaces = [Path(f"/proc/{pid}/ns/net").readlink() for pid in ("self", server)]
    assert spaces[0] != spaces[1]
    status = Path(f"/proc/{server}/status").read_text()
    assert re.search(r"CapEff:\s*0+\n", status)
    assert re.search(r"NoNewPrivs:\s*1\n", status)
    assert re.search(r"Threads:\s*1\n", status)


@pytest.mark.parametrize(
    ("header", "column"),
    [("x86_64-linux-gnu/asm/unistd_64.h", 0), ("asm-generic/unistd.h", 1)],
)
def test_system_calls_have_the_kernels_numbers(header: str, column: int) -> None:
    path = Path("/usr/include", header)
    if not path.exists():
        pytest.skip("the kernel's headers are not installed")
    text = path.read_text()
    numbers = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text))
    for name, values in {**confine.ALLOWED, **confine.DEPENDING}.items():
        assert int(numbers[name]) == values[column], name


def test_every_child_tells_what_it_cost(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(5))
    with Children() as children:
        read_clips(path, Sampling(1, 1, 1))
    (end,) = children.ends
    assert end.exit == 0
    assert 10 << 20 < end.peak_bytes < 1 << 30
    assert 0 <= end.cpu_seconds < 60


def test_an_unknown_machine_has_no_filter_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert not confine.install_filter()


def test_a_filter_for_the_other_machine_is_whole() -> None:
    """As long as the one in use, and it ends with a refusal."""
    programs = [confine.program(machine, 1) for machine in confine.MACHINES]
    assert len({len(program) for program in programs}) == 1
    for program in programs:
        assert program[-1] == (confine.RETURN, 0, 0, confine.ERRNO | 1)
        for place, (_, if_true, if_false, _) in enumerate(program):
            assert place + 1 + max(if_true, if_false) < len(program) or program[place][0] == 6
