"""Uploads of a session that lost its connection: found by who comes back, else deleted in time."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from streamlit import config

from app.server import runtime, sessions
from app.server.uploads import Uploads


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The session that is drawn now. Those that leave have no time at all."""
    context = SimpleNamespace(session_id="mine")
    monkeypatch.setattr(runtime, "get_script_run_ctx", lambda: context)
    before = config.get_option("server.disconnectedSessionTTL")
    config.set_option("server.disconnectedSessionTTL", 0)
    yield context
    config.set_option("server.disconnectedSessionTTL", before)


def take(uploads: Uploads) -> str:
    return uploads.take(io.BytesIO(b"private"), "a.mp4").sha256


async def wait_for_the_end_of(uploads: Uploads) -> None:
    while uploads.folder.exists():
        await asyncio.sleep(0.01)


def test_who_comes_back_finds_the_uploads_and_nobody_else_does(now: SimpleNamespace) -> None:
    session, mine = sessions.claim_uploads()
    upload = take(mine)

    async def loses_the_network() -> Uploads:
        sessions.leave_uploads(session, mine)
        now.session_id = "yours"
        _, yours = sessions.claim_uploads()
        assert yours.find(upload) is None
        yours.close()
        now.session_id = "mine"
        _, back = sessions.claim_uploads()
        await asyncio.sleep(0.1)  # the time of the connection that was lost is over
        return back

    back = asyncio.run(loses_the_network())
    assert back is mine
    found = back.find(upload)
    assert found is not None
    assert found.path.read_bytes() == b"private"
    _, other = sessions.claim_uploads()
    assert other is not mine, "they are handed out once"
    other.close()
    mine.close()


def test_uploads_of_a_session_that_stays_away_are_deleted(now: SimpleNamespace) -> None:
    session, mine = sessions.claim_uploads()
    take(mine)

    async def closes_the_tab() -> None:
        sessions.leave_uploads(session, mine)
        await wait_for_the_end_of(mine)

    asyncio.run(closes_the_tab())
    _, again = sessions.claim_uploads()
    assert again is not mine
    again.close()


def test_who_leaves_twice_has_the_whole_time_again(now: SimpleNamespace) -> None:
    session, mine = sessions.claim_uploads()

    async def flickers() -> None:
        sessions.leave_uploads(session, mine)
        sessions.claim_uploads()
        config.set_option("server.disconnectedSessionTTL", 3600)
        sessions.leave_uploads(session, mine)
        await asyncio.sleep(0.1)

    asyncio.run(flickers())
    assert mine.folder.exists()
    assert sessions.claim_uploads()[1] is mine
    mine.close()


def test_where_no_connection_has_ended_uploads_go_at_once(now: SimpleNamespace) -> None:
    session, mine = sessions.claim_uploads()
    sessions.leave_uploads(session, mine)
    assert not mine.folder.exists()
