"""Pictures and videos of a page stay while any page is being drawn.

Streamlit 1.67 lets go of a session's files when its page begins to be drawn again, and deletes what
nobody holds when any session's page is done: with several visitors a browser that is still fetching
a picture, or playing a video, then finds it gone, and does not ask again. So it does where a page
is left half drawn, to be drawn anew: its other half holds nothing yet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

LONGEST_SECONDS = 60.0
"""Where somebody's page is always being drawn, files are deleted all the same after so long."""

_thread = threading.local()


def page_is_whole() -> None:
    """Said by the thread that draws a page, when it has drawn all of it."""
    _thread.is_whole = True


class Manager(Protocol):
    """What is used of Streamlit's `MediaFileManager`: called with nothing by the thread that draws
    a page, `clear_session_refs` when it begins and `remove_orphaned_files` when it has ended, be it
    whole or only to begin anew."""

    clear_session_refs: Callable[..., None]
    remove_orphaned_files: Callable[[], None]


@dataclass
class Patience:
    """Deletes only while nobody draws."""

    clear: Callable[..., None]
    remove: Callable[[], None]
    _drawing: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting_since: float | None = None

    def clear_session_refs(self, session_id: str | None = None) -> None:
        if session_id is None:
            _thread.is_whole = False
            with self._lock:
                self._drawing.add(threading.get_ident())
        self.clear(session_id)

    def remove_orphaned_files(self) -> None:
        with self._lock:
            if getattr(_thread, "is_whole", False):
                self._drawing.discard(threading.get_ident())
            self._drawing &= {thread.ident for thread in threading.enumerate()}
            now = time.monotonic()
            if self._waiting_since is None:
                self._waiting_since = now
            if self._drawing and now - self._waiting_since <= LONGEST_SECONDS:
                return
            self._waiting_since = None
        self.remove()


def be_patient(manager: Manager) -> None:
    """From now on this manager deletes files only while nobody draws a page."""
    patience = Patience(manager.clear_session_refs, manager.remove_orphaned_files)
    manager.clear_session_refs = patience.clear_session_refs
    manager.remove_orphaned_files = patience.remove_orphaned_files
