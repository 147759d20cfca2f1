"""Processes of runs: started, queued, stopped, resumed and deleted, and nothing else touched."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.pages.runs import entries, text
from app.pages.runs.entries import State
from app.server import run_jobs, run_queue, runs
from app.server.run_queue import Turn
from dsanet_core.checkpoints import load_model
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import DatasetError, LensError, ModelError, RunError
from dsanet_core.runs import run_dataset
from dsanet_core.runs.store import RunFolder
from tests.app.run_fixtures import runs_folder
from tests.app.run_programs import SCRIPT, is_reported, program, queue, wait_until
from tests.weights import save_tiny

__all__ = ["program", "queue", "runs_folder"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("weights"), "tsn_synth")


@pytest.fixture
def wanted(weights: Path) -> list[str]:
    return run_jobs.arguments("synth:seed=5,n=90", str(weights))


def state_of(run_id: str) -> State:
    return next(entry.state for entry in entries.all_entries() if entry.id == run_id)


def test_a_started_run_ends_as_the_same_run_in_this_process_does(
    queue: run_queue.Queue, weights: Path, runs_folder: Path, tmp_path: Path
) -> None:
    run_id = run_jobs.start(run_jobs.arguments("synth:seed=5,n=9", str(weights)))
    assert queue.turn(run_id) is not None
    wait_until(lambda: queue.turn(run_id) is None)
    assert state_of(run_id) is State.FINISHED, (runs_folder / run_id / run_queue.LOG).read_text()
    found = runs.find(run_id)
    own = run_dataset(
        open_dataset("synth:seed=5,n=9"), load_model(weights), folder=tmp_path / "own", workers=0
    )
    assert found.id == own.id
    np.testing.assert_allclose(found.label_score, own.label_score, atol=1e-6)
    assert run_jobs.start(run_jobs.arguments("synth:seed=5,n=9", str(weights))) == run_id
    assert queue.turn(run_id) is None, "a finished run is not started again"


def test_a_stopped_run_keeps_what_is_done(
    queue: run_queue.Queue, weights: Path, runs_folder: Path
) -> None:
    # Untrimmed: decoded in the one process, without workers that take seconds to start.
    run_id = run_jobs.start(
        run_jobs.arguments("synth:seed=5,n=20000", str(weights), untrimmed=True)
    )
    wait_until(lambda: is_reported(run_id))
    run_jobs.stop(run_id)
    wait_until(lambda: queue.turn(run_id) is None)
    folder = RunFolder(runs_folder / run_id)
    assert 0 < len(folder.done()) == folder.progress().done < 20000
    assert state_of(run_id) is State.STOPPED
    assert "it was stopped" in str(text.exit_reason(folder.path))


@pytest.mark.usefixtures("program", "runs_folder")
def test_runs_wait_for_each_other_and_one_that_waits_can_be_taken_out(
    queue: run_queue.Queue, weights: Path
) -> None:
    ids = [
        run_jobs.start(run_jobs.arguments(f"synth:seed={seed},n=90", str(weights)))
        for seed in range(3)
    ]
    wait_until(lambda: is_reported(ids[0]))
    assert [state_of(name) for name in ids] == [State.RUNNING, State.WAITING, State.WAITING]
    assert [queue.before(name) for name in ids] == [0, 1, 2]
    run_jobs.stop(ids[1])
    assert state_of(ids[1]) is State.STOPPED
    assert queue.before(ids[2]) == 1
    run_jobs.stop(ids[0])
    wait_until(lambda: is_reported(ids[2]))
    assert [state_of(name) for name in ids] == [State.STOPPED, State.STOPPED, State.RUNNING]
    assert not is_reported(ids[1])


@pytest.mark.usefixtures("program", "runs_folder")
def test_a_run_taken_out_of_the_queue_can_be_resumed_at_once(
    queue: run_queue.Queue, weights: Path
) -> None:
    first, second = (
        run_jobs.start(run_jobs.arguments(f"synth:seed={seed},n=90", str(weights)))
        for seed in range(2)
    )
    run_jobs.stop(second)
    run_jobs.resume(second)
    assert queue.turn(second) is Turn.WAITING
    run_jobs.stop(first)
    wait_until(lambda: is_reported(second))
    assert queue.turn(second) is Turn.RUNNING


@pytest.mark.usefixtures("program", "runs_folder")
def test_starting_a_run_twice_starts_one_process(
    queue: run_queue.Queue, wanted: list[str]
) -> None:
    run_id = run_jobs.start(wanted)
    wait_until(lambda: is_reported(run_id))
    process = RunFolder(runs.FOLDER / run_id).progress().process
    assert run_jobs.start(wanted) == run_id
    run_jobs.resume(run_id)
    assert RunFolder(runs.FOLDER / run_id).progress().process == process
    assert queue.before(run_id) == 0
    assert os.getsid(process) == process, "it does not go down with the server"


@pytest.mark.usefixtures("program")
def test_a_process_that_another_server_started_is_seen_and_stopped(
    queue: run_queue.Queue, wanted: list[str], runs_folder: Path
) -> None:
    run_id = run_jobs.start(wanted)
    queue.cancel(run_id)
    wait_until(lambda: queue.turn(run_id) is None)
    (runs_folder / run_id / "progress.json").unlink(missing_ok=True)
    command = [sys.executable, "-S", "-c", SCRIPT, *wanted, f"--runs={runs_folder}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as other:
        wait_until(lambda: is_reported(run_id))
        assert state_of(run_id) is State.RUNNING
        with pytest.raises(RunError, match="another process is at work"):
            run_jobs.delete(run_id)
        run_jobs.resume(run_id)
        assert queue.turn(run_id) is None
        run_jobs.stop(run_id)
        assert other.wait(60) == 130
    assert state_of(run_id) is State.STOPPED


@pytest.mark.parametrize(
    ("host", "process", "said"),
    [("elsewhere", 4711, "runs on elsewhere"), (None, None, "has not said yet who it is")],
)
def test_a_process_that_cannot_be_named_for_certain_gets_no_signal(
    queue: run_queue.Queue, wanted: list[str], runs_folder: Path,
    monkeypatch: pytest.MonkeyPatch, host: str | None, process: int | None, said: str,
) -> None:
    monkeypatch.setattr(run_queue, "PROGRAM", (sys.executable, "-S", "-c", "pass"))
    run_id = run_jobs.start(wanted)
    wait_until(lambda: queue.turn(run_id) is None)
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda number, signal: sent.append(number))
    with (runs_folder / run_id / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if host is not None:
            (runs_folder / run_id / "progress.json").write_text(json.dumps(
                {"done": 1, "failed": 0, "total": 90, "process": process, "host": host}
            ))
        with pytest.raises(RunError, match=said):
            run_jobs.stop(run_id)
    assert not sent


@pytest.mark.usefixtures("program")
def test_delete_removes_a_stopped_run_and_refuses_one_in_the_queue(
    queue: run_queue.Queue, wanted: list[str], runs_folder: Path
) -> None:
    run_id = run_jobs.start(wanted)
    with pytest.raises(RunError, match="in the queue"):
        run_jobs.delete(run_id)
    run_jobs.stop(run_id)
    wait_until(lambda: queue.turn(run_id) is None)
    run_jobs.delete(run_id)
    assert not list(runs_folder.iterdir())


@pytest.mark.usefixtures("program", "queue")
def test_a_process_that_is_killed_leaves_a_stopped_run_and_says_so(wanted: list[str]) -> None:
    run_id = run_jobs.start(wanted)
    wait_until(lambda: is_reported(run_id))
    folder = RunFolder(runs.FOLDER / run_id)
    os.kill(folder.progress().process, signal.SIGKILL)
    wait_until(lambda: run_jobs.queue.turn(run_id) is None)
    assert state_of(run_id) is State.STOPPED
    assert str(text.exit_reason(folder.path)).startswith("killed by signal SIGKILL")


@pytest.mark.parametrize(
    ("dataset", "choices", "kind", "said"),
    [
        ("synth:seed=5", {}, DatasetError, "synth:seed=5"),
        ("/no/such/folder", {}, DatasetError, "lies in no folder"),
        ("-v", {}, DatasetError, "lies in no folder"),
        ("synth:seed=5,n=9", {"split": "val"}, DatasetError, "no splits"),
        ("synth:seed=5,n=9", {"views": "many"}, RunError, "clips x crops"),
        ("synth:seed=5,n=9", {"views": "0x1"}, RunError, "clips x crops"),
        ("synth:seed=5,n=9", {"views": "2x1", "untrimmed": True}, ModelError, "--untrimmed"),
    ],
)
def test_what_is_wrong_is_said_before_a_process_or_a_folder_is_there(
    queue: run_queue.Queue, weights: Path, runs_folder: Path,
    dataset: str, choices: dict[str, object], kind: type[LensError], said: str,
) -> None:
    with pytest.raises(kind, match=said):
        run_jobs.start(run_jobs.arguments(dataset, str(weights), **choices))
    assert not list(runs_folder.iterdir())


@pytest.mark.usefixtures("program", "queue")
def test_categories_that_the_network_does_not_know_are_refused_at_once(
    weights: Path, runs_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "videos" / "yoga").mkdir(parents=True)
    (tmp_path / "videos" / "yoga" / "a.mp4").touch()
    with pytest.raises(DatasetError, match="'yoga'"):
        run_jobs.start(run_jobs.arguments(str(tmp_path / "videos"), str(weights)))
    assert not list(runs_folder.iterdir())


@pytest.mark.usefixtures("program")
def test_a_dataset_that_has_changed_is_not_resumed_into_the_old_run(
    queue: run_queue.Queue, weights: Path, tmp_path: Path, runs_folder: Path
) -> None:
    listed = tmp_path / "videos.csv"
    category = load_model(weights).spec.classes[0]
    listed.write_text(f"path,label\na.mp4,{category}\n")
    run_id = run_jobs.start(run_jobs.arguments(str(listed), str(weights), views="2x3", limit=7))
    run_jobs.stop(run_id)
    wait_until(lambda: queue.turn(run_id) is None)
    listed.write_text(f"path,label\nb.mp4,{category}\n")
    with pytest.raises(RunError, match="have changed"):
        run_jobs.resume(run_id)
    assert [path.name for path in runs_folder.iterdir()] == [run_id]


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("command", [[], ["models"], ["run"], "run", ["run", "--help"]])
def test_a_manifest_without_a_command_that_runs_is_not_resumed(
    wanted: list[str], runs_folder: Path, command: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_queue, "PROGRAM", (sys.executable, "-S", "-c", "pass"))
    run_id = run_jobs.start(wanted)
    wait_until(lambda: run_jobs.queue.turn(run_id) is None)
    file = runs_folder / run_id / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"command": command}))
    with pytest.raises(RunError):
        run_jobs.resume(run_id)
    assert run_jobs.queue.turn(run_id) is None


def test_names_that_lead_out_of_the_folder_of_runs_are_refused(
    runs_folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "run.json").write_text("{}")
    (runs_folder / "link").symlink_to(outside)
    (runs_folder / "holiday").mkdir()
    (runs_folder / "holiday" / "film.mp4").touch()
    (runs_folder / "inner").mkdir()
    (runs_folder / "inner" / "run.json").write_text("{}")
    (runs_folder / "alias").symlink_to(runs_folder / "inner")
    names = ["", ".", "..", "../precious", str(outside), "link", "alias", "holiday", "inner/..",
             "no", "a\0b", "x" * 5000]
    for name in names:
        for act in (run_jobs.delete, run_jobs.resume, run_jobs.stop):
            with pytest.raises(RunError, match="no run that was made here"):
                act(name)
    assert (outside / "run.json").exists()
    assert (runs_folder / "holiday" / "film.mp4").exists()
    run_jobs.delete("inner")
    assert not (runs_folder / "inner").exists(), "a damaged run inside can be deleted"


def test_arguments_are_those_that_the_command_line_takes() -> None:
    parsed = run_jobs._parse(run_jobs.arguments(
        "-odd; rm -rf $HOME", "m", split="-x", limit=3, views="10x3", untrimmed=True
    ))
    assert (parsed.dataset, parsed.model, parsed.split) == ("./-odd; rm -rf $HOME", "m", "-x")
    assert (parsed.limit, parsed.views, parsed.untrimmed) == (3, (10, 3), True)
