"""Tables and sentences about runs in any state. They read the runs' folders."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.pages.runs.entries import Entry, Facts, State
from app.server import run_queue, runs
from dsanet_core.errors import RecordError, RunError, printable
from dsanet_core.report.text import escape
from dsanet_core.runs.shards import DAMAGED
from dsanet_core.runs.store import RunFolder
from dsanet_core.text_format import (
    csv_text,
    plural,
)

STALE_SECONDS = 30
"""Age of a progress report above which the page gives it."""
LOG_BYTES = 4096
NO_EXIT_MESSAGE = "it was killed, or the machine went down."
_EXCEPTION = re.compile(r"[\w.]+(Error|Exception)\b")


def columns(shown: Sequence[Entry]) -> dict[str, list[Any]]:
    """The table of runs by its columns; accuracies in percent."""
    facts = [entry.facts or Facts("?", "", "", entry.id, "") for entry in shown]
    return {
        "Network": [fact.network for fact in facts],
        "State": [str(entry.state) for entry in shown],
        "Videos": [videos_done(entry) for entry in shown],
        "Top-1 (%)": [_in_percent(entry.top1) for entry in shown],
        "Top-5 (%)": [_in_percent(entry.top5) for entry in shown],
        "Unreadable": [entry.progress.failed for entry in shown],
        "Dataset": [fact.dataset for fact in facts],
        "Protocol": [fact.protocol for fact in facts],
        "Weights": [fact.weights for fact in facts],
        "SHA-256 of weights": [fact.weights_sha256[:12] for fact in facts],
        "Begun (UTC)": [_started(entry) for entry in shown],
        "Comes from": ["the project" if entry.is_embedded else "here" for entry in shown],
        "Folder": [entry.id for entry in shown],
    }


def error_columns(failed: Sequence[tuple[str, str]]) -> dict[str, list[Any]]:
    """The table of unreadable videos by its columns."""
    return {"Video": [video for video, _ in failed], "Why it was not read": [w for _, w in failed]}


def columns_to_csv(table: dict[str, list[Any]]) -> str:
    """A table by columns as CSV."""
    return csv_text(table, zip(*table.values(), strict=True))


def _in_percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def videos_done(entry: Entry) -> str:
    """Number of videos done, and of how many."""
    done, total = entry.progress.done, entry.progress.total
    return f"{total}" if entry.is_finished else f"{done} of {total}"


def _started(entry: Entry) -> str | None:
    """The minute of the start; None where unknown."""
    return entry.created[:16].replace("T", " ") or None


def name(entry: Entry) -> str:
    """Model and dataset of a run, for Markdown."""
    if entry.facts is None:
        return escape(entry.id)
    return f"{escape(entry.facts.network)} on {escape(entry.facts.dataset)}"


def progress(entry: Entry, runs_before: int) -> str:
    """Progress of an active run. runs_before: number of runs ahead of it in the queue."""
    if entry.state is State.WAITING:
        return f"queued behind {plural(runs_before, 'run')}" if runs_before else "starting"
    done = entry.progress.describe()
    if entry.state is State.STOPPING:
        return f"{done}: stopping, saving completed results"
    if not entry.progress.process:
        return f"{done}: loading packages, model and dataset"
    if entry.progress.done >= entry.progress.total:
        return f"{done}: writing the summary"
    age = time.time() - entry.progress.updated
    return f"{done} (no update for {age:.0f} s)" if age > STALE_SECONDS else done


def stopped(entry: Entry) -> str:
    """Amount of work that a stopped run has kept, and the reason why it ended."""
    reason = exit_reason(entry.path)
    done = f"{videos_done(entry)} videos are complete and saved."
    if reason is None:
        return f"{done} The run was started outside this app."
    return f"{done} Why the last process ended: {escape(reason)}"


def exit_reason(path: Path) -> str | None:
    """Reason why the process that this app started last on a run ended; None without such a one.

    The text comes from another process: escape it.
    """
    log = path / run_queue.LOG
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    lines = [printable(line.strip()) for line in lines if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1].removeprefix("error: ")
    if "stopped" in lines:  # whatever its own processes printed while they went down
        return "it was stopped; completed results were kept."
    exceptions = [line for line in lines if _EXCEPTION.match(line)]
    if exceptions:
        return f"it failed with {exceptions[-1]}. See {log.name} in its folder for details."
    return NO_EXIT_MESSAGE


def facts_list(entry: Entry) -> str:
    """Model, weights, dataset, protocol and folder of a run, as a Markdown list."""
    origin = "shipped with the project" if entry.is_embedded else "made here"
    started = f", started {_started(entry)} UTC" if _started(entry) else ""
    lines = [f"**Folder:** {escape(entry.id)} ({origin}{started})"]
    damaged = sum(1 for _ in entry.path.glob(f"*{DAMAGED}"))
    if damaged:
        lines.append(
            f"**Set aside:** {plural(damaged, 'damaged file')} (\\*{DAMAGED} in its folder); only "
            "the videos of these shards are processed again"
        )
    if entry.facts is not None:
        facts = entry.facts
        lines = [
            f"**Model:** {escape(facts.network)}",
            f"**Weights:** {escape(facts.weights)}, SHA-256 {escape(facts.weights_sha256[:12])}…",
            f"**Dataset:** {escape(facts.dataset)}, {entry.progress.total} videos",
            f"**Protocol:** {escape(facts.protocol)}",
            *lines,
        ]
    return "\n".join(f"- {line}" for line in lines)


def versions(entry: Entry) -> str:
    """Packages and device of a run, for a caption; "" where they are not recorded."""
    try:
        known = runs.find(entry.id).versions if entry.is_finished else (
            RunFolder(entry.path).manifest["versions"]
        )
        return ", ".join(f"{escape(str(key))} {escape(str(known[key]))}" for key in known)
    except (RecordError, RunError, KeyError, TypeError):
        return ""
