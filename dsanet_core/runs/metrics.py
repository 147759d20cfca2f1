"""Metrics of scores against labels, and the summary (`Run`) of a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dsanet_core.errors import DatasetError
from dsanet_core.json_values import record_from
from dsanet_core.records import DISTANCES, Array, Layers, Model, Protocol, Run
from dsanet_core.runs.store import RunFolder


def match_categories(categories: Sequence[str], classes: Sequence[str]) -> Array:
    """(rows,) index of each row's category among the network's classes.

    Case and underscores do not count, as folder names often differ in them. Raises DatasetError
    that names the first category without a class.
    """
    known = {_folded(name): index for index, name in enumerate(classes)}
    missing = [name for name in dict.fromkeys(categories) if _folded(name) not in known]
    if missing:
        raise DatasetError(
            f"{len(missing)} categories are unknown to this model, first {missing[0]!r}",
            f"some of its {len(classes)} categories, such as {classes[0]!r}",
            "Rename the folders, or choose a model trained on these categories.",
        )
    return np.array([known[_folded(name)] for name in categories])


def label_ranks(scores: Array, labels: Array) -> Array:
    """(videos,) how many classes stand above the label (videos,) in scores (videos, classes).

    Of equal scores the lower class index is better.
    """
    own = scores[np.arange(len(labels)), labels][:, None]
    before = np.arange(scores.shape[1]) < labels[:, None]
    return np.asarray((scores > own).sum(1) + ((scores == own) & before).sum(1))


def label_matrix(
    labels: Array, rows: Array, others: Mapping[str, Sequence[int]], classes: int
) -> Array:
    """(videos, classes) bool: every label of every video. labels: (videos,) their first ones;
    rows: (videos,) what others, by the row in writing, calls them."""
    matrix = labels[:, None] == np.arange(classes)
    for place in np.flatnonzero(np.isin(rows, [int(row) for row in others])):
        matrix[place, others[str(rows[place])]] = True
    return np.asarray(matrix)


class MeanAveragePrecision(NamedTuple):
    """mean: of the average precisions of the categories that have videos, 0 to 1.
    left_out: how many categories have none."""

    mean: float
    left_out: int


def mean_average_precision(scores: Array, labels: Array) -> MeanAveragePrecision:
    """Mean average precision of scores (videos, categories), given bool labels of the same
    shape, any number of categories a video.

    As ActivityNet's evaluation: the interpolated average precision of Pascal VOC 2011, that is the
    mean over a category's videos of the best precision at their rank or any later one. Of equal
    scores the earlier video ranks higher. Raises ValueError for other shapes or no label at all.
    """
    if scores.ndim != 2 or scores.shape != labels.shape or not labels.any():
        raise ValueError(
            f"scores {scores.shape}, labels {labels.shape} with {int(labels.sum())} true; expected "
            "equal shapes (videos, categories) and a label"
        )
    has_videos = labels.any(0)
    precisions = []
    for column in np.flatnonzero(has_videos):
        order = np.argsort(-scores[:, column], kind="stable")
        hits = labels[order, column].astype(bool)
        precision = hits.cumsum() / np.arange(1, len(hits) + 1)
        best_from_here_on = np.maximum.accumulate(precision[::-1])[::-1]
        precisions.append(best_from_here_on[hits].mean())
    return MeanAveragePrecision(float(np.mean(precisions)), int((~has_videos).sum()))


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


OTHER_LABELS = "other_labels"
"""In a manifest: further class indices of the videos that have some, by row."""
DIGITS = 6
"""Decimals kept of averaged weights and distances."""


def summarise(folder: RunFolder) -> Run:
    """The summary of a run that is done. Raises DatasetError if no video could be read."""
    facts, failed = folder.manifest, folder.errors()
    table = folder.read([
        "video", "label", "scores", "dependency_weights", "kernel_distances", "decode_seconds",
        "network_seconds",
    ])
    if not table.num_rows:
        raise DatasetError(
            f"none of the {folder.total} videos of {facts['dataset']} could be read",
            "at least one",
            f"The first: {failed[0][1]}",
        )
    layout = folder.layout()
    label = table["label"].to_numpy()
    scores = matrix(table, "scores")
    model = record_from(Model, facts["model"])

    def layers(column: str, blocks: list[str], quantities: tuple[str, ...]) -> Layers | None:
        if not blocks:
            return None
        values = matrix(table, column).reshape(len(label), len(blocks), len(quantities))
        return Layers(tuple(blocks), quantities, *_per_class(values, label, len(model.classes)))

    return Run(
        id=folder.path.name,
        dataset=facts["dataset"],
        dataset_sha256=facts["dataset_sha256"],
        opened_as=facts["opened_as"],
        groups={name: tuple(members) for name, members in facts["groups"].items()},
        model=model,
        protocol=record_from(Protocol, facts["protocol"]),
        protocol_in_words=facts["protocol_in_words"],
        untrimmed=facts["untrimmed"],
        row=table["row"].to_numpy(),
        video=np.array(table["video"].to_pylist(), dtype=object),
        label=label,
        **judged(scores, label, table["row"].to_numpy(), facts),
        failed=tuple(failed),
        selections=layers("dependency_weights", layout["dependency_blocks"],
                          tuple(layout["dependencies"])),
        kernels=layers("kernel_distances", layout["kernel_blocks"], DISTANCES),
        seconds={
            step: float(table[f"{step}_seconds"].to_numpy().sum(dtype=np.float64))
            for step in ("decode", "network")
        },
        versions=facts["versions"],
    )


def judged(
    scores: Array, label: Array, row: Array, manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of a `Run` that say how scores (videos, classes) meet the labels (videos,) of
    these rows (videos,). Of a video with several labels the mean average precision counts all,
    the others the first."""
    others = manifest.get(OTHER_LABELS, {})
    precision = mean_average_precision(
        scores, label_matrix(label, row, others, scores.shape[1])
    )
    return {
        "predicted": scores.argmax(1).astype(np.int32),
        "confidence": scores.max(1),
        "label_score": scores[np.arange(len(label)), label],
        "label_rank": label_ranks(scores, label).astype(np.int32),
        "mean_average_precision": precision.mean,
    }


def average_runs(runs: Sequence[Run], folder: Path) -> Run:
    """Finished runs of one dataset under `folder` as if one network had answered: scores averaged
    over the videos that all could read. Raises DatasetError if there are none."""
    from dsanet_core.ensemble import mean_scores  # imports torch, which finished runs do without

    folders = [RunFolder(folder / run.id) for run in runs]
    tables = [each.read(["scores"]) for each in folders]
    common = sorted(set.intersection(*(set(table["row"].to_pylist()) for table in tables)))
    if not common:
        raise DatasetError(
            "no video that all networks could read", "at least one", "See their errors tables."
        )
    scores = mean_scores([
        matrix(table, "scores")[np.isin(table["row"].to_numpy(), common)] for table in tables
    ])
    kept = np.isin(runs[0].row, common)
    label, row = runs[0].label[kept], runs[0].row[kept]
    name = "+".join(run.model.name for run in runs)
    return replace(
        runs[0],
        id=name,
        model=replace(runs[0].model, name=name),
        row=row,
        video=runs[0].video[kept],
        label=label,
        **judged(scores, label, row, folders[0].manifest),
        failed=tuple(dict.fromkeys(pair for run in runs for pair in run.failed)),
        selections=None,
        kernels=None,
    )


def matrix(table: pa.Table, column: str) -> Array:
    """A column of lists of equal length as (videos, values)."""
    values: Any = table[column].combine_chunks()
    return np.asarray(values.flatten().to_numpy().reshape(table.num_rows, -1))


def _per_class(values: Array, label: Array, classes: int) -> tuple[Array, Array]:
    """Mean and standard deviation (classes, ...) of values (videos, ...); NaN without videos."""
    mean = np.full((classes, *values.shape[1:]), np.nan)
    spread = mean.copy()
    for index in np.unique(label):
        own = values[label == index].astype(np.float64)
        mean[index], spread[index] = own.mean(0).round(DIGITS), own.std(0).round(DIGITS)
    return mean, spread
