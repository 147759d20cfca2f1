"""Finished runs that this server knows: those that come with the project, and those made here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from app import ROOT
from app.server.runtime import cache_resource
from dsanet_core import checkpoints
from dsanet_core.datasets import PYAV, Dataset, open_dataset
from dsanet_core.errors import DatasetError, RecordError
from dsanet_core.records import Run, RunEffects
from dsanet_core.runs.summary import FILE, load_run

FOLDER = ROOT / "runs"
RUNS_KEPT, TITLES_KEPT = 32, 4096
DATASETS_KEPT, DATASET_SECONDS = 4, 60
"""A dataset is looked at again after so long: its files may have changed."""


def folders() -> dict[str, Path]:
    """The folder of every finished run by its id: the embedded ones, first those whose weights are
    here too and open its videos, then those made here, the newest first."""
    at_hand = {entry["sha256"] for entry in checkpoints.available_weights().values()}
    embedded = sorted(
        (checkpoints.FOLDER / "runs").glob(f"*/{FILE}"),
        key=lambda path: (_facts(path, path.stat().st_mtime_ns).weights not in at_hand, path),
    )
    made = sorted(FOLDER.glob(f"*/{FILE}"), key=lambda path: -path.stat().st_mtime)
    return {path.parent.name: path.parent for path in (*embedded, *made)}


def find(run_id: str) -> Run:
    """The finished run of an id. Raises RecordError for one that is not here."""
    path = _file(run_id)
    return _load(path, path.stat().st_mtime_ns)


def title(run_id: str) -> str:
    """Name of a run in a list: its network, the dataset, and its accuracy."""
    path = _file(run_id)
    return _facts(path, path.stat().st_mtime_ns).title


def effects_of(run_id: str) -> RunEffects | None:
    """Effect of each block on each category, where it was measured for a run.

    Raises RecordError for a file that is not readable.
    """
    from dsanet_core.runs import block_ablation

    folder = _file(run_id).parent
    path = folder / block_ablation.FILE
    return _effects(folder, path.stat().st_mtime_ns) if path.is_file() else None


def comparable(chosen: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Those that saw the same videos and know the same categories as the first, and a sentence
    about each of the others."""
    first = chosen[0]
    fit, refused = [first], []
    for run in chosen[1:]:
        if run.dataset_sha256 != first.dataset_sha256:
            why = (
                f"it saw other videos ({run.dataset}, {run.dataset_sha256[:8]}…) than "
                f"{first.model.name} ({first.dataset}, {first.dataset_sha256[:8]}…)"
            )
        elif run.classes != first.classes:
            why = (
                f"its {len(run.classes)} classes are not the {len(first.classes)} of "
                f"{first.model.name}"
            )
        else:
            fit.append(run)
            continue
        refused.append(f"{run.model.name} ({run.id}) is left out: {why}.")
    return fit, refused


def dataset_of(run: Run) -> Dataset:
    """The dataset that a run saw. Raises DatasetError where it is gone or has changed since."""
    if run.made_up:
        raise DatasetError(
            f"The run {run.id} is made up, for measurements: it has no videos",
            "a run of a model over a dataset", "Choose another run.",
        )
    dataset, fingerprint = _dataset(**run.opened_as)
    if fingerprint != run.dataset_sha256:
        raise DatasetError(
            f"The dataset {run.dataset} has changed since the run {run.id}: its videos, classes "
            "or file sizes are others now",
            f"the one with sha256 {run.dataset_sha256[:12]}…, found {fingerprint[:12]}…",
            "Restore the dataset, or run the model over it again.",
        )
    return dataset


def _file(run_id: str) -> Path:
    # Not by way of `folders`: a list asks for every run in it.
    for folder in (checkpoints.FOLDER / "runs", FOLDER):
        path = folder / run_id / FILE
        if Path(run_id).name == run_id and path.is_file():
            return path
    raise RecordError(
        f"There is no finished run {run_id!r}", "one of the page Runs",
        "Choose another run, or start it on the page Runs.",
    )


@cache_resource(max_entries=RUNS_KEPT, show_spinner=False)
def _load(path: Path, changed: int) -> Run:
    """Read once for all sessions; nobody writes into a record."""
    return load_run(path)


@cache_resource(max_entries=RUNS_KEPT, show_spinner=False)
def _effects(folder: Path, changed: int) -> RunEffects | None:
    from dsanet_core.runs import load_effects

    return load_effects(folder)


class _Facts(NamedTuple):
    """Title of a run in a list, and the sha256 of its weights."""

    title: str
    weights: str


@cache_resource(max_entries=TITLES_KEPT, show_spinner=False)
def _facts(path: Path, changed: int) -> _Facts:
    """Kept apart from the runs: a list names every run and needs no more of it."""
    run = load_run(path)
    made_up = "MADE UP, " if run.made_up else ""
    name = f"{made_up}{run.model.name} ({run.model.weights})"
    return _Facts(f"{name} on {run.dataset}: {run.accuracy():.1%}", run.model.weights_sha256)


@cache_resource(max_entries=DATASETS_KEPT, ttl=DATASET_SECONDS, show_spinner=False)
def _dataset(
    description: str, split: str | None = None, limit: int | None = None, reader: str = PYAV
) -> tuple[Dataset, str]:
    dataset = open_dataset(description, split=split, limit=limit, reader=reader)
    return dataset, dataset.fingerprint
