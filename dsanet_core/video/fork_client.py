"""The fork server of this process: started by the first video, replaced when it is lost."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-P", "-B", "-m", "dsanet_core.video.fork_server")
MAX_COMPLAINT_BYTES = 4096
ENDING_SECONDS = 1.0


def child_environment() -> dict[str, str]:
    """Of a process that decodes: it needs nothing of what this one was told."""
    return {
        "PYTHONPATH": str(PACKAGE_ROOT),
        "OPENBLAS_NUM_THREADS": "1",  # one thread, as a process must have that forks
        "OMP_NUM_THREADS": "1",
    }


class ServerLostError(Exception):
    """The fork server is gone or does not answer. The text says what is known about it."""


class Server:
    """A handle on a running fork server; many threads may use it at once. Making one and forking
    raise OSError where the machine has no room for it."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    (*COMMAND, str(theirs.fileno())),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=(theirs.fileno(),),
                    cwd="/",
                    env=child_environment(),
                    start_new_session=True,
                )
            except OSError:
                self._control.close()
                raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def fork(self) -> tuple[socket.socket, socket.socket]:
        """A new child: `talk` to it and its `leash` (see `fork_server`). Raises ServerLostError."""
        talk, their_talk = socket.socketpair()
        leash, their_leash = socket.socketpair()
        with their_talk, their_leash:
            try:
                socket.send_fds(self._control, [b"f"], [their_talk.fileno(), their_leash.fileno()])
            except OSError as error:
                talk.close()
                leash.close()
                raise ServerLostError(self.obituary()) from error
        return talk, leash

    def is_running(self) -> bool:
        return self._process.poll() is None

    def obituary(self) -> str:
        """Why it is gone, as far as that can be told."""
        try:
            self._process.wait(ENDING_SECONDS)  # its sockets close before it is gone
        except subprocess.TimeoutExpired:
            return "its server does not answer"
        assert self._process.stderr is not None
        try:
            complaint = os.read(self._process.stderr.fileno(), MAX_COMPLAINT_BYTES)
        except ValueError:  # another thread has noticed first, and ended it
            complaint = b""
        lines = complaint.decode(errors="replace").strip().splitlines()
        return f"its server ended: {lines[-1] if lines else self._process.returncode}"

    def end(self) -> None:
        """Kill it; its children end with it."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._close_pipes()

    def forget(self) -> None:
        """Let go of it in a fork of the process that started it, without disturbing it."""
        self._control.close()
        self._process.returncode = 0
        self._close_pipes()

    def _close_pipes(self) -> None:
        assert self._process.stderr is not None
        self._process.stderr.close()


_lock = threading.Lock()
_server: Server | None = None


def server() -> Server:
    """The server of this process, started if there is none."""
    global _server
    with _lock:
        if _server is None:
            _server = Server()
        return _server


def replace(lost: Server | None) -> None:
    """End this server, so that the next request starts another, unless that has been done."""
    global _server
    with _lock:
        if lost is not None and _server is lost:
            _server = None
            lost.end()


def shut_down() -> None:
    """End the server of this process, if it has one."""
    replace(_server)


def _forget_in_fork() -> None:
    global _lock, _server
    _lock = threading.Lock()
    if _server is not None:
        _server.forget()
        _server = None


atexit.register(shut_down)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_fork)
