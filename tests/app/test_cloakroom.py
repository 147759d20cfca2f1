"""Uploads of a session that lost its connection: found by who comes back, else deleted in time."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from streamlit import config

from app.server import disconnected
from app.server.uploads import Uploads


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The session that is drawn now. Those that leave have no time at all."""
    context = SimpleNamespace(session_id="mine")
    monkeypatch.setattr(disconnected, "get_script_run_ctx", lambda: context)
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
    session, mine = disconnected.claim()
    upload = take(mine)

    async def loses_the_network() -> Uploads:
        disconnected.leave(session, mine)
        now.session_id = "yours"
        _, yours = disconnected.claim()
        assert yours.find(upload) is None
        yours.close()
        now.session_id = "mine"
        _, back = disconnected.claim()
        await asyncio.sleep(0.1)  # the time of the connection that was lost is over
        return back

    back = asyncio.run(loses_the_network())
    assert back is mine
    found = back.find(upload)
    assert found is not None
    assert found.path.read_bytes() == b"private"
    _, other = disconnected.claim()
    assert other is not mine, "they are handed out once"
    other.close()
    mine.close()


def test_uploads_of_a_session_that_stays_away_are_deleted(now: SimpleNamespace) -> None:
    session, mine = disconnected.claim()
    take(mine)

    async def closes_the_tab() -> None:
        disconnected.leave(session, mine)
        await wait_for_the_end_of(mine)

    asyncio.run(closes_the_tab())
    _, again = disconnected.claim()
    assert again is not mine
    again.close()


def test_who_leaves_twice_has_the_whole_time_again(now: SimpleNamespace) -> None:
    session, mine = disconnected.claim()

    async def flickers() -> None:
        disconnected.leave(session, mine)
        disconnected.claim()
        config.set_option("server.disconnectedSessionTTL", 3600)
        disconnected.leave(session, mine)
        await asyncio.sleep(0.1)

    asyncio.run(flickers())
    assert mine.folder.exists()
    assert disconnected.claim()[1] is mine
    mine.close()


def test_where_no_connection_has_ended_uploads_go_at_once(now: SimpleNamespace) -> None:
    session, mine = disconnected.claim()
    disconnected.leave(session, mine)
    assert not mine.folder.exists()
