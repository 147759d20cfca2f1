"""A queue with fair turns: jobs with progress, shared between sessions, limited and cancellable.

Knows neither Streamlit nor networks. Workers never call back into a page; pages poll.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import CancelledError
from typing import Any

from app.server import logs, settings
from dsanet_core.errors import LensError

logger = logging.getLogger(__name__)

WAITING = "Waiting for its turn"


class BusyError(LensError):
    """More work than a session, or the server, takes at a time."""


class Job:
    """One piece of work: the sessions that wait for it, its progress and its outcome.

    fraction: 0 to 1. result: returned by the work, None until then; nbytes: estimate of the memory
    it takes, set by the work. error: raised by the work; `CancelledError` where it was stopped.
    waited_seconds, seconds: before its turn, and at work. Read the outcome only once `finished` is
    set.
    """

    def __init__(self, work: Callable[[Job], Any]) -> None:
        self._work = work
        self.stage = WAITING
        self.fraction = 0.0
        self.sessions: set[str] = set()
        self.cancel = threading.Event()
        self.finished = threading.Event()
        self.result: Any = None
        self.nbytes = 0
        self.error: Exception | None = None
        self.waited_seconds = self.seconds = 0.0
        self._asked = time.monotonic()

    def report(self, stage: str, fraction: float) -> None:
        """Called by the work between its steps; the place where a cancelled job stops."""
        self.stage, self.fraction = stage, fraction
        if self.cancel.is_set():
            raise CancelledError

    def run(self) -> None:
        begun = time.monotonic()
        self.waited_seconds = begun - self._asked
        try:
            self.report(WAITING, 0.0)
            self.result = self._work(self)
        except (CancelledError, LensError) as error:
            self.error = error
        except Exception as error:
            # A page shows one sentence; the log keeps what is needed to mend it.
            logger.exception("a job failed")
            self.error = error
        finally:
            self.seconds = time.monotonic() - begun
            self.finished.set()

    @property
    def outcome(self) -> str:
        """Of a finished one: "done", or the kind of error."""
        return "done" if self.error is None else type(self.error).__name__

    def drop(self) -> None:
        """End a job that has not begun."""
        self.cancel.set()
        self.error = CancelledError()
        self.finished.set()


class FairQueue:
    """Jobs by key. Sessions take turns, whatever number of jobs each has waiting, and have one job
    at work at a time.

    threads: how many sessions are served at once, by daemon threads. keep, keep_bytes: finished
    jobs that stay at hand, those that somebody still shows the longest. waiting, waiting_in_all:
    most jobs that wait, of one session and of all.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int = 1,
        keep: int = 32,
        keep_bytes: int = settings.RESULT_BYTES,
        waiting: int = settings.WAITING_PER_SESSION,
        waiting_in_all: int = settings.WAITING_IN_ALL,
    ) -> None:
        self._name = name
        self._keep, self._keep_bytes = keep, keep_bytes
        self._waiting, self._waiting_in_all = waiting, waiting_in_all
        self._changed = threading.Condition()
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._lines: OrderedDict[str, deque[Job]] = OrderedDict()
        """Waiting jobs by session, the session whose turn it is first; none is empty."""
        self._served: set[str] = set()
        for number in range(threads):
            threading.Thread(target=self._serve, name=f"{name} {number}", daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._changed:
                session = self._changed.wait_for(self._next_session)
                assert session is not None
                line = self._lines.pop(session)
                job = line.popleft()
                if line:
                    self._lines[session] = line  # behind all the others
                self._served.add(session)
            job.run()
            logs.event(
                "job", room=self._name, session=session, outcome=job.outcome,
                waited=round(job.waited_seconds, 2), seconds=round(job.seconds, 2),
            )
            with self._changed:
                self._served.discard(session)
                self._forget()
                self._changed.notify_all()
            del job  # an idle thread must not keep a result alive

    def _next_session(self) -> str | None:
        return next((name for name in self._lines if name not in self._served), None)

    def submit(self, key: Hashable, session: str, work: Callable[[Job], Any]) -> Job:
        """The job of this key for this session: the one at hand, or a new one in its line.

        A failed job is at hand for the sessions that waited for it, so that redrawing a page does
        not repeat it; others, and those that let go of it, get a new try. Raises BusyError for a
        new one where too many wait already.
        """
        with self._changed:
            job = self._jobs.get(key)
            failed = job is not None and (job.cancel.is_set() or job.error is not None)
            if job is None or (failed and session not in job.sessions):
                self._check_room(session)
                job = self._jobs[key] = Job(work)
                self._lines.setdefault(session, deque()).append(job)
                self._changed.notify()
            self._jobs.move_to_end(key)
            job.sessions.add(session)
            self._forget()
            return job

    def _check_room(self, session: str) -> None:
        mine, all_of_them = len(self._lines.get(session, ())), self.waiting
        if mine >= self._waiting:
            raise BusyError(
                f"{mine} of your analyses wait for their turn",
                f"at most {self._waiting} at a time",
                "Wait until one is finished, or stop one.",
            )
        if all_of_them >= self._waiting_in_all:
            raise BusyError(
                f"{all_of_them} analyses wait for their turn on this server",
                f"at most {self._waiting_in_all}",
                "Try again in a minute: nothing you have is lost.",
            )

    @property
    def waiting(self) -> int:
        """Number of jobs that wait, of all sessions."""
        return sum(map(len, list(self._lines.values())))

    def ahead(self, job: Job) -> int | None:
        """Number of jobs that begin before this one as things stand; None if it does not wait."""
        with self._changed:
            lines = list(self._lines.values())
            for place, line in enumerate(lines):
                if job in line:
                    turn = line.index(job)
                    earlier = sum(min(len(other), turn + 1) for other in lines[:place])
                    later = sum(min(len(other), turn) for other in lines[place + 1 :])
                    return earlier + turn + later
            return None

    def release(self, session: str, *, keep: Collection[Hashable] = ()) -> None:
        """This session waits for nothing but the jobs `keep`; a job nobody waits for stops, and one
        that has not begun leaves its line."""
        with self._changed:
            for key, job in self._jobs.items():
                if key not in keep and session in job.sessions:
                    job.sessions.discard(session)
                    if not job.sessions and not job.finished.is_set():
                        job.cancel.set()
            for name, line in list(self._lines.items()):
                for job in [job for job in line if job.cancel.is_set()]:
                    line.remove(job)
                    job.drop()
                if not line:
                    del self._lines[name]
            self._forget()

    def forget(self, owner: str) -> None:
        """Drop the finished jobs whose key begins with this owner, who is gone."""
        with self._changed:
            for key, job in list(self._jobs.items()):
                if isinstance(key, tuple) and key[0] == owner and job.finished.is_set():
                    del self._jobs[key]

    def _forget(self) -> None:
        """Finished jobs beyond what is kept, first those that nobody shows; never the newest."""
        done = [(key, job) for key, job in self._jobs.items() if job.finished.is_set()]
        count, size = len(done), sum(job.nbytes for _, job in done)
        for key, job in sorted(done[:-1], key=lambda pair: bool(pair[1].sessions)):
            if count <= self._keep and size <= self._keep_bytes:
                return
            del self._jobs[key]
            count, size = count - 1, size - job.nbytes
