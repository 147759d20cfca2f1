"""The table of a run becomes a `Run`: once, when its last video is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dsanet_core.errors import DatasetError
from dsanet_core.json_values import record_from
from dsanet_core.records import DISTANCES, Array, Layers, Model, Protocol, Run
from dsanet_core.runs.metrics import label_matrix, label_ranks, mean_average_precision
from dsanet_core.runs.store import RunFolder

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
