"""Files of a page that is being drawn again outlast the end of another one's drawing."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from streamlit.runtime import media_file_manager
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from app.server import runtime
from app.server.runtime import defer_cleanup

PICTURE = b"a picture"


class Stage:
    """A manager as `streamlit run` has one, and two visitors with a thread each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.manager = MediaFileManager(MemoryMediaFileStorage("/media"))
        self.visitors = {name: ThreadPoolExecutor(1, name) for name in ("a", "b")}
        name = lambda: threading.current_thread().name.partition("_")[0]  # noqa: E731
        monkeypatch.setattr(media_file_manager, "_get_session_id", name)

    def begins(self, visitor: str) -> None:
        self.visitors[visitor].submit(self.manager.clear_session_refs).result()

    def shows(self, visitor: str) -> str:
        add = self.manager.add
        url = self.visitors[visitor].submit(add, PICTURE, "image/png", f"1.{visitor}").result()
        return url.rpartition("/")[2].partition(".")[0]

    def ends(self, visitor: str) -> None:
        self.visitors[visitor].submit(self.manager.remove_orphaned_files).result()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def drawn_by_a(stage: Stage) -> str:
    stage.begins("a")
    picture = stage.shows("a")
    stage.ends("a")
    assert stage.manager.read_file(picture) is not None
    return picture


@pytest.mark.parametrize("is_patient", [False, True])
def test_the_end_of_another_page_takes_no_picture_of_one_that_is_being_drawn(
    stage: Stage, is_patient: bool
) -> None:
    """Without patience the picture goes: the day Streamlit mends that, this file can go too."""
    if is_patient:
        defer_cleanup(stage.manager)
    picture = drawn_by_a(stage)
    stage.begins("b")
    stage.begins("a")
    stage.ends("b")
    assert (stage.manager.read_file(picture) is not None) == is_patient


def test_a_picture_that_nobody_shows_any_more_goes(stage: Stage) -> None:
    defer_cleanup(stage.manager)
    picture = drawn_by_a(stage)
    stage.begins("a")
    stage.ends("a")
    assert stage.manager.read_file(picture) is None


def test_a_thread_that_died_holds_nothing(stage: Stage) -> None:
    defer_cleanup(stage.manager)
    picture = drawn_by_a(stage)
    stage.begins("a")
    stage.visitors["a"].shutdown()
    stage.begins("b")
    stage.ends("b")
    assert stage.manager.read_file(picture) is None


def test_where_somebody_always_draws_files_go_after_a_while(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "LONGEST_SECONDS", 0.0)
    defer_cleanup(stage.manager)
    picture = drawn_by_a(stage)
    stage.begins("a")
    stage.begins("b")
    stage.ends("b")
    assert stage.manager.read_file(picture) is None
