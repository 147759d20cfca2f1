"""Every run that this server knows, in whatever state, as its folder says; and the words for it."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import streamlit as st

from app.server import run_jobs, run_queue, runs
from dsanet_core import checkpoints
from dsanet_core.errors import LensError, RecordError, RunError, printable
from dsanet_core.report.text import escape
from dsanet_core.runs.files import DAMAGED
from dsanet_core.runs.store import Progress, RunFolder
from dsanet_core.runs.summary import FILE as SUMMARY
from dsanet_core.runs.summary import load_run
from dsanet_core.serialize import CsvTable

BadgeColour = Literal["blue", "orange", "gray", "green", "red"]
FACTS_KEPT = 4096
STALE_SECONDS = 30
"""Without a report for so long, the page says how old the last one is."""
LOG_BYTES = 4096
ENDED_WITHOUT_A_WORD = "it ended without a word: it was killed, or the machine went down."
_EXCEPTION = re.compile(r"[\w.]+(Error|Exception)\b")


class State(StrEnum):
    """What a run is doing."""

    RUNNING = "running"
    STOPPING = "stopping"
    WAITING = "waiting"
    STOPPED = "stopped"
    FINISHED = "finished"
    DAMAGED = "damaged"


ACTIVE = (State.RUNNING, State.STOPPING, State.WAITING)
LOOKS: dict[State, tuple[BadgeColour, str]] = {
    State.RUNNING: ("blue", ":material/play_arrow:"),
    State.STOPPING: ("orange", ":material/hourglass:"),
    State.WAITING: ("gray", ":material/schedule:"),
    State.STOPPED: ("orange", ":material/pause:"),
    State.FINISHED: ("green", ":material/check:"),
    State.DAMAGED: ("red", ":material/error:"),
}


@dataclass(frozen=True)
class Facts:
    """What a manifest or a summary says of a run. created: ISO 8601 in UTC, "" where unknown."""

    network: str
    weights: str
    weights_sha256: str
    dataset: str
    protocol: str
    created: str = ""


@dataclass(frozen=True)
class Entry:
    """A run in the table.

    id: name of its folder `path`. is_embedded: comes with the project. facts: None where they
    cannot be read. top1, top5: fractions, of a finished run. trouble: why it is damaged.
    """

    id: str
    path: Path
    is_embedded: bool
    state: State
    facts: Facts | None
    progress: Progress
    created: str
    top1: float | None = None
    top5: float | None = None
    trouble: str = ""

    @property
    def is_finished(self) -> bool:
        return self.state is State.FINISHED

    @property
    def can_resume(self) -> bool:
        """Stopped, or nothing but its summary is damaged: that is made again."""
        torn = self.state is State.DAMAGED and self.facts and (self.path / SUMMARY).exists()
        return self.state is State.STOPPED or bool(torn)

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE


def entries() -> list[Entry]:
    """Runs made here, the newest first, then embedded ones. A run that is both is the one made
    here."""
    made = [found for path in _folders(runs.FOLDER) if (found := _entry(path, False))]
    ids = {entry.id for entry in made}
    embedded = [
        found
        for path in _folders(checkpoints.FOLDER / "runs")
        if path.name not in ids and (found := _entry(path, True))
    ]
    return [
        *sorted(made, key=lambda entry: entry.created, reverse=True),
        *sorted(embedded, key=lambda entry: entry.id),
    ]


def errors_of(entry: Entry) -> list[tuple[str, str]]:
    """(video, reason) of every video that could not be read so far.

    Raises LensError where that cannot be told.
    """
    if entry.is_finished:
        return list(runs.find(entry.id).failed)
    try:
        return RunFolder(entry.path).errors()
    except (OSError, pa.ArrowException) as error:
        raise RunError(
            f"The errors table of {entry.id} cannot be read ({error})", "intact shards",
            "Resume the run: damaged shards are set aside, and their videos are done again.",
        ) from error


def _folders(parent: Path) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if path.is_dir() and run_jobs.is_run(path)]
    except OSError:
        return []


def _entry(path: Path, is_embedded: bool) -> Entry | None:
    """The run of a folder; None for one that has just gone."""
    facts, progress, trouble, is_at_work = None, Progress(0, 0, 0), "", False
    try:
        folder = RunFolder(path)
        facts = _facts_of(folder.manifest)
        is_at_work, progress = folder.is_at_work, folder.progress()
    except LensError as error:
        trouble = str(error)
    except (ValueError, IndexError) as error:  # a shard whose name holds no number
        trouble = f"{path.name} holds a shard that no run has written ({error})."
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
            return Entry(**common, state=State.FINISHED, **_finished(file, changed))
        except LensError as error:
            trouble = str(error)
    turn = None if is_embedded else run_jobs.queue.turn(path.name)
    if turn is not None:
        state = State(str(turn))
    elif is_at_work:
        state = State.RUNNING
    else:
        state = State.DAMAGED if trouble else State.STOPPED
    return Entry(**common, state=state, facts=facts, progress=progress, trouble=trouble)


def _facts_of(manifest: dict[str, Any]) -> Facts:
    try:
        model = manifest["model"]
        return Facts(
            *(str(model[name]) for name in ("name", "weights", "weights_sha256")),
            *(str(manifest[name]) for name in ("dataset", "protocol_in_words", "created")),
        )
    except (KeyError, TypeError) as error:
        raise RunError(
            f"the manifest of the run lacks {error}", "one that a run has written",
            "Delete the run, and start it again.",
        ) from error


@st.cache_data(max_entries=FACTS_KEPT, show_spinner=False)
def _finished(path: Path, changed: int) -> dict[str, Any]:
    """Fields of the entry of a finished run; read once as long as its file stays as it is."""
    run = load_run(path)
    name = f"MADE UP, {run.model.name}" if run.made_up else run.model.name
    total = len(run.row) + len(run.failed)
    return {
        "facts": Facts(
            name, run.model.weights, run.model.weights_sha256, run.dataset, run.protocol_in_words
        ),
        "progress": Progress(done=total, failed=len(run.failed), total=total),
        "top1": run.accuracy(),
        "top5": run.accuracy(5),
    }


def columns(shown: Sequence[Entry]) -> dict[str, list[Any]]:
    """The table by its columns; accuracies in per cent."""
    facts = [entry.facts or Facts("?", "", "", entry.id, "") for entry in shown]
    return {
        "Network": [fact.network for fact in facts],
        "State": [str(entry.state) for entry in shown],
        "Videos": [videos(entry) for entry in shown],
        "Top-1 (%)": [_per_cent(entry.top1) for entry in shown],
        "Top-5 (%)": [_per_cent(entry.top5) for entry in shown],
        "Unreadable": [entry.progress.failed for entry in shown],
        "Dataset": [fact.dataset for fact in facts],
        "Protocol": [fact.protocol for fact in facts],
        "Weights": [fact.weights for fact in facts],
        "SHA-256 of weights": [fact.weights_sha256[:12] for fact in facts],
        "Begun (UTC)": [when(entry) for entry in shown],
        "Comes from": ["the project" if entry.is_embedded else "here" for entry in shown],
        "Folder": [entry.id for entry in shown],
    }


def videos(entry: Entry) -> str:
    """How many of how many videos are done."""
    done, total = entry.progress.done, entry.progress.total
    return f"{total}" if entry.is_finished else f"{done} of {total}"


def when(entry: Entry) -> str | None:
    """The minute in which it was begun; None where that is not known."""
    return entry.created[:16].replace("T", " ") or None


def name(entry: Entry) -> str:
    """How a run is called in a sentence, for Markdown."""
    if entry.facts is None:
        return escape(entry.id)
    return f"{escape(entry.facts.network)} on {escape(entry.facts.dataset)}"


def watched(entry: Entry, before: int) -> str:
    """What is known of a run that is going on or waits. before: runs that come first."""
    if entry.state is State.WAITING:
        many = "the run" if before == 1 else f"{before} runs"
        return f"waits for {many} before it" if before else "about to begin"
    if entry.state is State.STOPPING:
        return f"{entry.progress.describe()}: stopping, what is done is being kept"
    progress = entry.progress
    if not progress.process:
        return f"{progress.describe()}: getting ready (packages, network, dataset)"
    if progress.done >= progress.total:
        return f"{progress.describe()}: making the summary"
    age = time.time() - progress.updated
    old = f" (last heard of {age:.0f} s ago)" if age > STALE_SECONDS else ""
    return f"{progress.describe()}{old}"


def last_words(path: Path) -> str | None:
    """Why the process that this app started last on a run ended, as the rest of a sentence; None
    where it started none.

    The text is of another process: escape it.
    """
    log = path / run_queue.LOG
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    lines = [printable(line.strip()) for line in lines if line.strip()]
    if not lines:
        return ENDED_WITHOUT_A_WORD
    errors = [line for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1].removeprefix("error: ")
    if "stopped" in lines:  # whatever its own processes said as they went down
        return "it was stopped, and what it had done was kept."
    broken = [line for line in lines if _EXCEPTION.match(line)]
    if broken:
        return f"it broke off with {broken[-1]}. {log.name} in its folder has the whole story."
    return ENDED_WITHOUT_A_WORD


def facts_list(entry: Entry) -> str:
    """What was run, as a Markdown list."""
    origin = "comes with the project" if entry.is_embedded else "made here"
    begun = f", begun {when(entry)} UTC" if when(entry) else ""
    lines = [f"**Folder:** {escape(entry.id)} ({origin}{begun})"]
    aside = sum(1 for _ in entry.path.glob(f"*{DAMAGED}"))
    if aside:
        lines.append(
            f"**Set aside:** {aside} damaged file{'s' * (aside > 1)} (\\*{DAMAGED} in its folder); "
            "only the videos of such a shard are done again"
        )
    if entry.facts is not None:
        facts = entry.facts
        lines = [
            f"**Network:** {escape(facts.network)}",
            f"**Weights:** {escape(facts.weights)}, sha256 {escape(facts.weights_sha256[:12])}…",
            f"**Dataset:** {escape(facts.dataset)}, {entry.progress.total} videos",
            f"**Protocol:** {escape(facts.protocol)}",
            *lines,
        ]
    return "\n".join(f"- {line}" for line in lines)


def versions(entry: Entry) -> str:
    """Packages and device of a run whose manifest or record names them, for a caption."""
    try:
        known = runs.find(entry.id).versions if entry.is_finished else (
            RunFolder(entry.path).manifest["versions"]
        )
        return ", ".join(f"{escape(str(key))} {escape(str(known[key]))}" for key in known)
    except (RecordError, RunError, KeyError, TypeError):
        return ""


def to_csv(shown: Sequence[Entry]) -> str:
    """The table, accuracies in per cent."""
    return _csv(columns(shown))


def errors_to_csv(failed: Sequence[tuple[str, str]]) -> str:
    """The errors table, a line per video."""
    return _csv(error_columns(failed))


def error_columns(failed: Sequence[tuple[str, str]]) -> dict[str, list[Any]]:
    """Videos that could not be read, by columns."""
    return {"Video": [video for video, _ in failed], "Why it was not read": [w for _, w in failed]}


def _csv(table: dict[str, list[Any]]) -> str:
    out = io.StringIO()
    lines = CsvTable(out)
    lines.writerow(table)
    lines.writerows(zip(*table.values(), strict=True))
    return out.getvalue()


def _per_cent(share: float | None) -> float | None:
    return None if share is None else 100 * share
