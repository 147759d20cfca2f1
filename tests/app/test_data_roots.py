"""Paths from a page: inside the data roots, or refused without a word on what is there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from app.server import (
    run_jobs,
    run_queue,
    settings,
)
from app.ui import state
from dsanet_core.errors import DatasetError
from tests.app.conftest import OpenPage
from tests.app.run_fixtures import runs_folder
from tests.app.run_programs import program, queue, wait_until
from tests.weights import save_tiny

__all__ = ["program", "queue", "runs_folder"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An open folder with a secret beside it."""
    folder = tmp_path / "open"
    (folder / "videos" / "yoga").mkdir(parents=True)
    (folder / "videos" / "yoga" / "a.mp4").touch()
    (tmp_path / "closed" / "yoga").mkdir(parents=True)
    (tmp_path / "closed" / "yoga" / "secret.mp4").touch()
    (tmp_path / "closed.csv").write_text("path,label\nsecret.mp4,yoga\n")
    monkeypatch.setenv(settings.DATA_VARIABLE, str(folder))
    return folder


def opened(typed: str) -> list[str]:
    dataset = settings.open_inside(settings.locate(typed), split=None, limit=None)
    return [dataset.video_name(index) for index in range(len(dataset))]


def refusal(typed: str) -> str:
    with pytest.raises(DatasetError, match="lies in no folder that this server opens") as caught:
        opened(typed)
    return str(caught.value)


def test_a_path_inside_opens_by_its_full_and_by_its_relative_name(root: Path) -> None:
    assert opened("videos") == opened(str(root / "videos")) == ["yoga/a.mp4"]
    assert opened("videos/../videos") == ["yoga/a.mp4"]
    assert Path(settings.locate("videos")).is_absolute()


def test_the_embedded_benchmark_is_no_path(root: Path) -> None:
    assert len(opened("synth:seed=1,n=3")) == 3


def test_a_relative_path_is_looked_for_in_every_root(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = os.pathsep.join((str(tmp_path / "not there"), str(root), str(tmp_path / "closed")))
    monkeypatch.setenv(settings.DATA_VARIABLE, roots)
    assert settings.locate("videos") == str(root / "videos")
    assert settings.locate("yoga") == str(tmp_path / "closed" / "yoga")


def test_the_refusal_is_the_same_whether_or_not_something_is_there(
    root: Path, tmp_path: Path
) -> None:
    there, missing = (tmp_path / name for name in ("closed", "gone99"))
    (root / "to_there").symlink_to(there)
    (root / "to_gone9").symlink_to(missing)
    for first, second in (
        (str(there), str(missing)),
        ("../closed", "../gone99"),
        ("videos/../../closed.csv", "videos/../../gone99.csv"),
        ("to_there", "to_gone9"),
        ("/root/.ssh", "/root/.abc"),
    ):
        assert refusal(first).replace(first, second) == refusal(second)


@pytest.mark.parametrize(
    "typed", ["/", "..", "~root", "/proc/self/fd", "a\0b", "-v/../..", "//etc", "./../closed.csv"]
)
def test_ways_out_are_refused(root: Path, typed: str) -> None:
    if typed.startswith("~"):
        with pytest.raises(DatasetError, match="does not exist"):
            opened(typed)  # a name like any other
        return
    said = refusal(typed)
    assert str(root) in said
    assert settings.DATA_VARIABLE in said
    assert "\0" not in said


def test_a_sibling_whose_name_begins_alike_is_outside(root: Path) -> None:
    (root.parent / "opened" / "yoga").mkdir(parents=True)
    refusal(str(root.parent / "opened"))


def test_a_loop_of_symlinks_is_refused(root: Path) -> None:
    (root / "loop").symlink_to(root / "loop")
    refusal("loop/a.csv")


@pytest.mark.parametrize(
    "path", ["../closed/yoga/secret.mp4", "../gone.mp4", "/etc/passwd", "videos/../..", "link.mp4"]
)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_list_cannot_name_a_video_outside(root: Path, path: str, form: str) -> None:
    (root / "link.mp4").symlink_to(root.parent / "closed" / "yoga" / "secret.mp4")
    rows = [{"path": "videos/yoga/a.mp4", "label": "yoga"}, {"path": path, "label": "yoga"}]
    lines = (
        ["path,label", *(",".join(row.values()) for row in rows)]
        if form == "csv" else [json.dumps(row) for row in rows]
    )
    (root / f"list.{form}").write_text("\n".join(lines))
    refusal(f"list.{form}")


def test_a_folder_cannot_lead_outside_by_a_symlink(root: Path) -> None:
    link = root / "videos" / "yoga" / "b.mp4"
    link.symlink_to(root.parent / "closed" / "yoga" / "secret.mp4")
    assert "b.mp4" in refusal("videos")
    link.unlink()
    (root / "videos" / "dance").symlink_to(root.parent / "closed" / "yoga")
    assert "dance" in refusal("videos")


def test_symlinks_within_the_roots_are_followed(root: Path) -> None:
    (root / "videos" / "dance").symlink_to(root / "videos" / "yoga")
    (root / "again").symlink_to(root / "videos")
    assert opened("again") == ["dance/a.mp4", "yoga/a.mp4"]


@pytest.fixture
def published(root: Path) -> Path:
    """A published data set in the open folder, one of its videos outside, with the same annotations
    beside the open folder."""
    lines = "label,youtube_id\nyoga,aaaaaaaaaaa\nyoga,bbbbbbbbbbb\n"
    (root / "k400").mkdir()
    for folder in (root / "k400", root.parent / "closed"):
        (folder / "val.csv").write_text(lines)
    (root / "k400" / "aaaaaaaaaaa.mp4").touch()
    (root / "k400" / "bbbbbbbbbbb.mp4").symlink_to(root.parent / "closed" / "yoga" / "secret.mp4")
    return root / "k400"


def test_a_published_data_set_opens_by_full_and_relative_paths(published: Path) -> None:
    for typed in (
        "kinetics400:k400", f"kinetics400:{published}", "kinetics400:k400,annotations=k400/val.csv",
        f"kinetics400:k400/../k400,annotations={published}",
    ):
        assert opened(typed) == ["aaaaaaaaaaa.mp4"]
    assert settings.locate("epic55:k400,annotations=k400/val.csv,task=noun") == (
        f"epic55:{published},annotations={published}/val.csv,task=noun"
    )


@pytest.mark.parametrize("typed", [
    "kinetics400:{closed}", "kinetics400:../closed", "kinetics400:/",
    "kinetics400:k400,annotations={closed}/val.csv", "kinetics400:k400,annotations=../closed",
    "kinetics400:{closed},annotations=k400/val.csv", "kinetics400:link",
    "kinetics400:k400,annotations=link/val.csv", "kinetics400:k400,annotations=/etc/passwd",
    "kinetics400:k400,annotations=k400,annotations=../closed",
])
def test_no_part_of_a_published_description_leads_outside(published: Path, typed: str) -> None:
    closed = published.parent.parent / "closed"
    (published.parent / "link").symlink_to(closed)
    refusal(typed.format(closed=closed))
    with pytest.raises(DatasetError, match="lies in no folder"):
        settings.open_inside(typed.format(closed=closed), split=None, limit=None)


@pytest.mark.usefixtures("program")
def test_a_run_over_data_outside_is_neither_started_nor_resumed(
    queue: run_queue.Queue, runs_folder: Path, root: Path, tmp_path: Path
) -> None:
    weights = save_tiny(tmp_path, "tsn_synth")
    with pytest.raises(DatasetError, match="lies in no folder"):
        run_jobs.start(run_jobs.arguments(str(tmp_path / "closed"), str(weights)))
    assert not list(runs_folder.iterdir())
    run_id = run_jobs.start(run_jobs.arguments("synth:seed=5,n=9", str(weights)))
    run_jobs.stop(run_id)
    wait_until(lambda: queue.turn(run_id) is None)
    file = runs_folder / run_id / "run.json"
    manifest = json.loads(file.read_text())
    manifest["command"][1] = str(tmp_path / "closed")
    file.write_text(json.dumps(manifest))
    with pytest.raises(DatasetError, match="lies in no folder"):
        run_jobs.resume(run_id)


@pytest.mark.usefixtures("queue", "runs_folder")
def test_the_form_says_which_folders_are_open_and_refuses_others(
    open_page: OpenPage, root: Path
) -> None:
    at = open_page("runs")
    at.segmented_control[0].set_value("Folder or list on this server").run()
    said = "\n".join(caption.value for caption in at.caption).replace("\\", "")
    assert str(root) in said
    assert settings.DATA_VARIABLE in said
    at.text_input(key=state.NEW_RUN_PATH).set_value(str(root.parent / "closed")).run()
    next(button for button in at.button if button.label == "Start").click().run()
    assert "lies in no folder" in at.error[0].value
