"""Pictures and videos of a page stay while any page is being drawn.

Streamlit 1.67 lets go of a session's files when its page begins to be drawn again, and deletes what
nobody holds when any session's page is done: with several visitors a browser that is still fetching
a picture, or playing a video, then finds it gone, and does not ask again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

LONGEST_SECONDS = 60.0
"""Where somebody's page is always being drawn, files are deleted all the same after so long."""


class Manager(Protocol):
    """What is used of Streamlit's `MediaFileManager`: called with nothing by the thread that draws
    a page, `clear_session_refs` when it begins and `remove_orphaned_files` when it has ended."""

    clear_session_refs: Callable[..., None]
    remove_orphaned_files: Callable[[], None]


@dataclass
class DeferredCleanup:
    """Deletes only while nobody draws."""

    clear: Callable[..., None]
    remove: Callable[[], None]
    _drawing: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _removed: float = field(default_factory=time.monotonic)

    def clear_session_refs(self, session_id: str | None = None) -> None:
        if session_id is None:
            with self._lock:
                self._drawing.add(threading.get_ident())
        self.clear(session_id)

    def remove_orphaned_files(self) -> None:
        with self._lock:
            self._drawing.discard(threading.get_ident())
            self._drawing &= {thread.ident for thread in threading.enumerate()}
            late = time.monotonic() - self._removed > LONGEST_SECONDS
            if self._drawing and not late:
                return
            self._removed = time.monotonic()
        self.remove()


def defer_cleanup(manager: Manager) -> None:
    """From now on this manager deletes files only while nobody draws a page."""
    patience = DeferredCleanup(manager.clear_session_refs, manager.remove_orphaned_files)
    manager.clear_session_refs = patience.clear_session_refs
    manager.remove_orphaned_files = patience.remove_orphaned_files
