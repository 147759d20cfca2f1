"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsanet_core import atomic
from dsanet_core.atomic import atomic_file, is_unfinished, unfinished_file


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_text("old")
    with atomic_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert is_unfinished(part) and part.suffix == ".gz"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(type(error)), atomic_file(path) as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_reach_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    synced: list[tuple[Path, bool]] = []

    def fsync(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").readlink(), path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    atomic.write_text(path, "{}")
    (part, before), folder = synced
    assert is_unfinished(part) and not before
    assert folder == (tmp_path, True)
    atomic.write_text(path, "{}", sync=False)
    assert len(synced) == 2


def test_names_that_people_give_are_not_taken_for_unfinished_files(tmp_path: Path) -> None:
    names = ("part-1", "mine.part-0a1b2c3d.json", ".gitkeep", ".part-0a1b2c3d", "a.part")
    assert not any(is_unfinished(tmp_path / name) for name in names)
    for name in ("a", "a.json", "a.b.parquet", ".hidden"):
        with unfinished_file(tmp_path / name) as part:
            assert is_unfinished(part)


def test_text_is_utf_8_with_line_feeds_and_bytes_are_what_was_given(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a", "é\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9\n"
    atomic.write_bytes(tmp_path / "a", b"\0\r\n")
    assert (tmp_path / "a").read_bytes() == b"\0\r\n"
