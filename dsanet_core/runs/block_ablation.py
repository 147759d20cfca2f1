"""Importance of each block for each category: `rank_blocks` over the videos of a run, and its file
beside the run's summary."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dsanet_core.analysis import describe_model, protocol_of
from dsanet_core.atomic import atomic_file
from dsanet_core.datasets import Dataset, open_dataset
from dsanet_core.errors import DatasetError, RecordError, RunError, VideoError
from dsanet_core.json_values import record_from
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array, RunEffects
from dsanet_core.runs.inference import network_inputs
from dsanet_core.runs.metrics import match_categories
from dsanet_core.runs.store import RunProgress
from dsanet_core.runs.summary import FILE as SUMMARY
from dsanet_core.runs.summary import load_run
from dsanet_core.whatif import neutral_changes, scores_without
from dsanet_core.zoo import with_protocol

FILE = "effects.parquet"
VIDEOS = 250
"""A tenth of the embedded runs: ten of each category."""
_KEY = b"dsanet-lens effects"
_VALUES = ("before", "after", "drop")


def run_effects(
    dataset: Dataset,
    network: VideoNetwork,
    *,
    limit: int = VIDEOS,
    workers: int | None = None,
    report: Callable[[RunProgress], None] | None = None,
) -> RunEffects:
    """Try every DSA block with the identity kernel and every SDA block with its gate off, one at a
    time, on the videos of a dataset: one decode and one forward more than there are blocks each.

    limit: videos that are tried; categories take turns, each giving its videos in the dataset's
    order. workers: as of `predict_each`. report: called after each video; what it raises ends the
    work. Videos that cannot be read are left out.
    Raises ModelError for a network without such blocks; DatasetError if a category is not among
    the network's, the limit is below 1 or no video could be read.
    """
    changes = neutral_changes(network)
    labels = match_categories(dataset.categories, network.spec.classes)
    rows = in_turns(labels, limit)
    start = time.perf_counter()
    tried, scores, failed = [], [], 0
    for row, views, _ in network_inputs(dataset, rows, protocol_of(network), workers):
        if isinstance(views, VideoError):
            failed += 1
        else:
            tried.append(row)
            scores.append(scores_without(network, views, changes))
        if report is not None:
            report(_progress(len(tried), failed, len(rows), time.perf_counter() - start))
    if not tried:
        raise DatasetError(
            f"none of {failed} videos of {dataset.name} could be read", "at least one",
            "Run the network on the dataset first: its errors table says what is wrong.",
        )
    label = labels[tried]
    every = np.stack(scores).astype(np.float64)           # (videos, 1 + blocks, classes)
    own = np.take_along_axis(every, label[:, None, None], 2)[..., 0]
    right = (every.argmax(-1) == label[:, None]).astype(np.float64)
    classes = len(network.spec.classes)
    accuracy = _mean_per_class(right, label, classes)     # (classes, 1 + blocks)
    return RunEffects(
        blocks=tuple(change.block for change in changes),
        changes=tuple(change.describe() for change in changes),
        videos=np.bincount(label, minlength=classes),
        before=accuracy[:, 0],
        after=accuracy[:, 1:],
        drop=_mean_per_class(own[:, :1] - own[:, 1:], label, classes),
        seconds={"all": time.perf_counter() - start},
    )


def measure_run(
    folder: Path,
    network: VideoNetwork,
    *,
    limit: int = VIDEOS,
    report: Callable[[RunProgress], None] | None = None,
) -> RunEffects:
    """`run_effects` over the dataset of the finished run in a folder, kept beside its summary.

    network: that of the run; it works under the run's protocol. Raises what `run_effects` and
    `load_run` raise, and RunError for another network, other videos or an untrimmed run.
    """
    run = load_run(folder / SUMMARY)
    dataset = open_dataset(**run.opened_as)
    model = describe_model(network)
    if model.weights_sha256 != run.model.weights_sha256:
        raise RunError(
            f"{model.name} ({model.weights}) for {run.id}",
            f"the weights it was made with, {run.model.weights}", "Name their file.",
        )
    if dataset.fingerprint != run.dataset_sha256:
        raise RunError(
            f"{dataset.name} is not what it was for {run.id}", "the same videos",
            "Run the network on the dataset again.",
        )
    if run.untrimmed:
        raise RunError(
            f"{run.id} is about untrimmed videos", "a run by the network's own protocol",
            "Give the run's command without --untrimmed.",
        )
    effects = run_effects(dataset, with_protocol(network, run.protocol), limit=limit, report=report)
    save_effects(effects, folder)
    return effects


def in_turns(labels: Sequence[int] | Array, limit: int) -> list[int]:
    """So many rows, in order, as evenly over the categories as they are there: one of each after
    the other, the first ones of each. Raises DatasetError for a limit below 1."""
    if limit < 1:
        raise DatasetError(f"a limit of {limit} videos", "at least 1", "Leave it out.")
    seen: dict[int, int] = defaultdict(int)
    turns = []
    for row, label in enumerate(labels):
        turns.append((seen[int(label)], row))
        seen[int(label)] += 1
    return sorted(row for _, row in sorted(turns)[:limit])


def save_effects(effects: RunEffects, folder: Path) -> None:
    """Write them beside the summary of a run, whole or not at all."""
    columns: dict[str, list[object]] = {"videos": effects.videos.tolist()}
    for name in _VALUES:
        columns[name] = getattr(effects, name).tolist()
    facts = {
        "blocks": effects.blocks, "changes": effects.changes, "seconds": effects.seconds,
    }  # fmt: skip
    table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(facts)})
    with atomic_file(folder / FILE) as part:
        pq.write_table(table, part, compression="zstd")


def load_effects(folder: Path) -> RunEffects | None:
    """The effects that `save_effects` wrote in the folder of a run; None if there are none.
    Raises RecordError for a file that is not readable."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[_KEY])
        blocks = facts["blocks"]
        values = {
            name: np.array(table[name].to_pylist(), np.float64).reshape(table.num_rows, *shape)
            for name, shape in zip(_VALUES, ((), (len(blocks),), (len(blocks),)), strict=True)
        }
        return record_from(RunEffects, facts | values | {"videos": table["videos"].to_numpy()})
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"{FILE} of {folder.name} is not readable ({type(error).__name__}: {error})",
            "effects as `python -m dsanet_core effects` writes them",
            "Delete the file and give the command again.",
        ) from error


def _mean_per_class(values: Array, label: Array, classes: int) -> Array:
    """(videos, n) -> (classes, n), NaN for a class without videos."""
    sums = np.zeros((classes, values.shape[1]))
    np.add.at(sums, label, values)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / np.bincount(label, minlength=classes)[:, None])


def _progress(tried: int, failed: int, total: int, spent: float) -> RunProgress:
    done = tried + failed
    rate = done / spent
    return RunProgress(done=done, failed=failed, total=total, rate=rate,
                    seconds_left=(total - done) / rate)
