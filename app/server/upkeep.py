"""What a server does beside answering: it takes over runs of an earlier one, tidies up, and leaves
word of itself. One thread, from the first page on, that knows no session and draws nothing."""

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

import streamlit as st
from streamlit import runtime

from app.server import cleanup, health, logs, memory, run_jobs, runs
from app.server.cleanup import Places
from app.server.media import defer_cleanup
from dsanet_core.version import VERSION
from dsanet_core.video.sandbox import protections

TIDY_SECONDS = 600.0
PACKAGES = ("streamlit", "torch", "av")

logger = logging.getLogger(__name__)


@cache
def begin() -> None:
    """Once per server. A page that is drawn without one (in tests) has nothing to keep up."""
    if not runtime.exists() or type(runtime.get_instance()) is not runtime.Runtime:
        return
    memory.share_heaps()
    defer_cleanup(runtime.get_instance().media_file_mgr)
    facts = {"lens": VERSION, "python": platform.python_version()}
    facts |= {package: version(package) for package in PACKAGES}
    logs.event("server_started", **facts)
    health.observe("versions", lambda: facts)
    health.observe("queue of runs", lambda: {"waiting": run_jobs.queue.waiting()})
    threading.Thread(target=Upkeep(_address()).work, name="upkeep", daemon=True).start()


def _address() -> str:
    """Where this server answers on its own machine."""
    host = st.get_option("server.address") or "localhost"
    host = "localhost" if host in ("0.0.0.0", "::") else host
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{scheme}://{host}:{st.get_option('server.port')}/{base}".rstrip("/")


class Upkeep:
    """The work of the thread. What fails is logged, and tried again the next time."""

    def __init__(self, address: str) -> None:
        self.places = Places(Path(tempfile.gettempdir()), runs=runs.FOLDER)
        self.heart = health.Heart(self.places.cache, address)
        self.tidied = float("-inf")

    def work(self) -> None:
        self._attempt(self.adopt)
        self._attempt(self.ask_protections)
        while True:
            if time.monotonic() - self.tidied >= TIDY_SECONDS:
                self._attempt(self.tidy)
            self._attempt(self.heart.beat)
            self._attempt(memory.give_back)
            time.sleep(health.BEAT_SECONDS)

    def adopt(self) -> None:
        if number := run_jobs.adopt():
            logs.event("runs_adopted", runs=number)

    def ask_protections(self) -> None:
        took = protections()
        health.observe("sandbox", lambda: {"ok": bool(took), "protections": "; ".join(took)})

    def tidy(self) -> None:
        gone = cleanup.clear(cleanup.survey(self.places))
        if gone:
            logs.event("tidied", items=len(gone), bytes=sum(item.size for item in gone))
        self.tidied = time.monotonic()
        health.observe("tidy", self._say_tidied)

    def _say_tidied(self) -> health.Facts:
        ago = time.monotonic() - self.tidied
        return {"ok": ago < 3 * TIDY_SECONDS, "minutes_ago": round(ago / 60, 1)}

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            logger.exception(f"upkeep: {work.__name__} failed")
