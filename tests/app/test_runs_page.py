"""The page Runs: every state of a run, the form, and what the buttons do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.pages.runs import text
from app.pages.runs.entries import Entry, State
from app.server import run_jobs, run_queue
from dsanet_core import checkpoints
from dsanet_core.records import Run
from dsanet_core.runs import inference
from dsanet_core.runs.store import RunFolder, RunProgress
from dsanet_core.runs.summary import FILE
from tests.app.conftest import OpenPage, go, page_text
from tests.app.run_fixtures import DATASET, put, real_runs, runs_folder
from tests.app.run_programs import is_reported, program, queue, wait_until

__all__ = ["program", "queue", "real_runs", "runs_folder"]

EVIL = "<b>*bold*</b>"


@pytest.fixture
def finished(runs_folder: Path, real_runs: tuple[Path, list[Run]]) -> list[Run]:
    put(runs_folder, *real_runs[1])
    return real_runs[1]


@pytest.fixture
def empty_embedded(queue: run_queue.Queue, runs_folder: Path) -> None:
    """No run is going on and none is there."""


def make_stopped(folder: Path, name: str = "one", **changes: Any) -> RunFolder:
    """A run that has begun, with nothing done."""
    manifest = {
        "model": {"name": "a_network", "weights": "a.safetensors", "weights_sha256": "ab" * 32},
        "dataset": "some videos", "protocol_in_words": "2 frames", "videos": 40,
        "created": "2026-01-02T03:04:05Z", "command": ["run", "nowhere"], "versions": {},
    }
    return RunFolder.make(folder / name, manifest | changes)


def shown_rows(at: AppTest) -> list[dict[str, Any]]:
    return at.dataframe[0].value.to_dict("records")


def press(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


@pytest.mark.usefixtures("empty_embedded")
def test_without_runs_the_page_says_how_to_start_one(open_page: OpenPage) -> None:
    at = open_page("runs")
    assert not at.error
    assert "Start a run above" in at.info[0].value
    assert at.expander[0].proto.expanded
    assert not at.dataframe


@pytest.mark.usefixtures("queue")
def test_a_finished_run_shows_what_its_record_says(
    open_page: OpenPage, finished: list[Run]
) -> None:
    run = finished[1]
    at = open_page("runs", run=run.id)
    rows = {row["Folder"]: row for row in shown_rows(at)}
    assert set(rows) == {each.id for each in finished}
    row = rows[run.id]
    assert (row["State"], row["Videos"], row["Unreadable"]) == ("finished", str(len(run.row)), 0)
    assert row["Top-1 (%)"] == pytest.approx(100 * (run.label_rank == 0).mean())
    assert row["Top-5 (%)"] == pytest.approx(100 * (run.label_rank < 5).mean())
    assert row["SHA-256 of weights"] == run.model.weights_sha256[:12]
    assert at.metric[0].value == f"{100 * run.accuracy():.1f}%"
    groups = at.dataframe[1].value.to_dict("records")
    assert {line["Group of classes"]: line["Top-1 (%)"] / 100 for line in groups} == (
        pytest.approx(run.accuracy_per_group())
    )
    said = page_text(at)
    assert run.model.weights_sha256[:12] in said
    assert "**Protocol:** 8 single frames" in said
    assert "Resume" not in labels(at)


@pytest.mark.usefixtures("queue")
def test_the_pages_of_a_run_open_with_it_chosen(
    open_page: OpenPage, finished: list[Run]
) -> None:
    run = finished[1]
    for page in ("Categories", "Layers", "Errors"):
        at = press(open_page("runs", run=run.id), page)
        assert at.title[0].value == page
        assert at.query_params["run"] == run.id
        assert at.query_params["runs"].split("~")[0] == run.id


@pytest.mark.usefixtures("queue")
def test_embedded_runs_stand_last_and_cannot_be_deleted(
    open_page: OpenPage, finished: list[Run], runs_folder: Path, weights_folder: Path,
) -> None:
    try:
        (weights_folder / "runs").mkdir()
        put(weights_folder / "runs", replace(finished[0], id="embedded"))
        make_stopped(runs_folder)
        at = open_page("runs", run="embedded")
        sources = [row["Comes from"] for row in shown_rows(at)]
        assert sources == ["here", "here", "here", "the project"]
        assert not {"Delete", "Resume"} & set(labels(at))
        with pytest.raises(run_jobs.RunError):
            run_jobs.delete("embedded")
    finally:
        run_jobs.shutil.rmtree(weights_folder / "runs")


@pytest.mark.usefixtures("queue")
def test_a_stopped_run_says_how_far_it_came_and_why_it_ended(
    open_page: OpenPage, runs_folder: Path
) -> None:
    folder = make_stopped(runs_folder)
    failures = [inference.Failure(3, f"no video {EVIL}"), inference.Failure(1, "cut off")]
    folder.write_failures(failures, ["c.mp4", "a.mp4"])
    (folder.path / run_queue.LOG).write_text(f"1 of 40 videos\nerror: a disk is full {EVIL}\n")
    at = open_page("runs")
    assert shown_rows(at)[0]["Videos"] == "2 of 40"
    warning = at.warning[0].value
    assert "2 of 40 videos are complete and saved" in warning
    assert r"a disk is full \<b\>\*bold\*" in warning
    errors = at.dataframe[1].value
    assert list(errors["Video"]) == ["a.mp4", "c.mp4"]
    assert list(errors["Why it was not read"]) == ["cut off", f"no video {EVIL}"]
    written = text.columns_to_csv(text.error_columns(folder.errors()))
    assert written == f"Video,Why it was not read\na.mp4,cut off\nc.mp4,no video {EVIL}\n"
    at = press(at, "Resume")
    assert "nowhere" in at.error[0].value
    assert shown_rows(at)[0]["State"] == "stopped"


@pytest.mark.usefixtures("queue")
def test_delete_asks_once_more_and_the_rest_stays(
    open_page: OpenPage, runs_folder: Path
) -> None:
    make_stopped(runs_folder, "one")
    make_stopped(runs_folder, "two", created="2026-05-05T00:00:00Z")
    at = press(open_page("runs", run="one"), "Delete")
    assert "Delete run one" in at.warning[-1].value
    assert (runs_folder / "one").exists()
    at = press(at, "Cancel")
    assert "Yes, delete" not in labels(at)
    at = press(press(at, "Delete"), "Yes, delete")
    assert [path.name for path in runs_folder.iterdir()] == ["two"]
    assert [row["Folder"] for row in shown_rows(at)] == ["two"]
    assert "Yes, delete" not in labels(at), "the next run is not asked about"


@pytest.mark.usefixtures("queue")
def test_damaged_folders_are_rows_with_a_reason_and_can_be_deleted(
    open_page: OpenPage, runs_folder: Path
) -> None:
    make_stopped(runs_folder, "cut").path.joinpath("run.json").write_text("{")
    make_stopped(runs_folder, "lacking", model={"name": "x"})
    (make_stopped(runs_folder, "torn").path / FILE).write_bytes(b"PAR1 and no more")
    (make_stopped(runs_folder, "named").path / "videos.many.parquet").touch()
    (runs_folder / "films").mkdir()
    at = open_page("runs")
    states = {row["Folder"]: row["State"] for row in shown_rows(at)}
    assert states == dict.fromkeys(("cut", "lacking", "torn", "named"), "damaged")
    for name in states:
        at = open_page("runs", run=name)
        assert name in at.error[0].value or "manifest" in at.error[0].value
        assert "Traceback" not in page_text(at)
        assert ("Resume" in labels(at)) == (name == "torn")
        press(press(at, "Delete"), "Yes, delete")
    assert [path.name for path in runs_folder.iterdir()] == ["films"], "no run, so not ours"


@pytest.mark.usefixtures("program")
def test_a_run_is_started_watched_and_stopped(
    open_page: OpenPage, runs_folder: Path, queue: run_queue.Queue
) -> None:
    at = open_page("runs")
    at.selectbox(key="new_run_model").select("i3d_synth")
    at.number_input(key="new_run_seed").set_value(11)
    at.number_input(key="new_run_videos").set_value(64)
    at = press(at.run(), "Start")
    run_id = next(path.name for path in runs_folder.iterdir())
    manifest = json.loads((runs_folder / run_id / "run.json").read_text())
    assert manifest["opened_as"]["description"] == "synth:seed=11,n=64"
    wait_until(lambda: is_reported(run_id))
    at.run()
    assert (shown_rows(at)[0]["State"], shown_rows(at)[0]["Videos"]) == ("running", "30 of 64")
    bar = at.get("progress")[0].proto
    assert bar.value == 100 * 30 // 64
    assert "30 of 64 videos, 2 unreadable, 12" in bar.text and "1 min 20 s left" in bar.text
    assert "Delete" not in labels(at)

    at.number_input(key="new_run_seed").set_value(12)
    at = press(at.run(), "Start")
    assert {row["State"] for row in shown_rows(at)} == {"running", "waiting"}
    assert "queued behind 1 run" in at.get("progress")[1].proto.text
    at = press(at, "Remove from queue")
    assert sorted(row["State"] for row in shown_rows(at)) == ["running", "stopped"]

    at = press(at, "Stop run")
    wait_until(lambda: queue.turn(run_id) is None)
    at.run()
    assert {row["State"] for row in shown_rows(at)} == {"stopped"}
    assert not at.get("progress")

    at = press(go(at, "runs"), "Resume")
    assert "stopped" in {row["State"] for row in shown_rows(at)} != {"stopped"}


@pytest.mark.usefixtures("program", "empty_embedded")
def test_wrong_wishes_become_sentences_beside_the_form(
    open_page: OpenPage, runs_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "videos" / "yoga").mkdir(parents=True)
    (tmp_path / "videos" / "yoga" / "a.mp4").touch()
    at = open_page("runs")
    at.segmented_control(key="new_run_kind").set_value("Folder or list on this server").run()
    assert next(button for button in at.button if button.label == "Start").disabled
    at.text_input(key="new_run_path").set_value("/no/such").run()
    assert "lies in no folder" in press(at, "Start").error[0].value
    at.text_input(key="new_run_path").set_value(str(tmp_path / "videos")).run()
    assert "'yoga'" in press(at, "Start").error[0].value
    at.text_input(key="new_run_views").set_value("two").run()
    assert "clips x crops" in press(at, "Start").error[0].value
    assert not list(runs_folder.iterdir())
    at = go(go(at, "inspect"), "runs")
    assert at.text_input(key="new_run_path").value == str(tmp_path / "videos")


@pytest.mark.usefixtures("queue")
def test_starting_what_has_been_finished_chooses_it(
    open_page: OpenPage, finished: list[Run], runs_folder: Path, queue: run_queue.Queue
) -> None:
    at = open_page("runs", run=finished[0].id)
    at.selectbox(key="new_run_model").select("sda_tsn_synth")
    seed, count = map(int, re.findall(r"\d+", DATASET))
    at.number_input(key="new_run_seed").set_value(seed)
    at.number_input(key="new_run_videos").set_value(count)
    at = press(at.run(), "Start")
    assert at.query_params["run"] == finished[1].id
    assert "already finished" in at.toast[0].value
    assert queue.turn(finished[1].id) is None


@pytest.mark.usefixtures("queue")
def test_names_from_outside_are_inert(open_page: OpenPage, runs_folder: Path) -> None:
    make_stopped(
        runs_folder,
        model={"name": EVIL, "weights": EVIL, "weights_sha256": EVIL},
        dataset=EVIL, protocol_in_words=EVIL, versions={EVIL: EVIL},
    )
    said = page_text(open_page("runs"))
    assert r"\<b\>" in said
    assert "<b>" not in said
    assert "*bold*" not in said.replace(r"\*bold\*", "")


@pytest.mark.usefixtures("queue", "runs_folder")
@pytest.mark.parametrize("link", ["../../etc", "/", "", "a~b", "x" * 3000])
def test_a_link_to_no_run_shows_the_newest(
    open_page: OpenPage, runs_folder: Path, link: str
) -> None:
    make_stopped(runs_folder, "old")
    make_stopped(runs_folder, "new", created="2026-05-05T00:00:00Z")
    at = open_page("runs", run=link)
    assert not at.error
    assert at.query_params["run"] == "new"


def test_no_weights_here_is_said_and_the_table_stays(
    open_page: OpenPage, queue: run_queue.Queue, runs_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_stopped(runs_folder)
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path / "none")
    at = open_page("runs")
    assert r"make train\-embedded" in at.error[0].value
    assert len(shown_rows(at)) == 1


def test_words_of_a_run_that_goes_on() -> None:
    entry = Entry(
        "one", Path("one"), False, State.RUNNING, None, RunProgress(5, 0, 9), "2026"
    )
    said = text.progress
    assert "loading packages" in said(entry, 0)
    busy = RunProgress(5, 0, 9, rate=2, seconds_left=2.0, process=7, updated=0)
    assert "no update for" in said(replace(entry, progress=busy), 0)
    assert "writing the summary" in said(replace(entry, progress=replace(busy, done=9)), 0)
    assert said(replace(entry, state=State.WAITING), 3) == "queued behind 3 runs"
    assert "stopping" in said(replace(entry, state=State.STOPPING), 0)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", text.NO_EXIT_MESSAGE),
        ("3 of 9 videos, 1.0 videos/s\n", text.NO_EXIT_MESSAGE),
        ("error: no disk; expected one. Buy it.\n", "no disk; expected one. Buy it."),
        ("stopped\nTraceback (most recent call last):\nOSError: gone\n", "it was stopped"),
        ("Traceback (most recent call last):\n  File x\nValueError: no\n", "with ValueError: no"),
    ],
)
def test_the_last_words_of_a_process_are_a_sentence(tmp_path: Path, log: str, said: str) -> None:
    assert text.exit_reason(tmp_path) is None
    (tmp_path / run_queue.LOG).write_text(log)
    words = str(text.exit_reason(tmp_path))
    assert said in words
    assert "Traceback" not in words
