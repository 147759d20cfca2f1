"""Every run that this server knows, in whatever state, as read from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import streamlit as st

from app.server import run_jobs, runs
from dsanet_core import checkpoints
from dsanet_core.errors import LensError, RunError
from dsanet_core.runs.store import RunFolder, RunProgress
from dsanet_core.runs.summary import FILE as SUMMARY
from dsanet_core.runs.summary import load_run

MOST_SUMMARIES_CACHED = 4096


class State(StrEnum):
    """State of a run."""

    RUNNING = "running"
    STOPPING = "stopping"
    WAITING = "waiting"
    STOPPED = "stopped"
    FINISHED = "finished"
    DAMAGED = "damaged"


ACTIVE = (State.RUNNING, State.STOPPING, State.WAITING)


@dataclass(frozen=True)
class Facts:
    """Description of a run in its manifest or summary. created: ISO 8601 in UTC, or ""."""

    network: str
    weights: str
    weights_sha256: str
    dataset: str
    protocol: str
    created: str = ""


@dataclass(frozen=True)
class Entry:
    """A run in the table.

    id: name of its folder `path`. is_embedded: shipped with the project. facts: None where they
    cannot be read. top1, top5: fractions, of a finished run. damage: reason of the state DAMAGED.
    """

    id: str
    path: Path
    is_embedded: bool
    state: State
    facts: Facts | None
    progress: RunProgress
    created: str
    top1: float | None = None
    top5: float | None = None
    damage: str = ""

    @property
    def is_finished(self) -> bool:
        return self.state is State.FINISHED

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def can_resume(self) -> bool:
        """True for a stopped run, and for one whose summary alone is damaged and can be remade."""
        remakes = self.state is State.DAMAGED and self.facts and (self.path / SUMMARY).exists()
        return self.state is State.STOPPED or bool(remakes)


def all_entries() -> list[Entry]:
    """Runs made here, the newest first, then embedded ones; a run that is both counts as made
    here."""
    made = [found for path in _run_folders(runs.FOLDER) if (found := _entry(path, False))]
    ids = {entry.id for entry in made}
    embedded = [
        found
        for path in _run_folders(checkpoints.FOLDER / "runs")
        if path.name not in ids and (found := _entry(path, True))
    ]
    return [
        *sorted(made, key=lambda entry: entry.created, reverse=True),
        *sorted(embedded, key=lambda entry: entry.id),
    ]


def unreadable_videos(entry: Entry) -> list[tuple[str, str]]:
    """(video, reason) of every video that could not be read so far.

    Raises LensError where the table of errors cannot be read.
    """
    if entry.is_finished:
        return list(runs.find(entry.id).failed)
    try:
        return RunFolder(entry.path).errors()
    except (OSError, pa.ArrowException) as error:
        raise RunError(
            f"The table of unreadable videos of {entry.id} cannot be read ({error})",
            "intact shards",
            "Resume the run: damaged shards are set aside, and their videos are processed again.",
        ) from error


def _run_folders(parent: Path) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if path.is_dir() and run_jobs.is_run(path)]
    except OSError:
        return []


def _entry(path: Path, is_embedded: bool) -> Entry | None:
    """The run of a folder; None for a folder that has just been deleted."""
    facts, progress, damage, is_at_work = None, RunProgress(0, 0, 0), "", False
    try:
        folder = RunFolder(path)
        facts = _facts_of(folder.manifest)
        is_at_work, progress = folder.is_at_work, folder.progress()
    except LensError as error:
        damage = str(error)
    except (ValueError, IndexError) as error:  # a shard whose name holds no number
        damage = f"{path.name} holds a shard that no run has written ({error})."
    try:
        file = path / SUMMARY
        changed = file.stat().st_mtime_ns if file.exists() else None
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OSError:
        return None
    created = facts.created if facts else "" if is_embedded else made
    common: dict[str, Any] = {
        "id": path.name, "path": path, "is_embedded": is_embedded, "created": created,
    }
    if changed is not None:
        try:
            return Entry(**common, state=State.FINISHED, **_finished_fields(file, changed))
        except LensError as error:
            damage = str(error)
    turn = None if is_embedded else run_jobs.queue.turn(path.name)
    if turn is not None:
        state = State(str(turn))
    elif is_at_work:
        state = State.RUNNING
    else:
        state = State.DAMAGED if damage else State.STOPPED
    return Entry(**common, state=state, facts=facts, progress=progress, damage=damage)


def _facts_of(manifest: dict[str, Any]) -> Facts:
    try:
        model = manifest["model"]
        return Facts(
            *(str(model[name]) for name in ("name", "weights", "weights_sha256")),
            *(str(manifest[name]) for name in ("dataset", "protocol_in_words", "created")),
        )
    except (KeyError, TypeError) as error:
        raise RunError(
            f"the manifest of the run lacks {error}", "a manifest written by a run",
            "Delete the run, and start it again.",
        ) from error


@st.cache_data(max_entries=MOST_SUMMARIES_CACHED, show_spinner=False)
def _finished_fields(path: Path, changed: int) -> dict[str, Any]:
    """Fields of the entry of a finished run. changed: of the file, so that it is read again."""
    run = load_run(path)
    name = f"MADE UP, {run.model.name}" if run.made_up else run.model.name
    total = len(run.row) + len(run.failed)
    return {
        "facts": Facts(
            name, run.model.weights, run.model.weights_sha256, run.dataset, run.protocol_in_words
        ),
        "progress": RunProgress(done=total, failed=len(run.failed), total=total),
        "top1": run.accuracy(),
        "top5": run.accuracy(5),
    }
