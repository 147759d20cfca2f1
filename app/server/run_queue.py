"""The queue of runs: one thread starts them, one after the other, each as a process of its own.

A run's process outlives the server that started it. A run that waits has an entry in its folder: a
file on which the server holds a lock while it lives. An entry without a lock was left behind by a
server that went, and one that starts takes over its queue (`Queue.adopt`).
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path

from app import python_path
from app.server import logs
from app.server.fair_queue import WAITING, FairQueue, Job
from dsanet_core.errors import LensError, RunError, printable
from dsanet_core.runs.shards import keeping
from dsanet_core.runs.store import RunFolder

LOG = "log.txt"
ENTRY = "queued.json"
PROGRAM: tuple[str, ...] = (sys.executable, "-m", "dsanet_core")
POLL_SECONDS = 0.2
MAX_WAITING = 1000
GRACE_SECONDS = 30.0
"""Time for a stopped process to write its results before it is killed."""

Check = Callable[[Sequence[str]], Collection[str]]
"""The ids of the runs that the arguments of a command ask for; raises LensError."""


class QueueEntry:
    """The entry of one run that waits. path: of its folder. order: the lower, the earlier its turn.
    arguments: of the command that begins it."""

    def __init__(self, path: Path, order: int, arguments: Sequence[str], handle: int) -> None:
        self.path, self.order, self.arguments = path, order, list(arguments)
        self._handle: int | None = handle

    @property
    def is_held(self) -> bool:
        return self._handle is not None

    def remove(self) -> None:
        """The run waits no more. Another time does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):  # the whole folder may have gone
                (self.path / ENTRY).unlink()
            os.close(handle)


def enter(path: Path, arguments: Sequence[str]) -> QueueEntry:
    """Note in the folder of a run that it waits here.

    Raises RunError where it waits in another server's queue, or the disk takes no more.
    """
    order = time.time_ns()
    with keeping(ENTRY, path):
        handle = _hold(path / ENTRY, os.O_CREAT)
        if handle is None:
            raise RunError(
                f"{path.name} waits in the queue of another server", "a run that is stopped",
                "Wait for it, or take it out of the queue there.",
            )
        try:
            text = json.dumps({"order": order, "arguments": list(arguments)})
            os.ftruncate(handle, 0)
            os.write(handle, text.encode())
            os.fsync(handle)
        except OSError:
            QueueEntry(path, order, arguments, handle).remove()
            raise
    return QueueEntry(path, order, arguments, handle)


def left_behind(folder: Path) -> list[QueueEntry]:
    """The entries that nobody holds, now held by this process, in the order of their turns. One
    that cannot be read is removed: its run is a stopped one."""
    found = []
    for file in folder.glob(f"*/{ENTRY}"):
        with suppress(OSError):
            handle = _hold(file, 0)
            if handle is None:
                continue
            held = QueueEntry(file.parent, 0, (), handle)
            try:
                values = json.loads(os.read(handle, 1 << 20))
                held.order, arguments = int(values["order"]), values["arguments"]
                if not all(isinstance(argument, str) for argument in arguments):
                    raise TypeError("arguments are text")
                held.arguments = list(arguments)
            except (ValueError, KeyError, TypeError):
                held.remove()
            else:
                found.append(held)
    return sorted(found, key=lambda held: held.order)


def _hold(file: Path, flags: int) -> int | None:
    """The locked file; None where another holds it. Raises OSError."""
    handle = os.open(file, os.O_RDWR | os.O_NOFOLLOW | flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink == 0:  # removed by its holder in this moment
            raise FileNotFoundError(file)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return handle


class Turn(StrEnum):
    """State of a run in this server's queue."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"


class Queue:
    """Runs that one thread starts one after the other."""

    def __init__(self) -> None:
        self._queue = FairQueue("runs", waiting_in_all=MAX_WAITING)
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._entries: dict[str, QueueEntry | None] = {}

    def add(self, path: Path, arguments: Sequence[str]) -> None:
        """The run of this folder begins after those before it; one that is in the queue stays.

        Raises RunError where it waits in another server's queue, or that cannot be noted.
        """
        with self._lock:
            if self._turn(path.name) is None:
                entry = enter(path, arguments)
                self._submit(path, entry, lambda job: _work(job, path, arguments, entry))

    def adopt(self, folder: Path, check: Check) -> int:
        """Take over what an earlier server left in a folder of runs: those at work, which go on as
        they are, then those that wait, in their order. check: of each that waits, in its
        turn. Returns their number."""
        adopted = 0
        with self._lock:
            for path in sorted(folder.glob("*")):
                # Without a log nobody's queue began it.
                if self._turn(path.name) is None and (path / LOG).exists() and _process_of(path):
                    self._submit(path, None, partial(_follow, path=path))
                    adopted += 1
            for entry in left_behind(folder):
                if self._turn(entry.path.name) is None:
                    begin = partial(_work_if_right, entry=entry, check=check)
                    self._submit(entry.path, entry, begin)
                    adopted += 1
                else:
                    entry.remove()
        return adopted

    def _submit(self, path: Path, entry: QueueEntry | None, begin: Callable[[Job], None]) -> None:
        def work(job: Job) -> None:
            job.report("running", 0.0)
            logs.event("run_started", run=_short(path))
            try:
                begin(job)
            finally:
                logs.event("run_ended", run=_short(path), cancelled=job.cancel.is_set())
                if entry is not None:
                    entry.remove()

        # A key of its own: the queue gives a finished job back to whoever submits it again.
        token = secrets.token_hex(8)
        self._jobs.pop(path.name, None)  # a run that comes again comes last
        self._jobs[path.name] = self._queue.submit(token, token, work)
        self._entries[path.name] = entry

    def turn(self, run_id: str) -> Turn | None:
        """State of a run; None for one that this server neither runs nor is about to run."""
        with self._lock:
            return self._turn(run_id)

    def before(self, run_id: str) -> int:
        """Number of runs whose turn comes before this one."""
        with self._lock:
            names = list(self._jobs)
            earlier = names[: names.index(run_id)] if run_id in names else []
            return sum(self._turn(name) is not None for name in earlier)

    def cancel(self, run_id: str) -> bool:
        """Stop a run, or take it out of the queue; false if it was not there."""
        with self._lock:
            turn, entry = self._turn(run_id), self._entries.get(run_id)
            if turn is None:
                return False
            self._jobs[run_id].cancel.set()
            if turn is Turn.WAITING and entry is not None:
                entry.remove()
            return True

    def waiting(self) -> int:
        """Number of runs that wait for their turn."""
        with self._lock:
            return sum(self._turn(name) is Turn.WAITING for name in self._jobs)

    def _turn(self, run_id: str) -> Turn | None:
        job = self._jobs.get(run_id)
        if job is None or job.finished.is_set():
            return None
        if job.stage == WAITING:
            return None if job.cancel.is_set() else Turn.WAITING
        return Turn.STOPPING if job.cancel.is_set() else Turn.RUNNING


def _work_if_right(job: Job, entry: QueueEntry, check: Check) -> None:
    """As `_work`, for an entry that an earlier server left: much may have changed since."""
    path = entry.path
    if _process_of(path):  # it was begun in the moment in which that server went
        entry.remove()
        _follow(job, path)
        return
    try:
        is_right = path.name in check(entry.arguments)
        why = "dataset, weights or protocol have changed since it was put into the queue"
    except LensError as error:
        is_right, why = False, printable(str(error))
    if is_right:
        _work(job, path, entry.arguments, entry)
    else:
        _note(path / LOG, f"error: it was not begun: {why}")


def _work(job: Job, path: Path, wanted: Sequence[str], entry: QueueEntry) -> None:
    """One run from its process's start to its end, in the thread of the queue."""
    place = wanted.index("--") if "--" in wanted else len(wanted)
    command = [*PROGRAM, *wanted[:place], f"--runs={path.parent}", *wanted[place:]]
    environment = os.environ | {"PYTHONPATH": python_path()}
    log = path / LOG
    try:
        log.write_bytes(b"")
        with log.open("ab") as stderr:  # to append: whoever shortens the file leaves no hole
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=stderr, start_new_session=True,
            )
    except (OSError, ValueError) as error:
        _note(log, f"error: the process could not be started ({error})")
        raise RunError(f"{path.name}: {error}", "a process", "See the server's log.") from error
    while process.poll() is None:
        if job.cancel.wait(POLL_SECONDS):
            _end(process)
            raise CancelledError
        if entry.is_held and _process_of(path) == process.pid:
            entry.remove()  # its lock says from now on that it is at work
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        why = ", as the system does where memory runs out" if name == "SIGKILL" else ""
        _note(log, f"error: killed by signal {name}{why}")


def _follow(job: Job, path: Path) -> None:
    """A run that an earlier server began, to its end."""
    while (process := _process_of(path)) is not None:
        if job.cancel.wait(POLL_SECONDS):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
                end = time.monotonic() + GRACE_SECONDS
                while _process_of(path) == process:
                    if time.monotonic() > end and os.getpgid(process) == process:
                        os.killpg(process, signal.SIGKILL)
                    time.sleep(POLL_SECONDS)
            raise CancelledError


def _process_of(path: Path) -> int | None:
    """The process of this machine and user that is at work on a run, once it has said so."""
    try:
        folder = RunFolder(path)
        progress = folder.progress()
        if not folder.is_at_work or progress.host != socket.gethostname() or progress.process <= 1:
            return None
        os.kill(progress.process, 0)
    except (LensError, OSError, ValueError, IndexError):
        return None
    return progress.process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own group, since it leads its own session
        process.wait()


def _short(path: Path) -> str:
    """Name of a run in the log: the end of its id, which no user has chosen."""
    return path.name[-10:]


def _note(log: Path, line: str) -> None:
    with suppress(OSError), log.open("a") as file:
        file.write(f"{line}\n")
