"""Sentences, tables and exports of the page Categories. Pure functions of runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.ui import run_text
from dsanet_core.figures import CategoryRow, CategoryTable
from dsanet_core.figures.style import run_names
from dsanet_core.records import Array, Run
from dsanet_core.report import captions
from dsanet_core.report.text import escape
from dsanet_core.text_format import (
    csv_text,
    points,
)

ALL = "all"
COUNTS = ("5", "10", "15", "30", "60", ALL)
"""Numbers of classes that the figure may show."""
DEFAULT_COUNT = "15"
"""As many as SDA's Figure 4."""

NO_WEIGHTS = (
    "None of these runs selects between dependencies, so only accuracies are shown. To see SDA "
    "weights, add a run of a model with SDA, for example sda_tsn_synth."
)
CONFUSIONS_READING = (
    "How to read it: number of videos of this class per predicted class, for each run; ✓ marks the "
    "class itself."
)


def wrong_first(runs: Sequence[Run], class_index: int, rows: Array) -> Array:
    """The rows of one class, ordered by the number of runs that get the video wrong, then by the
    confidence of the mistakes. rows: of the dataset, each in every run."""
    places = [np.searchsorted(run.row, rows) for run in runs]
    own = runs[0].label[places[0]] == class_index
    wrong = np.stack([~run.correct[p][own] for run, p in zip(runs, places, strict=True)])
    confidence = np.stack([run.confidence[p][own] for run, p in zip(runs, places, strict=True)])
    in_mistakes = np.where(wrong, confidence, 0).sum(0)
    return np.asarray(rows[own][np.lexsort((-in_mistakes, -wrong.sum(0)))])


def predicted_counts(runs: Sequence[Run], class_index: int, rows: Array) -> list[dict[str, Any]]:
    """Number of videos of a class per predicted class and run, the class itself first."""
    names = run_names(runs)
    counts = np.stack([
        np.bincount(
            run.predicted[place][run.label[place] == class_index], minlength=len(run.classes)
        )
        for run in runs
        for place in [np.searchsorted(run.row, rows)]
    ])  # (runs, classes)
    others = [index for index in np.argsort(-counts.sum(0), kind="stable") if index != class_index]
    return [
        {"Predicted": f"{run_text.symbol(index == class_index)} {runs[0].classes[index]}"}
        | {name: int(count) for name, count in zip(names, counts[:, index], strict=True)}
        for index in [class_index, *others]
        if index == class_index or counts[:, index].any()
    ]


def lead(table: CategoryTable, rows: Sequence[CategoryRow]) -> str:
    """Number of classes that improve over the baseline, and the runs that gain most."""
    baseline = escape(table.runs[0])
    if len(table.runs) == 1:
        return f"Only {baseline} is shown: add another run above to see gains."
    wins = [0] * len(table.runs)
    for row in table.rows:
        if row.best is not None:
            wins[row.best] += 1
    per_run = ", ".join(
        f"{escape(name)} {count}" for name, count in zip(table.runs, wins, strict=True) if count
    )
    top = max(rows, key=lambda row: row.gain)
    largest = "" if top.best is None else (
        f" Largest gain shown: **{escape(top.name)}**, {points(top.gain)} by "
        f"{escape(table.runs[top.best])}."
    )
    return (
        f"**{sum(wins)} of {len(table.rows)} classes** have a higher accuracy in another run than "
        f"in {baseline}{f' (largest gain by: {per_run})' if per_run else ''}.{largest}"
    )


def reading(table: CategoryTable) -> str:
    """Caption of the figure."""
    sentences = [captions.CLASS_ACCURACY]
    if len(table.runs) > 1:
        sentences.append(
            f"Classes are sorted by the largest gain over {escape(table.runs[0])} and grouped by "
            "the run that achieves it (for equal gains, the run listed first)."
        )
    if table.dependencies and table.weights_of is not None:
        sentences.append(
            f"The lines are the SDA weights of {escape(table.runs[table.weights_of])}, averaged "
            "over its blocks and the videos of a class, minus each dependency's average over all "
            f"{len(table.rows)} classes (SDA, footnote 2): 0 is that dependency's usual weight, "
            "not an equal share."
        )
    if table.left_out:
        sentences.append(f"{table.left_out} videos that some run could not read are left out.")
    if table.empty:
        some = ", ".join(escape(name) for name in table.empty[:5])
        more = f" and {len(table.empty) - 5} more" if len(table.empty) > 5 else ""
        sentences.append(f"Classes without videos are left out: {some}{more}.")
    sentences.append("Click a bar to choose its class, or use the box below.")
    return " ".join(sentences)


def to_csv(table: CategoryTable, rows: Sequence[CategoryRow]) -> str:
    """The figure's numbers, a line per class; shares and gains as fractions."""
    header = [
        "category", "videos", *(f"accuracy {name}" for name in table.runs), "gain",
        "gains most", *(f"centred weight {name}" for name in table.dependencies),
    ]
    return csv_text(header, (
        [row.name, row.videos, *row.accuracy, row.gain,
         "" if row.best is None else table.runs[row.best], *row.weights]
        for row in rows
    ))


def to_json(
    runs: Sequence[Run],
    table: CategoryTable,
    rows: Sequence[CategoryRow],
    class_index: int,
    rows_of_class: Array,
) -> str:
    """Everything on the page: the runs, the figure's numbers, and the chosen class.

    rows_of_class: as of `wrong_first`.
    """
    return json.dumps(
        {
            "runs": [run_text.run_facts(run) for run in runs],
            "base": table.runs[0],
            "weights_of": None if table.weights_of is None else table.runs[table.weights_of],
            "videos_left_out": table.left_out,
            "categories_without_videos": table.empty,
            "categories": [
                {
                    "category": row.name,
                    "videos": row.videos,
                    "accuracy": dict(zip(table.runs, row.accuracy, strict=True)),
                    "gain": row.gain,
                    "gains_most": None if row.best is None else table.runs[row.best],
                    "centred_weights": dict(zip(table.dependencies, row.weights, strict=True)),
                }
                for row in rows
            ],
            "chosen": {
                "category": runs[0].classes[class_index],
                "taken_for": [
                    {"Taken for": row.pop("Predicted")} | row
                    for row in predicted_counts(runs, class_index, rows_of_class)
                ],
                "videos": run_text.video_records(runs, rows_of_class),
            },
        },
        indent=1,
        ensure_ascii=False,
    )
