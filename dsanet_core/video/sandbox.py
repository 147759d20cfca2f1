"""One request to a confined decoding child, which is killed when it is late or not wanted.

The child is forked by a server of this process (`fork_server`), which the first video starts and
which is replaced when it is lost.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

from dsanet_core.child_process import (
    ISOLATED_ENV,
    STOP_SECONDS,
    TOO_LONG,
    Channel,
    Child,
    DeadlineError,
    KeptChild,
    MessageError,
)
from dsanet_core.video.limits import DEFAULT_LIMITS, Limits

COMMAND = (sys.executable, "-P", "-B", "-m", "dsanet_core.video.fork_server")
START_SECONDS = 20.0
"""Until the server must have started the child; the first one also loads PyAV."""
ATTEMPTS = 2
"""Attempts at a request when the server, which others use too, is lost on the way."""

log = logging.getLogger(__name__)
server = KeptChild(lambda: Child(COMMAND, env=ISOLATED_ENV, stderr=subprocess.PIPE))


class ChildError(Exception):
    """The child gave no answer. is_late: it was stopped by the clock, else `reason` says why.
    is_ours: nothing speaks against the file."""

    def __init__(self, reason: str, *, is_late: bool = False, is_ours: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_late = is_late
        self.is_ours = is_ours


class ServerLostError(Exception):
    """The fork server is gone or does not answer. The text holds the reason."""


def ask_child(
    request: dict[str, Any],
    video_fd: int,
    limits: Limits,
    *,
    max_payload_bytes: int = 0,
    output_fd: int | None = None,
    cancel: threading.Event | None = None,
) -> tuple[dict[str, Any], memoryview]:
    """Run one request on an open video; return the header and the raw bytes of the answer.

    Raises ChildError, or CancelledError as soon as `cancel` is set. The child is gone
    when this returns or raises. Any number of threads may ask at once.
    """
    request = {**request, "limits": asdict(limits)}
    files = [video_fd] if output_fd is None else [video_fd, output_fd]
    for attempt in range(ATTEMPTS):
        if output_fd is not None:
            os.ftruncate(output_fd, 0)
            os.lseek(output_fd, 0, os.SEEK_SET)
        try:
            with _ForkedChild(used := server.get(), cancel) as child:
                header, payload = child.ask(request, files, limits.wall_seconds, max_payload_bytes)
            break
        except ServerLostError as lost:
            server.drop(used)
            log.warning("the decoder was lost: %s", lost)
            if attempt == ATTEMPTS - 1:
                raise ChildError(f"the decoder was lost, {lost}", is_ours=True) from lost
        except OSError as error:
            reason = f"this machine has no room for a decoder ({error.strerror})"
            raise ChildError(reason, is_ours=True) from error
    if "failed" in header:
        raise ChildError(f"the decoder failed ({header['failed']})")
    return header, payload


def protections() -> tuple[str, ...]:
    """Measures that confine a child on this platform, as sentences; asked of a child, which also
    starts the server. Raises ChildError."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        header, _ = ask_child({"task": "protections"}, nothing, DEFAULT_LIMITS)
    finally:
        os.close(nothing)
    return tuple(header["protections"])


class _ForkedChild:
    """One child of the server as a context, at whose end it is gone.

    data: the channel to the child. control: the channel to the server about it, see `fork_server`.
    """

    def __init__(self, owner: Child, cancel: threading.Event | None) -> None:
        self.owner = owner
        self.cancel = cancel
        self.is_gone = False

    def __enter__(self) -> _ForkedChild:
        data, their_data = socket.socketpair()
        control, their_control = socket.socketpair()
        with their_data, their_control:
            try:
                ends = [their_data.fileno(), their_control.fileno()]
                self.owner.channel.send({}, files=ends)
            except OSError as error:
                data.close()
                control.close()
                raise self._lost() from error
        self.data = Channel(data, self.owner.is_running)
        self.control = Channel(control, self.owner.is_running)
        return self

    def __exit__(self, *_: object) -> None:
        with self.data.socket, self.control.socket:
            if not self.is_gone:
                self._kill()

    def ask(
        self, request: dict[str, Any], files: list[int], wall_seconds: float, max_payload_bytes: int
    ) -> tuple[dict[str, Any], memoryview]:
        """Header and payload of the answer, once the child has ended by itself."""
        try:
            self.data.send(request, files=files)
            self._report(time.monotonic() + START_SECONDS)
        except (OSError, DeadlineError) as error:
            raise self._lost() from error
        deadline = time.monotonic() + wall_seconds
        try:
            header, buffers, problem = self._answer(deadline, max_payload_bytes)
            end = self._report(deadline)
        except DeadlineError as error:
            raise ChildError("out of time", is_late=True) from error
        self.is_gone = True
        log.debug("decoder ended", extra=end)
        _check_end(end["exit"])
        if problem:
            raise ChildError(f"the decoder {problem}")
        return header, memoryview(buffers[0] if buffers else b"")

    def _answer(
        self, deadline: float, max_payload_bytes: int
    ) -> tuple[dict[str, Any], list[bytearray], str]:
        """Header, buffers, and what is wrong with them: how the child ended may explain it."""
        header: dict[str, Any] = {}
        buffers: list[bytearray] = []
        problem = ""
        try:
            header, buffers = self.data.receive(
                deadline=deadline, cancel=self.cancel, max_payload_bytes=max_payload_bytes
            )
        except EOFError:
            return header, buffers, "stopped in the middle of its answer"
        except MessageError as error:
            problem = str(error)
        if not self.data.is_over(deadline, self.cancel):
            raise ChildError(f"the decoder {TOO_LONG}")
        return header, buffers, problem

    def _report(self, deadline: float) -> dict[str, Any]:
        """The next report of the server on the child."""
        try:
            return self.control.receive(deadline=deadline, cancel=self.cancel)[0]
        except EOFError as error:
            raise self._lost() from error

    def _lost(self) -> ServerLostError:
        return ServerLostError(f"its server {self.owner.exit_reason()}")

    def _kill(self) -> None:
        """Hang up, upon which the server kills the child, and wait until it has."""
        deadline = time.monotonic() + STOP_SECONDS
        try:
            self.control.socket.shutdown(socket.SHUT_WR)
            while not self.control.is_over(deadline):
                pass
        except DeadlineError:
            server.drop(self.owner)
        except OSError:  # the server is gone already, and its children with it
            pass


def _check_end(code: int) -> None:
    if -code in (signal.SIGXCPU, signal.SIGALRM):
        raise ChildError("out of time", is_late=True)
    if -code == signal.SIGKILL:
        raise ChildError("the decoder was killed from outside (SIGKILL)", is_ours=True)
    if code < 0:
        raise ChildError(f"the decoder crashed ({signal.Signals(-code).name})")
    if code > 0:
        raise ChildError(f"the decoder failed (exit {code})")
