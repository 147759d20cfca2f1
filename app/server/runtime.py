"""Handles of the running Streamlit server; nothing else of `app.server` imports Streamlit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streamlit import cache_resource as cache_resource
from streamlit import config
from streamlit import runtime as streamlit_runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile as UploadedFile

LONGEST_SECONDS = 60.0
"""Where somebody's page is always being drawn, files are deleted all the same after so long."""


def session_id() -> str:
    """Streamlit's id of the session whose page is being drawn, "" where there is none."""
    context = get_script_run_ctx()
    return context.session_id if context else ""


def option(name: str) -> Any:
    """A setting of the server, such as "server.port"."""
    return config.get_option(name)


def address() -> str:
    """Where this server answers on its own machine, such as "http://localhost:8501"."""
    host = option("server.address") or "localhost"
    host = "localhost" if host in ("0.0.0.0", "::") else host
    scheme = "https" if option("server.sslCertFile") else "http"
    base = str(option("server.baseUrlPath") or "").strip("/")
    return f"{scheme}://{host}:{option('server.port')}/{base}".rstrip("/")


def is_serving() -> bool:
    """False while a page is drawn without a server, as tests do."""
    return (
        streamlit_runtime.exists()
        and type(streamlit_runtime.get_instance()) is streamlit_runtime.Runtime
    )


def end_session(session: str) -> None:
    """End a session that has no connection, and free its memory before Streamlit would."""
    if streamlit_runtime.exists():
        instance = streamlit_runtime.get_instance()
        if not instance.is_active_session(session):
            instance.close_session(session)


def drop_upload(file: UploadedFile) -> None:
    """Free the bytes of an uploaded file, which Streamlit keeps in memory until the session ends:
    on disk is enough."""
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


@dataclass
class DeferredCleanup:
    """Deletes pictures and videos of pages only while no page is being drawn.

    Streamlit 1.67 lets go of a session's files when its page begins to be drawn again, and deletes
    what nobody holds when any session's page is done: with several visitors a browser that is still
    fetching a picture, or playing a video, then finds it gone, and does not ask again.
    """

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


def defer_cleanup(manager: Any = None) -> None:
    """From now on a `MediaFileManager` of Streamlit, by default the server's, deletes files only
    while no page is being drawn. The thread that draws a page calls its `clear_session_refs` with
    nothing when it begins and its `remove_orphaned_files` when it has ended."""
    manager = manager or streamlit_runtime.get_instance().media_file_mgr
    deferred = DeferredCleanup(manager.clear_session_refs, manager.remove_orphaned_files)
    manager.clear_session_refs = deferred.clear_session_refs
    manager.remove_orphaned_files = deferred.remove_orphaned_files
