"""Networks run in a process of their own, one per device: it can be killed, and it can die, without
taking the server with it. What it does is in `app.server.network_worker`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from logging import WARNING
from multiprocessing.connection import Connection
from typing import Any

from app import ROOT, python_path
from app.server import logs
from app.server.network_messages import Recent, Task, receive, send
from dsanet_core.errors import LensError

POLL_SECONDS = 0.05
START_SECONDS = 120.0
"""A first import of torch from a slow disk takes long."""
GRACE_SECONDS = 1.0
"""How long a cancelled question may take to come to its next step before its process is killed."""

OMP_ENV = {"OMP_WAIT_POLICY": "passive"}
"""Threads that wait for each other sleep. By default they spin, and where other work is on the same
cores each then waits for a core that the other one spins on."""

Report = Callable[[str, float], None]
"""Called with a step and the done share of it; raises CancelledError to cancel."""


class WorkerError(LensError):
    """The process that runs networks was lost, with what it was working on."""


class NetworkProcess:
    """The process of one device. It starts when it is first needed, and again when it is gone."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def warm(self) -> None:
        """Start it now, so that the first question finds it ready."""
        with self._lock:
            self._running()

    def stop(self) -> None:
        """End it; a further question starts it again."""
        with self._lock:
            if self._child is not None:
                self._child.kill()
                self._child = None

    @property
    def note(self) -> str:
        """What a page adds to its progress where the device is not the one that was meant."""
        child = self._child
        if child is None or child.taken in ("", self.device):
            return ""
        return f" (on the CPU, since {self.device} does not answer)"

    @property
    def pid(self) -> int | None:
        """Of the process, None while there is none that lives."""
        child = self._child
        return None if child is None or child.process.poll() is not None else child.process.pid

    def ask(self, task: Task, cancel: threading.Event, report: Report) -> tuple[Any, int]:
        """The answer, and about how many bytes it takes.

        Raises what the question raises; CancelledError within a second of `cancel`; WorkerError
        where the process was killed or lost its device: the next question gets a new one.
        """
        with self._turn(cancel):
            child = self._running()
            try:
                return child.ask(task, cancel, report)
            except (EOFError, OSError) as error:
                raise self._obituary(child) from error
            finally:
                if not child.is_sound:
                    child.kill()
                    self._child = None
                    with suppress(WorkerError):  # then the next question says so
                        self._running()

    @contextmanager
    def _turn(self, cancel: threading.Event) -> Iterator[None]:
        while not self._lock.acquire(timeout=POLL_SECONDS):
            if cancel.is_set():
                raise CancelledError
        try:
            yield
        finally:
            self._lock.release()

    def _running(self) -> _Child:
        if self._child is not None and self._child.process.poll() is not None:
            logs.event("network process found dead", level=WARNING, device=self.device)
            self._child.kill()
            self._child = None
        try:
            self._child = self._child or _Child(self.device)
        except OSError as error:
            raise WorkerError(
                f"No process can be started to run networks ({error.strerror})",
                "memory and processes to spare", "Run it again in a minute.",
            ) from error
        return self._child

    def _obituary(self, child: _Child) -> WorkerError:
        child.kill()
        code = child.process.returncode
        name = signal.Signals(-code).name if code < 0 else str(code)
        how = f"was killed by {name}" if code < 0 else f"ended with code {name}"
        logs.event("network process lost", level=WARNING, device=self.device, by=name)
        return WorkerError(
            f"The process that runs networks on {self.device} {how} while it worked on this",
            "one that lives to the answer",
            "Run it again: a new process is starting. If that is killed too, the machine may be "
            "short of memory; choose a smaller network.",
        )


class _Child:
    """One start of the process, and the conversation with it.

    taken: the device it took, "" before it has said so. is_sound: whether the next question can
    follow the last one.
    """

    def __init__(self, device: str) -> None:
        mine, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "app.server.network_worker", device, str(theirs.fileno())),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=OMP_ENV | os.environ | {"PYTHONPATH": python_path()},
                start_new_session=True,  # an interrupt at the terminal is the server's to handle
            )
        self._connection = Connection(mine.detach())
        logs.event("network process started", device=device)
        self._device = device
        self.taken = ""
        self._number = 0
        self._sent: Recent[bool] = Recent()
        self.is_sound = True

    def ask(self, task: Task, cancel: threading.Event, report: Report) -> tuple[Any, int]:
        self._wait_until_ready(cancel, report)
        is_known = task.video in self._sent
        self._sent.take(task.video, True)
        self.is_sound = False
        try:
            self._number += 1
            message = replace(task, clips=None) if is_known else task
            send(self._connection, (self._number, message))
            kind, value, size = self._answer(cancel, report)
        except CancelledError:
            self.is_sound = self._stops()
            raise
        if kind == "lost":
            raise WorkerError(
                f"{self._device} does not answer any more ({value})", "a device that works",
                "Run it again: a new process tries the device, and where it stays silent the CPU "
                "takes over.",
            )
        self.is_sound = True
        if kind == "crashed":
            raise RuntimeError(f"{value} in the process that runs networks")
        if kind == "failed":
            raise value
        return value, size

    def _wait_until_ready(self, cancel: threading.Event, report: Report) -> None:
        end = time.monotonic() + START_SECONDS
        while not self.taken:
            report("start", 0.0)
            if cancel.is_set():
                raise CancelledError
            if time.monotonic() > end:
                self.is_sound = False
                raise WorkerError(
                    "The process that runs networks does not start",
                    f"a start within {START_SECONDS:g} s", "Look into the server's log.",
                )
            if self._connection.poll(POLL_SECONDS):
                (_, self.taken), _ = receive(self._connection)

    def _answer(self, cancel: threading.Event, report: Report) -> tuple[str, Any, int]:
        while True:
            if cancel.is_set():
                raise CancelledError
            if not self._connection.poll(POLL_SECONDS):
                continue
            (kind, value), size = receive(self._connection)
            if kind != "progress":
                return kind, value, size
            report(*value)

    def _stops(self) -> bool:
        """Whether it stops within the time of grace."""
        end = time.monotonic() + GRACE_SECONDS
        try:
            send(self._connection, self._number)
            while (left := end - time.monotonic()) > 0:
                if not self._connection.poll(left):
                    continue
                (kind, _), _ = receive(self._connection)
                if kind != "progress":
                    return bool(kind != "lost")
        except (EOFError, OSError):
            pass
        return False

    def kill(self) -> None:
        self.process.kill()
        with suppress(subprocess.TimeoutExpired):  # one stuck in a driver is left behind
            self.process.wait(GRACE_SECONDS)
        self._connection.close()


@cache
def process_of(device: str) -> NetworkProcess:
    """The one process of a device, for as long as this server lives."""
    return NetworkProcess(device)
