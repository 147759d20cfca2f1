"""The protocol between this process and every child that works for it.

One socket is a child's standard input and output until it takes it (`parent_channel`). A message
is 8 bytes of length, as many bytes of a line with a JSON object, and raw buffers, whose sizes the
object lists. Of a message only its form is trusted, and its size is capped before it is read.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any, Generic, TypeVar

POLL_SECONDS = 0.05
"""Between two looks at a cancel flag, and at whether the other process lives."""
EXIT_SECONDS, STOP_SECONDS = 1.0, 5.0
"""Until a process whose socket has closed must be gone, and a killed one."""
MAX_HEADER_BYTES = 4 << 20
MAX_BUFFERS = 10_000
MAX_COMPLAINT_BYTES = 4096
TOO_LONG = "answered more than was asked"
SIZES = "buffer_bytes"
"""Key of a header that lists the sizes of the buffers after it; absent without any."""
PROJECT_ROOT = Path(__file__).resolve().parents[1]

OMP_ENV = {"OMP_WAIT_POLICY": "passive"}
"""Threads that wait for each other sleep. By default they spin, and where other work is on the same
cores each then waits for a core that the other one spins on."""
ISOLATED_ENV = {
    "PYTHONPATH": str(PROJECT_ROOT),
    "OPENBLAS_NUM_THREADS": "1",  # one thread, as a process must have that forks
    "OMP_NUM_THREADS": "1",
}
"""All that a process that decodes inherits of its parent's environment."""


class MessageError(Exception):
    """The other process sent no message, or one over the caps. The text is a verb phrase."""


class DeadlineError(Exception):
    """The other process sent nothing in time."""


class Channel:
    """One end of the socket between two processes. One thread may send while another receives.

    is_alive: tells whether the process at the other end runs. It is asked besides, since a fork of
    this process may hold a copy of the other end, and then nothing hangs up.
    """

    def __init__(self, end: socket.socket, is_alive: Callable[[], bool] = lambda: True) -> None:
        self.socket = end
        self._is_alive = is_alive

    def send(
        self,
        header: Mapping[str, Any],
        pieces: Iterable[Any] = (),
        *,
        sizes: Sequence[int] | None = None,
        files: Sequence[int] = (),
    ) -> None:
        """Send a message. pieces: raw data, C-contiguous; the other end gets it in buffers of
        `sizes` bytes, by default one for each piece. files: descriptors to hand over. Raises
        OSError where the other end is gone."""
        views = [memoryview(piece) for piece in pieces]
        sizes = [view.nbytes for view in views] if sizes is None else sizes
        encoded = json.dumps({**header, SIZES: sizes} if views else header).encode() + b"\n"
        rest = memoryview(struct.pack(">Q", len(encoded)) + encoded)
        if files:
            rest = rest[socket.send_fds(self.socket, [rest], files) :]
        for view in (rest, *views):
            rest = view.cast("B") if view.nbytes else memoryview(b"")
            while rest:  # by `write`, the one way out that a confined process keeps
                rest = rest[os.write(self.socket.fileno(), rest) :]

    def receive(
        self,
        *,
        deadline: float = inf,
        cancel: threading.Event | None = None,
        max_payload_bytes: float = inf,
        start: bytes = b"",
    ) -> tuple[dict[str, Any], list[bytearray]]:
        """Header and buffers of the next message. deadline: by `time.monotonic`. start: up to 8
        bytes of it that have been read.

        Raises EOFError when the other process has ended or hung up, DeadlineError, CancelledError
        as soon as `cancel` is set, and MessageError. Afterwards the channel is of no further use.
        """
        prefix = bytearray(start.ljust(8, b"\0"))
        self._fill(memoryview(prefix)[len(start) :], deadline, cancel)
        (length,) = struct.unpack(">Q", prefix)
        if length > MAX_HEADER_BYTES:
            raise MessageError(TOO_LONG)
        encoded = bytearray(length)
        self._fill(memoryview(encoded), deadline, cancel)
        header, sizes = _parsed(encoded)
        if sum(sizes) > max_payload_bytes:
            raise MessageError(TOO_LONG)
        buffers = [bytearray(size) for size in sizes]
        for buffer in buffers:
            self._fill(memoryview(buffer), deadline, cancel)
        return header, buffers

    def receive_files(self, max_files: int) -> tuple[dict[str, Any], list[int]]:
        """Header of the next message and the descriptors that came with it, now open here."""
        start, files, _, _ = socket.recv_fds(self.socket, 8, max_files)
        return self.receive(start=start)[0], files

    def wait(self, deadline: float = inf, cancel: threading.Event | None = None) -> None:
        """Return once there is something to receive or the other end has hung up.

        Raises EOFError when the other process has ended, DeadlineError, and CancelledError.
        """
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        while True:
            if cancel is not None and cancel.is_set():
                raise CancelledError
            is_alive = self._is_alive()  # first: what a process sent before its end is here then
            left = deadline - time.monotonic()
            if poll.poll(1000 * max(0.0, min(left, POLL_SECONDS))):
                return
            if left <= 0:
                raise DeadlineError
            if not is_alive:
                raise EOFError

    def is_over(self, deadline: float, cancel: threading.Event | None = None) -> bool:
        """Wait for the other end to hang up; False where more comes instead."""
        try:
            self._fill(memoryview(bytearray(1)), deadline, cancel)
        except EOFError:
            return True
        return False

    def _fill(self, view: memoryview, deadline: float, cancel: threading.Event | None) -> None:
        waits = deadline != inf or cancel is not None
        while view:
            if waits:
                self.wait(deadline, cancel)
            try:
                count = self.socket.recv_into(view)
            except ConnectionResetError:  # it ended before it had read what was sent to it
                count = 0
            if not count:
                raise EOFError
            view = view[count:]


def _parsed(encoded: bytearray) -> tuple[dict[str, Any], list[int]]:
    """Header and sizes of the buffers that follow it. Raises MessageError."""
    try:
        header = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise MessageError("stopped in the middle of its answer") from error
    sizes = header.pop(SIZES, []) if isinstance(header, dict) else None
    if not isinstance(sizes, list) or len(sizes) > MAX_BUFFERS:
        raise MessageError("answered nonsense")
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise MessageError("answered nonsense")
    return header, sizes


def parent_channel() -> Channel:
    """The channel of this process to its parent, which is its standard input and output. From now
    on nothing is read from the one, and what a library prints to the other goes nowhere."""
    channel = Channel(socket.socket(fileno=os.dup(0)))
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    return channel


class Child:
    """A process that was started by this one, and the channel to it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | Path = "/",
        stderr: int | None = None,
    ) -> None:
        """Start it, in a session of its own: an interrupt at the terminal is the parent's to
        handle. stderr: as of `subprocess.Popen`. Raises OSError where the machine has no room."""
        mine, theirs = socket.socketpair()
        with theirs:
            try:
                self.process = subprocess.Popen(
                    command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=stderr,
                    cwd=cwd, env=env, start_new_session=True,
                )
            except BaseException:
                mine.close()
                raise
        self.channel = Channel(mine, self.is_running)

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_running(self) -> bool:
        return self.process.poll() is None

    def end(self, grace_seconds: float = 0.0) -> None:
        """Kill it; with a time of grace, ask it to end by SIGTERM before."""
        with suppress(subprocess.TimeoutExpired):  # one stuck in a driver is left behind
            if grace_seconds:
                self.process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(grace_seconds)
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        self._close()

    def forget(self) -> None:
        """Let go of it in a fork of the process that started it, without disturbing it."""
        self.process.returncode = 0
        self._close()

    def exit_reason(self) -> str:
        """A verb phrase: "ended: " with the last line of a captured stderr, else "was killed by
        SIGKILL" or "ended with code 1"; "does not answer" of one that runs."""
        try:
            code = self.process.wait(EXIT_SECONDS)
            complaint = b""
            if self.process.stderr is not None:
                complaint = os.read(self.process.stderr.fileno(), MAX_COMPLAINT_BYTES)
        except subprocess.TimeoutExpired:
            return "does not answer"
        except ValueError:  # another thread has noticed first, and ended it
            pass
        lines = complaint.decode(errors="replace").strip().splitlines()
        return f"ended: {lines[-1]}" if lines else exit_reason(code)

    def _close(self) -> None:
        self.channel.socket.close()
        if self.process.stderr is not None:
            self.process.stderr.close()


def exit_reason(code: int) -> str:
    """A verb phrase for an exit code, negative for a signal as in `subprocess`."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


ChildT = TypeVar("ChildT", bound=Child)


class KeptChild(Generic[ChildT]):
    """The one child of its kind that this process has: started when it is first needed, replaced
    when it is lost, ended when this process exits. A fork of this process starts its own."""

    def __init__(self, start: Callable[[], ChildT]) -> None:
        self._start = start
        self.lock = threading.RLock()
        self.child: ChildT | None = None
        atexit.register(self.shut_down)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def get(self) -> ChildT:
        """The child, which runs. Raises OSError where the machine has no room for one."""
        with self.lock:
            if self.child is not None and not self.child.is_running():
                self.shut_down()
            if self.child is None:
                self.child = self._start()
            return self.child

    def drop(self, lost: ChildT | None) -> None:
        """End this child, so that the next `get` starts another, unless that has been done."""
        with self.lock:
            if lost is not None and self.child is lost:
                self.child = None
                lost.end()

    def shut_down(self) -> None:
        """End the child, if there is one."""
        self.drop(self.child)

    def _forget(self) -> None:
        self.lock = threading.RLock()
        if self.child is not None:
            self.child.forget()
            self.child = None
