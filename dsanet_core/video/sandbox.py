"""Have a child decode, read its answer, and kill it when it is late or not wanted."""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import socket
import struct
import threading
import time
from concurrent.futures import CancelledError
from dataclasses import asdict
from typing import Any

from dsanet_core.video.fork_client import Server, ServerLostError, replace, server
from dsanet_core.video.limits import DEFAULT_LIMITS, Limits

POLL_SECONDS = 0.05
START_SECONDS = 20.0
"""Until the server must have started the child; the first one also loads PyAV."""
STOP_SECONDS = 5.0
"""Until a killed child must be gone."""
ATTEMPTS = 2
"""How often a request is made when the server, which others use too, is lost on the way."""
MAX_HEADER_BYTES = 4 << 20

log = logging.getLogger(__name__)


class ChildError(Exception):
    """The child gave no answer. is_late: it was stopped by the clock, else `reason` says why.
    is_ours: nothing speaks against the file."""

    def __init__(self, reason: str, *, is_late: bool = False, is_ours: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_late = is_late
        self.is_ours = is_ours


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
    line = json.dumps({**request, "limits": asdict(limits)}).encode() + b"\n"
    files = [video_fd] if output_fd is None else [video_fd, output_fd]
    for attempt in range(ATTEMPTS):
        if output_fd is not None:
            os.ftruncate(output_fd, 0)
            os.lseek(output_fd, 0, os.SEEK_SET)
        try:
            with _Child(warm := server(), limits.wall_seconds, cancel) as child:
                child.send(line, files)
                answer = child.listen(MAX_HEADER_BYTES + max_payload_bytes)
            break
        except ServerLostError as lost:
            replace(warm)
            log.warning("the decoder was lost: %s", lost)
            if attempt == ATTEMPTS - 1:
                raise ChildError(f"the decoder was lost, {lost}", is_ours=True) from lost
        except OSError as error:
            reason = f"this machine has no room for a decoder ({error.strerror})"
            raise ChildError(reason, is_ours=True) from error
    header, payload = _split(answer)
    if "failed" in header:
        raise ChildError(f"the decoder failed ({header['failed']})")
    return header, payload


def warm() -> None:
    """Start the server now, so that the first video need not wait for it."""
    protections()


def protections() -> tuple[str, ...]:
    """What confines a child on this platform, as sentences; asked of a child. Raises ChildError."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        header, _ = ask_child({"task": "protections"}, nothing, DEFAULT_LIMITS)
    finally:
        os.close(nothing)
    return tuple(header["protections"])


class _Child:
    """One child as a context, at whose end it is gone."""

    def __init__(self, warm: Server, wall_seconds: float, cancel: threading.Event | None) -> None:
        self.server = warm
        self.wall_seconds = wall_seconds
        self.cancel = cancel
        self.answer = bytearray()
        self.reports = bytearray()

    def __enter__(self) -> _Child:
        self.talk, self.leash = self.server.fork()
        return self

    def __exit__(self, *_: object) -> None:
        with self.talk, self.leash:
            if self._num_reports() < 2:
                self._kill()

    def send(self, line: bytes, files: list[int]) -> None:
        try:
            socket.send_fds(self.talk, [line], files)
        except OSError as error:
            raise ServerLostError(self.server.obituary()) from error

    def listen(self, max_bytes: int) -> bytearray:
        """All that the child answers until it ends by itself."""
        self.talk.setblocking(False)
        late = time.monotonic() + START_SECONDS
        has_started = False
        with selectors.DefaultSelector() as selector:
            selector.register(self.talk, selectors.EVENT_READ)
            selector.register(self.leash, selectors.EVENT_READ)
            while self._num_reports() < 2:
                if self.cancel is not None and self.cancel.is_set():
                    raise CancelledError("reading the video was cancelled")
                if not has_started and self._num_reports():
                    has_started, late = True, time.monotonic() + self.wall_seconds
                if time.monotonic() > late:
                    if has_started:
                        raise ChildError("out of time", is_late=True)
                    raise ServerLostError(self.server.obituary())
                ready = [key.fileobj for key, _ in selector.select(POLL_SECONDS)]
                if self.talk in ready and not self._hear(max_bytes):
                    selector.unregister(self.talk)
                if self.leash in ready:
                    self._hear_of()
                elif not ready and not self.server.is_running():
                    raise ServerLostError(self.server.obituary())
        while self._hear(max_bytes):  # what came in before the end
            pass
        self._check_end()
        return self.answer

    def _hear(self, max_bytes: int) -> bool:
        """Take a piece of the answer; False if there is none now."""
        try:
            piece = self.talk.recv(1 << 20)
        except (BlockingIOError, ConnectionResetError):
            return False
        if len(self.answer) + len(piece) > max_bytes:
            raise ChildError("the decoder answered more than was asked")
        self.answer += piece
        return bool(piece)

    def _hear_of(self) -> None:
        try:
            piece = self.leash.recv(4096)
        except ConnectionResetError:
            piece = b""
        if not piece:
            raise ServerLostError(self.server.obituary())
        self.reports += piece

    def _num_reports(self) -> int:
        """0: not started, 1: started, 2: gone."""
        return self.reports.count(b"\n")

    def _check_end(self) -> None:
        end = json.loads(self.reports.splitlines()[1])
        log.debug("decoder ended", extra=end)
        if -end["exit"] in (signal.SIGXCPU, signal.SIGALRM):
            raise ChildError("out of time", is_late=True)
        if -end["exit"] == signal.SIGKILL:
            raise ChildError("the decoder was killed from outside (SIGKILL)", is_ours=True)
        if end["exit"] < 0:
            raise ChildError(f"the decoder crashed ({signal.Signals(-end['exit']).name})")
        if end["exit"] > 0:
            raise ChildError(f"the decoder failed (exit {end['exit']})")

    def _kill(self) -> None:
        """Hang up, upon which the server kills the child, and wait until it has."""
        self.leash.settimeout(STOP_SECONDS)
        try:
            self.leash.shutdown(socket.SHUT_WR)
            while self.leash.recv(4096):
                pass
        except TimeoutError:
            replace(self.server)
        except OSError:  # the server is gone already, and its children with it
            pass


def _split(answer: bytearray) -> tuple[dict[str, Any], memoryview]:
    """Header and payload of an answer; nothing in it is trusted beyond its form."""
    try:
        (length,) = struct.unpack_from(">Q", answer)
        header = json.loads(answer[8 : 8 + length])
    except (struct.error, ValueError, RecursionError) as error:
        raise ChildError("the decoder stopped in the middle of its answer") from error
    if not isinstance(header, dict):
        raise ChildError("the decoder answered nonsense")
    return header, memoryview(answer)[8 + length :]
