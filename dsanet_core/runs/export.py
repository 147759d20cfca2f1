"""Runs as plain values: what the command line prints, and several networks answering together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from dsanet_core.ensemble import mean_scores
from dsanet_core.errors import DatasetError
from dsanet_core.records import Run
from dsanet_core.runs.store import RunFolder
from dsanet_core.runs.summarise import judged, matrix


def run_to_dict(run: Run) -> dict[str, Any]:
    """JSON values: accuracies as fractions, protocol also in words, network without its classes."""
    per_class, counts = run.accuracy_per_class(), run.videos_per_class
    model = asdict(run.model)
    model.pop("classes")
    return {
        "run": run.id,
        "dataset": run.dataset,
        "videos": len(run.row),
        "top1": run.accuracy(),
        "top5": run.accuracy(5),
        "mean_average_precision": run.mean_average_precision,
        "categories_left_out": int((counts == 0).sum()),
        "calibration_error": run.calibration().error,
        "per_group": run.accuracy_per_group(),
        "per_category": {
            name: float(per_class[index])
            for index, name in sorted(enumerate(run.classes), key=lambda pair: pair[1])
            if counts[index]
        },
        "failed": [list(pair) for pair in run.failed],
        "model": model,
        "protocol": asdict(run.protocol) | {"in_words": run.protocol_in_words},
        "untrimmed": run.untrimmed,
        "seconds": run.seconds,
        "versions": run.versions,
    }


def average_runs(runs: Sequence[Run], folder: Path) -> Run:
    """Finished runs of one dataset under `folder` as if one network had answered: scores averaged
    over the videos that all could read. Raises DatasetError if there are none."""
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
