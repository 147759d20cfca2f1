"""A server that is killed loses no run: those at work go on, those that wait are taken over."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.pages.runs import entries, text
from app.pages.runs.entries import State
from app.server import run_jobs, run_queue, runs, settings
from app.server.run_queue import Turn
from dsanet_core.checkpoints import load_model
from dsanet_core.errors import RunError
from dsanet_core.runs.store import RunFolder
from tests.app.run_fixtures import runs_folder
from tests.app.run_programs import is_reported, program, queue, wait_until
from tests.weights import save_tiny

__all__ = ["program", "queue", "runs_folder"]

ROOT = Path(__file__).parents[2]
SERVER = """
import json, sys
from pathlib import Path
from app.server import run_jobs, run_queue, runs
folder, program, wishes = sys.argv[1:]
runs.FOLDER = Path(folder)
run_queue.PROGRAM = (*json.loads(program),)
for wish in json.loads(wishes):
    print(run_jobs.start(wish), flush=True)
input()
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("weights"), "tsn_synth")


@pytest.fixture
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv(settings.DATA_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data"


@contextmanager
def another_server(
    folder: Path, program: Sequence[str], wishes: Sequence[Sequence[str]]
) -> Iterator[list[str]]:
    """A process that starts runs as a server does, and is killed in the end; their ids."""
    command = [sys.executable, "-c", SERVER, str(folder), json.dumps(program), json.dumps(wishes)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as server:
        assert server.stdout is not None
        try:
            yield [server.stdout.readline().strip() for _ in wishes]
        finally:
            server.kill()


def state_of(run_id: str) -> State:
    return next(entry.state for entry in entries.all_entries() if entry.id == run_id)


def process_of(run_id: str) -> int:
    return RunFolder(runs.FOLDER / run_id).progress().process


@pytest.mark.usefixtures("program")
def test_a_new_server_finds_the_runs_as_they_were(
    queue: run_queue.Queue, weights: Path, runs_folder: Path
) -> None:
    wishes = [run_jobs.arguments(f"synth:seed={seed},n=90", str(weights)) for seed in range(4)]
    with another_server(runs_folder, run_queue.PROGRAM, wishes) as ids:
        wait_until(lambda: is_reported(ids[0]))
        wait_until(lambda: not (runs_folder / ids[0] / run_queue.ENTRY).exists())
        run_jobs.stop(ids[0])  # this one is stopped, the next one at work, two wait
        wait_until(lambda: is_reported(ids[1]))
        wait_until(lambda: not (runs_folder / ids[1] / run_queue.ENTRY).exists())
        process = process_of(ids[1])
        assert run_jobs.adopt() == 1, "the one at work; what waits there is that server's"
        wait_until(lambda: queue.turn(ids[1]) is Turn.RUNNING)
        assert [queue.turn(name) for name in ids] == [None, Turn.RUNNING, None, None]
        with pytest.raises(RunError, match="waits in the queue of another server"):
            run_jobs.resume(ids[2])
    run_jobs.adopt()
    assert [state_of(name) for name in ids] == [
        State.STOPPED, State.RUNNING, State.WAITING, State.WAITING
    ]
    assert [queue.before(name) for name in ids[1:]] == [0, 1, 2]
    assert process_of(ids[1]) == process, "it was not started again"
    run_jobs.stop(ids[3])
    run_jobs.stop(ids[1])
    wait_until(lambda: is_reported(ids[2]))
    assert [state_of(name) for name in ids] == [
        State.STOPPED, State.STOPPED, State.RUNNING, State.STOPPED
    ]
    wait_until(lambda: not list(runs_folder.glob(f"*/{run_queue.ENTRY}")))


def test_a_run_goes_on_to_its_end_when_its_server_is_killed(
    queue: run_queue.Queue, weights: Path, runs_folder: Path
) -> None:
    # Untrimmed: decoded in the one process, without workers that take seconds to start.
    wish = run_jobs.arguments("synth:seed=5,n=300", str(weights), untrimmed=True)
    with another_server(runs_folder, run_queue.PROGRAM, [wish]) as (run_id,):
        wait_until(lambda: is_reported(run_id))
        process = process_of(run_id)
        assert process > 1
        os.kill(process, signal.SIGSTOP)  # or it might be done before it is looked at
    assert run_jobs.adopt() == 1
    assert process_of(run_id) == process
    os.kill(process, signal.SIGCONT)
    wait_until(lambda: queue.turn(run_id) is None)
    assert state_of(run_id) is State.FINISHED, (runs_folder / run_id / run_queue.LOG).read_text()
    assert runs.find(run_id).row.tolist() == list(range(300))


def left_waiting(folder: Path, arguments: Sequence[str]) -> str:
    """A run that waited in the queue of a server that is gone."""
    run_id, manifest = next(iter(run_jobs._check(arguments).items()))
    RunFolder.make(folder / run_id, manifest)
    mark = run_queue.enter(folder / run_id, arguments)
    os.close(mark._handle)  # type: ignore[arg-type]
    return run_id


@pytest.mark.usefixtures("program")
def test_what_waited_and_is_another_run_by_now_is_not_begun_and_says_so(
    queue: run_queue.Queue, weights: Path, runs_folder: Path, data_root: Path
) -> None:
    category = load_model(weights).spec.classes[0]
    listed = data_root / "videos.csv"
    listed.write_text(f"path,label\na.mp4,{category}\n")
    changed = left_waiting(runs_folder, run_jobs.arguments(str(listed), str(weights)))
    listed.write_text(f"path,label\nb.mp4,{category}\n")
    (data_root / "gone.csv").write_text(f"path,label\nc.mp4,{category}\n")
    gone = left_waiting(runs_folder, run_jobs.arguments(str(data_root / "gone.csv"), str(weights)))
    (data_root / "gone.csv").unlink()
    assert run_jobs.adopt() == 2
    wait_until(lambda: queue.turn(changed) is queue.turn(gone) is None)
    assert state_of(changed) is state_of(gone) is State.STOPPED
    assert "have changed since it was put into the queue" in str(
        text.exit_reason(runs_folder / changed)
    )
    assert "does not exist" in str(text.exit_reason(runs_folder / gone))
    assert not list(runs_folder.glob(f"*/{run_queue.ENTRY}"))


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"order": 1}', '{"order": "x", "arguments": []}',
             '{"order": 1, "arguments": [3]}', '{"order": 1, "arguments": 3}', "\0" * 50],
)
def test_a_damaged_mark_leaves_a_stopped_run(
    queue: run_queue.Queue, runs_folder: Path, text: str
) -> None:
    folder = RunFolder.make(runs_folder / "one", {"videos": 3}).path
    (folder / run_queue.ENTRY).write_text(text)
    assert run_jobs.adopt() == 0
    assert not (folder / run_queue.ENTRY).exists()
    assert queue.turn("one") is None


@pytest.mark.usefixtures("program")
def test_a_mark_goes_when_its_run_is_begun_or_taken_out(
    queue: run_queue.Queue, weights: Path, runs_folder: Path
) -> None:
    ids = [
        run_jobs.start(run_jobs.arguments(f"synth:seed={seed},n=90", str(weights)))
        for seed in range(2)
    ]
    first, second = (runs_folder / name / run_queue.ENTRY for name in ids)
    wait_until(lambda: is_reported(ids[0]))
    wait_until(lambda: not first.exists())
    assert second.exists()
    run_jobs.stop(ids[1])
    assert not second.exists()


@pytest.mark.usefixtures("program")
def test_all_runs_deleted_under_the_server_leave_an_empty_queue(
    queue: run_queue.Queue, weights: Path, runs_folder: Path
) -> None:
    wishes = [run_jobs.arguments(f"synth:seed={seed},n=90", str(weights)) for seed in range(2)]
    ids = [run_jobs.start(wish) for wish in wishes]
    wait_until(lambda: is_reported(ids[0]))
    process = process_of(ids[0])
    shutil.rmtree(runs_folder)
    assert all(entry.is_embedded for entry in entries.all_entries())
    for act in (run_jobs.resume, run_jobs.delete):
        with pytest.raises(RunError, match="no run that was made here"):
            act(ids[0])
    run_jobs.stop(ids[0])
    wait_until(lambda: not any(map(queue.turn, ids)))
    assert not runs_folder.exists(), "nothing is made again for a run that was deleted"
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    runs_folder.mkdir()
    assert run_jobs.start(wishes[1]) == ids[1]
    wait_until(lambda: is_reported(ids[1]))


def test_a_mark_that_the_disk_does_not_take_is_a_message(
    queue: run_queue.Queue, runs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("app.server.run_queue.os.fsync", full)
    (runs_folder / "one").mkdir()
    with pytest.raises(RunError, match=r"queued\.json could not be kept in .*No space left"):
        queue.add(runs_folder / "one", ["run"])
    assert not (runs_folder / "one" / run_queue.ENTRY).exists()
    assert queue.turn("one") is None
