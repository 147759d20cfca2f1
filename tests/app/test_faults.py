"""Faults, one by one, as the pages tell them: what happened, what is kept, and the way on."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

import pytest

from app.server import run_jobs, run_queue, run_videos, runs, samples
from dsanet_core import video
from dsanet_core.errors import RecordError, RunError, VideoError
from dsanet_core.records import Run
from dsanet_core.runs import block_ablation
from dsanet_core.runs.shards import shards_of
from dsanet_core.runs.store import RunFolder
from dsanet_core.runs.summary import FILE as SUMMARY
from tests.app.conftest import OpenPage, page_text, settle
from tests.app.run_fixtures import put, real_runs, runs_folder
from tests.app.run_programs import program, queue, wait_until
from tests.app.test_runs_page import labels, make_stopped, press, shown_rows
from tests.weights import save_tiny

__all__ = ["program", "queue", "real_runs", "runs_folder"]

DEADLY = """
import os, signal, sys
from dsanet_core import cli
from dsanet_core.runs import engine, inference
where, place = {where!r}, {place}
engine.SHARD_VIDEOS = 2
owner, name = {{
    "decode": (inference._Inputs, "__getitem__"), "forward": (inference, "run_network")
}}[where]
real, seen = getattr(owner, name), []
def deadly(*args):
    seen.append(1)
    if len(seen) == place:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args)
setattr(owner, name, deadly)
cli.main()
"""


def dying(where: str, place: int) -> tuple[str, ...]:
    """The command line, killed (SIGKILL) in its so-many-th decode or forward."""
    return (sys.executable, "-c", DEADLY.format(where=where, place=place))


def test_killed_in_decode_and_in_forward_and_a_damaged_shard_a_run_comes_to_its_end(
    queue: run_queue.Queue, open_page: OpenPage, runs_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = save_tiny(tmp_path, "tsn_synth")

    with monkeypatch.context() as patch:
        patch.setattr(run_queue, "PROGRAM", dying("decode", 7))
        run_id = run_jobs.start(run_jobs.arguments("synth:seed=5,n=14", str(weights)))
        wait_until(lambda: queue.turn(run_id) is None)
    folder = RunFolder(runs_folder / run_id)
    assert folder.done() == set(range(6))
    at = open_page("runs", run=run_id)
    assert shown_rows(at)[0]["State"] == "stopped"
    warning = at.warning[0].value
    assert "6 of 14 videos are complete and saved" in warning
    assert "killed by signal SIGKILL, as the system does where memory runs out" in warning

    with monkeypatch.context() as patch:
        patch.setattr(run_queue, "PROGRAM", dying("forward", 4))
        press(at, "Resume")
        wait_until(lambda: queue.turn(run_id) is None)
    assert folder.done() == set(range(8)), "two of the three forwards had been written"
    shard = shards_of(folder.path, "videos")[1]
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    at = open_page("runs", run=run_id)
    assert "8 of 14 videos are complete and saved" in at.warning[0].value

    press(at, "Resume")
    wait_until(lambda: queue.turn(run_id) is None)
    log = (folder.path / run_queue.LOG).read_text()
    assert f"it is set aside as {shard.name}.damaged, and its videos are done again" in log
    at = open_page("runs", run=run_id)
    assert shown_rows(at)[0]["State"] == "finished"
    assert "**Set aside:** 1 damaged file" in page_text(at)
    assert runs.find(run_id).row.tolist() == list(range(14))


@pytest.mark.usefixtures("queue")
def test_a_damaged_summary_is_made_again_from_the_shards(
    open_page: OpenPage, runs_folder: Path, real_runs: tuple[Path, list[Run]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_queue, "PROGRAM", (sys.executable, "-S", "-c", "pass"))
    run = real_runs[1][0]
    shutil.copytree(real_runs[0] / run.id, runs_folder / run.id)
    data = (runs_folder / run.id / SUMMARY).read_bytes()
    (runs_folder / run.id / SUMMARY).write_bytes(data[: len(data) // 2])
    at = open_page("runs", run=run.id)
    assert shown_rows(at)[0]["State"] == "damaged"
    assert r"summary\.parquet of" in at.error[0].value and "is no run" in at.error[0].value
    assert "Resume" in labels(at)
    other = open_page("categories", run=run.id, runs=run.id)
    assert "Traceback" not in page_text(other)
    folder = RunFolder(runs_folder / run.id)
    run_jobs._queue(folder, ["run"])
    assert folder.damaged() == [f"{SUMMARY}.damaged"]
    assert (folder.path / f"{SUMMARY}.damaged").read_bytes() == data[: len(data) // 2]
    assert len(folder.done()) == len(run.row), "what was found is still there"


@pytest.mark.parametrize("harm", ["cut off", "nothing left", "no Parquet"])
def test_damaged_effects_are_a_message_and_the_rest_of_the_run_shows(
    open_page: OpenPage, runs_folder: Path, real_runs: tuple[Path, list[Run]], harm: str,
) -> None:
    run = real_runs[1][1]
    put(runs_folder, run)
    data = {"cut off": b"PAR1 and no more", "nothing left": b"", "no Parquet": b"{}" * 99}[harm]
    (runs_folder / run.id / block_ablation.FILE).write_bytes(data)
    with pytest.raises(RecordError, match="Delete the file and give the command again"):
        runs.effects_of(run.id)
    at = open_page("layers", runs=run.id)
    assert "Traceback" not in page_text(at)


@pytest.mark.usefixtures("queue")
def test_a_run_that_is_deleted_while_it_is_shown_is_gone_from_the_page(
    open_page: OpenPage, runs_folder: Path
) -> None:
    make_stopped(runs_folder, "one")
    make_stopped(runs_folder, "two", created="2020-01-01T00:00:00Z")
    at = open_page("runs", run="one")
    shutil.rmtree(runs_folder / "one")
    at = press(at, "Resume")
    assert [row["Folder"] for row in shown_rows(at)] == ["two"]
    assert not at.error, "the button of one run is not that of another"
    with pytest.raises(RunError, match="no run that was made here"):
        run_jobs.resume("one")
    shutil.rmtree(runs_folder)
    at.run()
    assert not at.exception
    assert "Start a run above" in at.info[0].value
    runs_folder.mkdir()


@pytest.mark.usefixtures("program")
def test_a_folder_of_runs_that_takes_nothing_is_a_message_beside_the_form(
    open_page: OpenPage, runs_folder: Path
) -> None:
    runs_folder.rmdir()
    runs_folder.write_text("in place of the folder, a file")
    at = open_page("runs")
    at = press(at, "Start")
    assert r"run\.json could not be kept" in at.error[0].value
    assert "mend the permissions" in at.error[0].value
    runs_folder.unlink()
    runs_folder.mkdir()


def test_a_deleted_cache_is_made_again_between_two_draws_of_a_page(
    open_page: OpenPage, real_runs: tuple[Path, list[Run]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "FOLDER", real_runs[0])
    monkeypatch.setattr(run_videos, "FOLDER", tmp_path / "cache" / "run_videos")
    monkeypatch.setattr(run_videos, "FILM_SIDE", 96)
    for video_id in ("sample-3", run_videos.video_id(real_runs[1][0], 7)):
        at = open_page(video=video_id, model="i3d_synth")
        monkeypatch.setattr(samples, "FOLDER", tmp_path / "cache" / "samples")
        assert not at.error and at.get("video")
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        at = settle(at.run())
        assert not at.error and at.get("video")
        assert list((tmp_path / "cache").rglob("*.mp4")), "the film was made again"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_film_that_the_disk_does_not_take_is_a_message_and_leaves_nothing(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(frames: object, fps: float, path: str) -> None:
        Path(path).write_bytes(b"half a film")
        raise OSError(number, os.strerror(number))

    at = open_page(video="sample-4", model="i3d_synth")
    monkeypatch.setattr(samples, "FOLDER", tmp_path / "samples")
    with monkeypatch.context() as patch:
        patch.setattr(samples.video, "encode_h264", refused, raising=False)
        with pytest.raises(VideoError, match=os.strerror(number)):
            samples.clip(4)
        at.run()
        assert "cannot be kept on the server" in at.error[0].value
        assert "make room, or upload a video" in at.error[0].value
    assert not [path for path in (tmp_path / "samples").rglob("*") if path.is_file()]
    at = settle(at.run())
    assert not at.error, "once there is room the page goes on"


def test_a_cache_that_is_cleared_while_a_film_is_made_costs_one_more_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "FOLDER", tmp_path / "samples")
    real, seen = video.encode_h264, []

    def encode(frames: object, fps: float, path: str) -> None:
        real(frames, fps, path)  # type: ignore[arg-type]
        seen.append(path)
        if len(seen) == 1:
            shutil.rmtree(tmp_path / "samples")

    monkeypatch.setattr(samples.video, "encode_h264", encode, raising=False)
    assert samples.clip(5).stat().st_size > 1000
    assert len(seen) == 2


def test_a_film_keeps_when_it_was_asked_for_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "FOLDER", tmp_path / "samples")
    path = samples.clip(6)
    os.utime(path, (1, 1))
    samples.clip(6)
    facts = path.stat()
    assert facts.st_mtime == 1 and facts.st_atime > 1_000_000
