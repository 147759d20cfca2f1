"""In place of the command line, a program that holds a run's lock and says how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.server import run_jobs, run_queue, runs

QUICK_SECONDS = 180

SCRIPT = """
import fcntl, json, os, pathlib, signal, socket, sys, time
option = "--runs="
root = pathlib.Path(next(a for a in sys.argv if a.startswith(option)).removeprefix(option))
command = [a for a in sys.argv[1:] if not a.startswith(option)]
def is_mine(manifest):
    return json.loads(manifest.read_text())["command"] == command
# Of a run that is being added there may be no more than the folder.
folder = next(path.parent for path in root.glob("*/run.json") if is_mine(path))
def stop(number, frame):
    sys.exit(print("stopped", file=sys.stderr) or 130)
signal.signal(signal.SIGTERM, stop)
lock = (folder / "lock").open("ab")
fcntl.flock(lock, fcntl.LOCK_EX)
manifest = json.loads((folder / "run.json").read_text())
(folder / "progress.tmp").write_text(json.dumps({
    "done": 30, "failed": 2, "total": manifest["videos"], "rate": 12.5, "seconds_left": 80.0,
    "process": os.getpid(), "host": socket.gethostname(), "updated": time.time(),
}))
(folder / "progress.tmp").rename(folder / "progress.json")
time.sleep(120)
"""


@pytest.fixture
def queue(runs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[run_queue.Queue]:
    """An empty queue; whatever it started is stopped afterwards."""
    made = run_queue.Queue()
    monkeypatch.setattr(run_jobs, "queue", made)
    yield made
    ids = [path.name for path in runs_folder.iterdir()]
    for run_id in ids:
        made.cancel(run_id)
    wait_until(lambda: not any(map(made.turn, ids)))


@pytest.fixture
def program(queue: run_queue.Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are "worked on" by `SCRIPT`: it starts at once and never gets anywhere."""
    monkeypatch.setattr(run_queue, "PROGRAM", (sys.executable, "-S", "-c", SCRIPT))


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + QUICK_SECONDS
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def is_reported(run_id: str) -> bool:
    """Has the process at work on a run said how far it is?"""
    return (runs.FOLDER / run_id / "progress.json").exists()
