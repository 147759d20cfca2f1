"""The work of a server beside answering: it takes over runs of an earlier one, removes what is
nobody's, and writes its status. One thread, from the first page on, that knows no session."""

from __future__ import annotations

import logging
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.server import cleanup, health, logs, memory, run_jobs, runs, runtime
from app.server.cleanup import Places
from dsanet_core.version import VERSION
from dsanet_core.video.sandbox import protections

CLEANUP_SECONDS = 600.0
PACKAGES = ("streamlit", "torch", "av")

logger = logging.getLogger(__name__)


@cache
def begin() -> None:
    """Once per server. A page that is drawn without one (in tests) has nothing to keep up."""
    if not runtime.is_serving():
        return
    memory.share_heaps()
    runtime.defer_cleanup()
    facts: dict[str, Any] = {"lens": VERSION, "python": platform.python_version()}
    facts |= {package: version(package) for package in PACKAGES}
    logs.event("server_started", **facts)
    health.observe("versions", lambda: facts)
    health.observe("queue of runs", lambda: {"waiting": run_jobs.queue.waiting()})
    threading.Thread(target=Upkeep(runtime.address()).work, name="upkeep", daemon=True).start()


class Upkeep:
    """The work of the thread. What fails is logged, and tried again the next time."""

    def __init__(self, address: str) -> None:
        self.places = Places(Path(tempfile.gettempdir()), runs=runs.FOLDER)
        self.status = health.StatusFile(self.places.cache, address)
        self.cleaned = float("-inf")

    def work(self) -> None:
        self._attempt(self.adopt)
        self._attempt(self.ask_protections)
        while True:
            if time.monotonic() - self.cleaned >= CLEANUP_SECONDS:
                self._attempt(self.clean_up)
            self._attempt(self.status.write)
            self._attempt(memory.give_back)
            time.sleep(health.STATUS_SECONDS)

    def adopt(self) -> None:
        if number := run_jobs.adopt():
            logs.event("runs_adopted", runs=number)

    def ask_protections(self) -> None:
        took = protections()
        health.observe("sandbox", lambda: {"ok": bool(took), "protections": "; ".join(took)})

    def clean_up(self) -> None:
        gone = cleanup.clear(cleanup.survey(self.places))
        if gone:
            logs.event("tidied", items=len(gone), bytes=sum(item.size for item in gone))
        self.cleaned = time.monotonic()
        health.observe("tidy", self._cleanup_facts)

    def _cleanup_facts(self) -> health.Facts:
        ago = time.monotonic() - self.cleaned
        return {"ok": ago < 3 * CLEANUP_SECONDS, "minutes_ago": round(ago / 60, 1)}

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            logger.exception(f"upkeep: {work.__name__} failed")
