"""Networks run in a process of their own, one per device: it can be killed, and it can die, without
taking the server with it. The process itself is `app.server.network_worker`."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from logging import WARNING
from pathlib import Path
from typing import Any, Generic, TypeVar

from app import ROOT, python_path
from app.server import logs
from app.server.tasks import Task
from dsanet_core.child_process import (
    OMP_ENV,
    POLL_SECONDS,
    Channel,
    Child,
    DeadlineError,
    KeptChild,
)
from dsanet_core.errors import LensError
from dsanet_core.records import Clips

START_SECONDS = 120.0
"""A first import of torch from a slow disk takes long."""
GRACE_SECONDS = 1.0
"""Time for a cancelled task to come to its next step before its process is killed."""
CLIPS_KEPT = 2
"""Of the last videos; the other end counts along and does not send them again."""

Report = Callable[[str, float], None]
"""Called with a step and the done share of it; raises CancelledError to cancel."""


@dataclass(frozen=True)
class NetworkRequest:
    """A task for a network and a video. weights: a file, sha256: of it. video: tells clips from
    others; clips: None where those of this video were sent before (`Recent`)."""

    weights: Path
    sha256: str
    video: tuple[Any, ...]
    clips: Clips | None
    task: Task


Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The last `CLIPS_KEPT` values by key: both ends keep the same keys."""

    def __init__(self) -> None:
        self._values: OrderedDict[Any, Value] = OrderedDict()

    def __contains__(self, key: Any) -> bool:
        return key in self._values

    def take(self, key: Any, value: Value | None) -> Value:
        """The value of this key, which is given where it is not at hand."""
        if value is not None:
            self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > CLIPS_KEPT:
            self._values.popitem(last=False)
        return self._values[key]


class WorkerError(LensError):
    """The process that runs networks was lost, with what it was working on."""


def send_object(channel: Channel, value: Any) -> None:
    """Send any value; its arrays travel beside the pickle, so that none is copied into it."""
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    channel.send({}, [head, *(array.raw() for array in arrays)])


def receive_object(channel: Channel) -> tuple[Any, int]:
    """A value from `send_object` and its size in bytes. Raises EOFError.

    Unpickles, so it is for the two ends of this process alone: neither opens a foreign file.
    """
    _, (head, *arrays) = channel.receive()
    return pickle.loads(head, buffers=arrays), len(head) + sum(map(len, arrays))


class NetworkProcess(KeptChild["_NetworkChild"]):
    """The process of one device."""

    def __init__(self, device: str) -> None:
        super().__init__(lambda: _NetworkChild(device))
        self.device = device
        self._turn_lock = threading.Lock()

    def get(self) -> _NetworkChild:
        """The process, started if there is none that lives. Raises WorkerError."""
        if self.child is not None and not self.child.is_running():
            logs.event("network process found dead", level=WARNING, device=self.device)
        try:
            return super().get()
        except OSError as error:
            raise WorkerError(
                f"No process can be started to run models ({error.strerror})",
                "memory and processes to spare", "Run it again in a minute.",
            ) from error

    @property
    def note(self) -> str:
        """Addition to a page's progress where the device is not the one that was meant."""
        child = self.child
        if child is None or child.device_taken in ("", self.device):
            return ""
        return f" (on the CPU, since {self.device} does not answer)"

    @property
    def pid(self) -> int | None:
        """Of the process, None while there is none that lives."""
        child = self.child
        return child.pid if child is not None and child.is_running() else None

    def run(
        self, request: NetworkRequest, cancel: threading.Event, report: Report
    ) -> tuple[Any, int]:
        """The result, and about how many bytes it takes.

        Raises what the task raises; CancelledError within a second of `cancel`; WorkerError where
        the process was killed or lost its device: the next request gets a new one.
        """
        with self._turn(cancel):
            child = self.get()
            try:
                return child.run(request, cancel, report)
            except (EOFError, OSError) as error:
                raise self._lost(child) from error
            finally:
                if not child.is_sound:
                    self.drop(child)
                    with suppress(WorkerError):  # then the next request says so
                        self.get()

    @contextmanager
    def _turn(self, cancel: threading.Event) -> Iterator[None]:
        while not self._turn_lock.acquire(timeout=POLL_SECONDS):
            if cancel.is_set():
                raise CancelledError
        try:
            yield
        finally:
            self._turn_lock.release()

    def _lost(self, child: Child) -> WorkerError:
        reason = child.exit_reason()
        logs.event(
            "network process lost", level=WARNING, device=self.device, by=reason.split()[-1]
        )
        return WorkerError(
            f"The process that runs models on {self.device} {reason} while it worked on this",
            "a process that finishes its work",
            "Run it again: a new process is starting. If that is killed too, the machine may be "
            "short of memory; choose a smaller model.",
        )


class _NetworkChild(Child):
    """One start of the process, and the conversation with it.

    device_taken: "" before it is ready. is_sound: whether the next request can follow the last
    one.
    """

    def __init__(self, device: str) -> None:
        super().__init__(
            (sys.executable, "-m", "app.server.network_worker", device),
            cwd=ROOT, env=OMP_ENV | os.environ | {"PYTHONPATH": python_path()},
        )
        logs.event("network process started", device=device)
        self._device = device
        self.device_taken = ""
        self._number = 0
        self._sent: Recent[bool] = Recent()
        self.is_sound = True

    def run(
        self, request: NetworkRequest, cancel: threading.Event, report: Report
    ) -> tuple[Any, int]:
        self._wait_until_ready(cancel, report)
        is_known = request.video in self._sent
        self._sent.take(request.video, True)
        self.is_sound = False
        try:
            self._number += 1
            message = replace(request, clips=None) if is_known else request
            send_object(self.channel, (self._number, message))
            kind, value, size = self._outcome(cancel, report)
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
            raise RuntimeError(f"{value} in the process that runs models")
        if kind == "failed":
            raise value
        return value, size

    def _wait_until_ready(self, cancel: threading.Event, report: Report) -> None:
        end = time.monotonic() + START_SECONDS
        while not self.device_taken:
            report("start", 0.0)
            try:
                self.channel.wait(time.monotonic() + POLL_SECONDS, cancel)
                (_, self.device_taken), _ = receive_object(self.channel)
            except DeadlineError:
                if time.monotonic() > end:
                    self.is_sound = False
                    raise WorkerError(
                        "The process that runs models does not start",
                        f"a start within {START_SECONDS:g} s", "See the server's log.",
                    ) from None

    def _outcome(self, cancel: threading.Event, report: Report) -> tuple[str, Any, int]:
        while True:
            self.channel.wait(cancel=cancel)
            (kind, value), size = receive_object(self.channel)
            if kind != "progress":
                return kind, value, size
            report(*value)

    def _stops(self) -> bool:
        """Cancel the request; false if the process is lost or not done with it in time."""
        end = time.monotonic() + GRACE_SECONDS
        with suppress(EOFError, OSError, DeadlineError):
            send_object(self.channel, self._number)
            while True:
                self.channel.wait(end)
                (kind, _), _ = receive_object(self.channel)
                if kind != "progress":
                    return bool(kind != "lost")
        return False


@cache
def process_of(device: str) -> NetworkProcess:
    """The one process of a device, for as long as this server lives."""
    return NetworkProcess(device)
