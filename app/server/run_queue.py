"""The queue of runs: one thread starts them, one after the other, each as a process of its own.

A run's process outlives the server that started it, and what waits is noted in the runs' folders
(`run_marks`): a server that starts takes over the queue of one that went (`Queue.adopt`).
"""

from __future__ import annotations

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
from app.server import logs, run_marks
from app.server.fair_queue import WAITING, FairQueue, Job
from app.server.run_marks import Mark
from dsanet_core.errors import LensError, RunError, printable
from dsanet_core.runs.store import RunFolder

LOG = "log.txt"
PROGRAM: tuple[str, ...] = (sys.executable, "-m", "dsanet_core")
POLL_SECONDS = 0.2
MOST_WAITING = 1000
GRACE_SECONDS = 30.0
"""How long a stopped process may take to write what is done before it is killed."""

Check = Callable[[Sequence[str]], Collection[str]]
"""The ids of the runs that the arguments of a command ask for; raises LensError."""


class Turn(StrEnum):
    """Where a run of this server's queue stands."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"


class Queue:
    """Runs that one thread starts one after the other."""

    def __init__(self) -> None:
        self._room = FairQueue("runs", waiting_in_all=MOST_WAITING)
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._marks: dict[str, Mark | None] = {}

    def add(self, path: Path, arguments: Sequence[str]) -> None:
        """The run of this folder begins after those before it; one that is in the queue stays.

        Raises RunError where it waits in another server's queue, or that cannot be noted.
        """
        with self._lock:
            if self._turn(path.name) is None:
                mark = run_marks.mark(path, arguments)
                self._submit(path, mark, lambda job: _work(job, path, arguments, mark))

    def adopt(self, folder: Path, check: Check) -> int:
        """Take over what an earlier server left in a folder of runs: those at work, which go on as
        they are, then those that wait, in their order. check: of what waits, in its turn. How
        many."""
        adopted = 0
        with self._lock:
            for path in sorted(folder.glob("*")):
                # Without a log nobody's queue began it.
                if self._turn(path.name) is None and (path / LOG).exists() and _process_of(path):
                    self._submit(path, None, partial(_follow, path=path))
                    adopted += 1
            for mark in run_marks.left_behind(folder):
                if self._turn(mark.path.name) is None:
                    self._submit(mark.path, mark, partial(_work_if_right, mark=mark, check=check))
                    adopted += 1
                else:
                    mark.remove()
        return adopted

    def _submit(self, path: Path, mark: Mark | None, begin: Callable[[Job], None]) -> None:
        def work(job: Job) -> None:
            job.report("running", 0.0)
            logs.event("run_started", run=_short(path))
            try:
                begin(job)
            finally:
                logs.event("run_ended", run=_short(path), cancelled=job.cancel.is_set())
                if mark is not None:
                    mark.remove()

        # A key of its own: the room gives a finished job back to whoever asks again.
        token = secrets.token_hex(8)
        self._jobs.pop(path.name, None)  # a run that comes again comes last
        self._jobs[path.name] = self._room.submit(token, token, work)
        self._marks[path.name] = mark

    def turn(self, run_id: str) -> Turn | None:
        """Where a run stands; None for one that this server neither runs nor is about to run."""
        with self._lock:
            return self._turn(run_id)

    def before(self, run_id: str) -> int:
        """How many runs have their turn before this one."""
        with self._lock:
            names = list(self._jobs)
            earlier = names[: names.index(run_id)] if run_id in names else []
            return sum(self._turn(name) is not None for name in earlier)

    def cancel(self, run_id: str) -> bool:
        """Stop a run, or take it out of the queue; whether it was there."""
        with self._lock:
            turn, mark = self._turn(run_id), self._marks.get(run_id)
            if turn is None:
                return False
            self._jobs[run_id].cancel.set()
            if turn is Turn.WAITING and mark is not None:
                mark.remove()
            return True

    def waiting(self) -> int:
        """How many runs wait for their turn."""
        with self._lock:
            return sum(self._turn(name) is Turn.WAITING for name in self._jobs)

    def _turn(self, run_id: str) -> Turn | None:
        job = self._jobs.get(run_id)
        if job is None or job.finished.is_set():
            return None
        if job.stage == WAITING:
            return None if job.cancel.is_set() else Turn.WAITING
        return Turn.STOPPING if job.cancel.is_set() else Turn.RUNNING


def _work_if_right(job: Job, mark: Mark, check: Check) -> None:
    """As `_work`, for a mark that an earlier server left: much may have changed since."""
    path = mark.path
    if _process_of(path):  # it was begun in the moment in which that server went
        mark.remove()
        _follow(job, path)
        return
    try:
        is_right = path.name in check(mark.arguments)
        why = "dataset, weights or protocol have changed since it was put into the queue"
    except LensError as error:
        is_right, why = False, printable(str(error))
    if is_right:
        _work(job, path, mark.arguments, mark)
    else:
        _note(path / LOG, f"error: it was not begun: {why}")


def _work(job: Job, path: Path, wanted: Sequence[str], mark: Mark) -> None:
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
        if mark.is_held and _process_of(path) == process.pid:
            mark.remove()  # its lock says from now on that it is at work
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
    """What the log calls a run: the end of its name, which no user has chosen."""
    return path.name[-10:]


def _note(log: Path, line: str) -> None:
    with suppress(OSError), log.open("a") as file:
        file.write(f"{line}\n")
