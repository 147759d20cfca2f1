"""A queue served by one thread: jobs with progress, shared between sessions, cancellable.

Knows neither Streamlit nor networks. The worker never calls back into a page; pages poll.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import CancelledError
from queue import SimpleQueue
from typing import Any

from dsanet_core.errors import LensError

logger = logging.getLogger(__name__)

WAITING = "Waiting for its turn"


class Job:
    """One piece of work: who waits for it, how far it is, what came of it.

    fraction: 0 to 1. result: what the work returned, None until then. error: what it raised;
    `CancelledError` where it was stopped. Read `result` and `error` only once `finished` is set.
    """

    def __init__(self, work: Callable[[Job], Any]) -> None:
        self._work = work
        self.stage = WAITING
        self.fraction = 0.0
        self.sessions: set[str] = set()
        self.cancel = threading.Event()
        self.finished = threading.Event()
        self.result: Any = None
        self.error: Exception | None = None

    def report(self, stage: str, fraction: float) -> None:
        """Called by the work between its steps; the place where a cancelled job stops."""
        self.stage, self.fraction = stage, fraction
        if self.cancel.is_set():
            raise CancelledError

    def run(self) -> None:
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
            self.finished.set()


class Workroom:
    """Jobs by key, run one after the other by one daemon thread; the last `keep` stay at hand."""

    def __init__(self, name: str, *, keep: int = 64) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._queue: SimpleQueue[Job] = SimpleQueue()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._queue.get().run()

    def submit(self, key: Hashable, session: str, work: Callable[[Job], Any]) -> Job:
        """The job of this key for this session: the one at hand, or a new one in the queue.

        A failed job is at hand for the sessions that waited for it, so that redrawing a page does
        not repeat it; others, and those that let go of it, get a new try.
        """
        with self._lock:
            job = self._jobs.get(key)
            failed = job is not None and (job.cancel.is_set() or job.error is not None)
            if job is None or (failed and session not in job.sessions):
                job = self._jobs[key] = Job(work)
                self._queue.put(job)
            self._jobs.move_to_end(key)
            job.sessions.add(session)
            done = [k for k, other in self._jobs.items() if other.finished.is_set()]
            for old in done[: max(0, len(done) - self._keep)]:
                del self._jobs[old]
            return job

    def release(self, session: str, *, keep: Collection[Hashable] = ()) -> None:
        """This session waits for nothing but the jobs `keep`; a job nobody waits for stops."""
        with self._lock:
            for key, job in self._jobs.items():
                if key not in keep and session in job.sessions:
                    job.sessions.discard(session)
                    if not job.sessions and not job.finished.is_set():
                        job.cancel.set()
