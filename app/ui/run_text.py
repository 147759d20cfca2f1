"""Sentences, tables and exports that the pages about datasets share. Pure functions of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.style import run_names
from dsanet_core.records import Array, Run
from dsanet_core.report import captions
from dsanet_core.report.text import escape
from dsanet_core.text_format import percent

CONFIDENCE = ": confidence (%)"
"""Ends the heading of a column of confidences."""

MADE_UP = (
    "**Made-up numbers:** this run comes from no model and no videos; it only tests the app."
)
VIDEOS_READING = (
    f"{captions.PREFIX}videos that most runs get wrong come first, the most confident mistakes on "
    "top; ✓ correct, ✗ incorrect. Click a heading to sort; select a row with its checkbox."
)


def has_words(search: str, *texts: str) -> bool:
    """True where every word of a search is in one of the texts, whatever the case."""
    joined = " ".join(texts).casefold()
    return all(word in joined for word in search.casefold().split())


def clicked_data(event: Any) -> list[Any] | None:
    """Custom data of the first clicked mark of a figure that has any. event: of `plotly_chart`."""
    for point in (event or {}).get("selection", {}).get("points", []):
        if data := point.get("customdata"):
            return data if isinstance(data, list) else [data]
    return None


def describe_run(run: Run) -> str:
    """Model, weights, protocol and dataset of a run, as Markdown lines."""
    return "  \n".join([
        f"**{escape(run.model.name)}** on {escape(run.dataset)}: {len(run.row)} videos, "
        f"{len(run.failed)} unreadable",
        escape(run.protocol_in_words),
        f"Weights: {escape(run.model.weights)}, SHA-256 {run.model.weights_sha256[:12]}…",
        f"Trained on: {escape(run.model.trained_on or 'unknown data')}",
    ])


def video_table(runs: Sequence[Run], rows: Array) -> dict[str, list[Any]]:
    """Columns of a table of videos: name, true class where it differs between the rows, and for
    every run its prediction, marked correct or incorrect, and its confidence in percent.

    rows: of the dataset, each in every run.
    """
    places = [np.searchsorted(run.row, rows) for run in runs]
    classes, label = runs[0].classes, runs[0].label[places[0]]
    table: dict[str, list[Any]] = {"Video": [str(name) for name in runs[0].video[places[0]]]}
    if len(np.unique(label)) > 1:
        table["True class"] = [classes[index] for index in label]
    for run, place, name in zip(runs, places, run_names(runs), strict=True):
        table[f"{name}: prediction"] = [
            f"{symbol(correct)} {run.classes[predicted]}"
            for correct, predicted in zip(run.correct[place], run.predicted[place], strict=True)
        ]
        table[f"{name}{CONFIDENCE}"] = (100 * run.confidence[place].astype(float)).tolist()
    return table


def symbol(correct: bool) -> str:
    """✓ for a correct prediction, ✗ for an incorrect one."""
    return style.RIGHT_SYMBOL if correct else style.WRONG_SYMBOL


def missing_weights(names: Sequence[str]) -> str:
    """Reason why no button opens a video with some models, and the remedy."""
    return (
        f"No weights found for {escape(', '.join(dict.fromkeys(names)))}: put the file into "
        "checkpoints/ to run this model on a video."
    )


def prediction_in_run(run: Run, place: int) -> str:
    """Prediction of a run for one of its videos, with the protocol. place: index in its arrays."""
    return (
        f"{escape(str(run.video[place]))} from {escape(run.dataset)}. In this run, "
        f"{escape(run.model.name)} predicted {symbol(run.correct[place])} "
        f"{escape(run.classes[run.predicted[place]])} ({percent(float(run.confidence[place]))}). "
        f"Protocol: {escape(run.protocol_in_words)}."
    )


def run_facts(run: Run) -> Mapping[str, Any]:
    """Identification of a run in an export."""
    return {
        "id": run.id,
        "model": run.model.name,
        "weights_sha256": run.model.weights_sha256,
        "dataset": run.dataset,
        "dataset_sha256": run.dataset_sha256,
        "protocol": run.protocol_in_words,
        "videos": len(run.row),
        "unreadable": len(run.failed),
        "top1": run.accuracy(),
        "made_up": run.made_up,
    }


def video_records(runs: Sequence[Run], rows: Array) -> list[dict[str, Any]]:
    """Videos with the prediction of each run, for an export. rows: of the dataset, in every run."""
    names, places = run_names(runs), [np.searchsorted(run.row, rows) for run in runs]
    return [
        {
            "video": str(runs[0].video[places[0][line]]),
            "row": int(row),
            "category": runs[0].classes[runs[0].label[places[0][line]]],
            "said": {
                name: {
                    "category": run.classes[run.predicted[place[line]]],
                    "confidence": float(run.confidence[place[line]]),
                    "right": bool(run.correct[place[line]]),
                }
                for name, run, place in zip(names, runs, places, strict=True)
            },
        }
        for line, row in enumerate(rows)
    ]
