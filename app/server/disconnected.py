"""Uploads of sessions whose connection ended: kept for a while, since who lost the network comes
back, and then deleted. A closed tab and a lost connection look the same to a server."""

from __future__ import annotations

import asyncio
import threading

from streamlit import config, runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.server.uploads import Uploads

MARGIN_SECONDS = 1.0
"""Streamlit only forgets a session whose time is over; one that is ended before frees its memory
too, the video that was played among it."""

_lock = threading.Lock()
_left: dict[str, tuple[Uploads, object]] = {}


def claim() -> tuple[str, Uploads]:
    """What Streamlit calls this session, and its uploads: those that it left, or a new folder."""
    context = get_script_run_ctx()
    session = context.session_id if context else ""
    with _lock:
        found = _left.pop(session, None)
    return session, found[0] if found else Uploads()


def leave(session: str, uploads: Uploads) -> None:
    """Called when a connection has ended. After `server.disconnectedSessionTTL` the uploads are
    deleted and the session ends, unless it has claimed them before."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # no server has lost a connection: somebody cleared a cache
        uploads.close()
        return
    token = object()
    with _lock:
        _left[session] = uploads, token
    seconds = config.get_option("server.disconnectedSessionTTL") - MARGIN_SECONDS
    loop.call_later(max(0.0, seconds), _end, session, token)


def _end(session: str, token: object) -> None:
    with _lock:
        if session not in _left or _left[session][1] is not token:
            return
        uploads, _ = _left.pop(session)
    # Deleting may take a while, and this is the thread that serves everybody.
    asyncio.get_running_loop().run_in_executor(None, uploads.close)
    if runtime.exists() and not runtime.get_instance().is_active_session(session):
        runtime.get_instance().close_session(session)
