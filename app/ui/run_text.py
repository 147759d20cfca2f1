"""Sentences, tables and exports of the pages about datasets. Pure functions of runs."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dsanet_core.figures import CategoryRow, CategoryTable, palette, selects
from dsanet_core.figures.style import run_names
from dsanet_core.records import Array, Run
from dsanet_core.report import captions
from dsanet_core.report.text import escape
from dsanet_core.serialize import CsvTable
from dsanet_core.text_format import percent, points

CONFIDENCE = ", sure (%)"
"""Ends the head of a column of confidences."""
EVERY = "all"
SHOWN = ("5", "10", "15", "30", "60", EVERY)
"""How many categories a figure may show."""
DEFAULT_SHOWN = "15"
"""As many as SDA shows in Figure 4."""

MADE_UP = "**Made up:** these numbers come from no network and no video; they are for measurements."
NO_WEIGHTS = (
    "None of these runs selects between dependencies, so there are no attention weights to draw "
    "beside the accuracies: add a run of a network with SDA above, for example sda_tsn_synth."
)
CONFUSIONS_READING = (
    "How to read it: how many of this category's videos each run takes for what; ✓ is the category "
    "itself."
)
VIDEOS_READING = (
    "How to read it: what most runs get wrong stands first, the surer they are the earlier; ✓ is "
    "right, ✗ is wrong, and beside it how probable the run found its answer. A click on a head "
    "sorts, the box before a row chooses it."
)


def dependency_order(run: Run) -> tuple[int, int]:
    """Places runs as SDA's tables do: single dependencies, their average, then selection."""
    names = () if run.selections is None else run.selections.quantities
    known = ("LST", "LT", "LS", "S122")
    if len(names) == 1:
        return 0, known.index(names[0]) if names[0] in known else len(known)
    return (2 if selects(run) else 1), 0


def video_table(runs: Sequence[Run], rows: Array) -> dict[str, list[Any]]:
    """Columns of a table of videos: their names, what they are where that differs, and for every
    run what it says, right or wrong, and how sure it is.

    rows: of the dataset, each in every run.
    """
    places = [np.searchsorted(run.row, rows) for run in runs]
    classes, label = runs[0].classes, runs[0].label[places[0]]
    table: dict[str, list[Any]] = {"Video": [str(name) for name in runs[0].video[places[0]]]}
    if len(np.unique(label)) > 1:
        table["It is"] = [classes[index] for index in label]
    for run, place, name in zip(runs, places, run_names(runs), strict=True):
        table[f"{name} says"] = [
            f"{palette.RIGHT_SYMBOL if right else palette.WRONG_SYMBOL} {run.classes[predicted]}"
            for right, predicted in zip(run.correct[place], run.predicted[place], strict=True)
        ]
        table[f"{name}{CONFIDENCE}"] = (100 * run.confidence[place].astype(float)).tolist()
    return table


def weights_away(names: Sequence[str]) -> str:
    """Why no button opens a video with some networks."""
    return (
        f"The weights of {escape(', '.join(dict.fromkeys(names)))} are not at hand: put their file "
        "into checkpoints/ to see what they do with a video."
    )


def of_run(run: Run, place: int) -> str:
    """What a run said of one of its videos, and by which protocol."""
    symbol = palette.RIGHT_SYMBOL if run.correct[place] else palette.WRONG_SYMBOL
    return (
        f"{escape(str(run.video[place]))} of {escape(run.dataset)}. In the run, "
        f"{escape(run.model.name)} said {symbol} {escape(run.classes[run.predicted[place]])} with "
        f"{percent(float(run.confidence[place]))} ({escape(run.protocol_in_words)})."
    )


def search(rows: Sequence[CategoryRow], wanted: str) -> list[CategoryRow]:
    """The categories whose name has every word of a search, whatever the case."""
    said = wanted.casefold().split()
    return [row for row in rows if all(word in row.name.casefold() for word in said)]


def picked_category(event: Any) -> int | None:
    """The class index behind what was clicked in the figure of the categories."""
    points = (event or {}).get("selection", {}).get("points", [])
    found = [point["customdata"][0] for point in points if point.get("customdata")]
    return int(found[0]) if found else None


def wrong_first(runs: Sequence[Run], label: int, rows: Array) -> Array:
    """Those of the rows that have this label: what most runs get wrong first, the surer of the
    mistake the earlier."""
    places = [np.searchsorted(run.row, rows) for run in runs]
    own = runs[0].label[places[0]] == label
    wrong = np.stack([~run.correct[p][own] for run, p in zip(runs, places, strict=True)])
    sure = np.stack([run.confidence[p][own] for run, p in zip(runs, places, strict=True)])
    mistaken = np.where(wrong, sure, 0).sum(0)
    return np.asarray(rows[own][np.lexsort((-mistaken, -wrong.sum(0)))])


def taken_for(runs: Sequence[Run], label: int, rows: Array) -> list[dict[str, Any]]:
    """How many of a category's videos each run takes for which category, its own first."""
    names = run_names(runs)
    counts = np.stack([
        np.bincount(run.predicted[place][run.label[place] == label], minlength=len(run.classes))
        for run in runs
        for place in [np.searchsorted(run.row, rows)]
    ])  # (runs, classes)
    others = [index for index in np.argsort(-counts.sum(0), kind="stable") if index != label]
    return [
        {"Taken for": f"{palette.RIGHT_SYMBOL if index == label else palette.WRONG_SYMBOL} "
                      f"{runs[0].classes[index]}"}
        | {name: int(count) for name, count in zip(names, counts[:, index], strict=True)}
        for index in [label, *others]
        if index == label or counts[:, index].any()
    ]


def categories_lead(table: CategoryTable, rows: Sequence[CategoryRow]) -> str:
    """How many categories gain, and which runs gain most in how many of them."""
    base = escape(table.runs[0])
    if len(table.runs) == 1:
        return f"{base} alone: choose another run above to see what it gains."
    won = [0] * len(table.runs)
    for row in table.rows:
        if row.best is not None:
            won[row.best] += 1
    told = ", ".join(
        f"{escape(name)} {count}" for name, count in zip(table.runs, won, strict=True) if count
    )
    most = max(rows, key=lambda row: row.gain)
    best = "" if most.best is None else (
        f" Among those shown, most is gained in **{escape(most.name)}**: "
        f"{points(most.gain)} by {escape(table.runs[most.best])}."
    )
    return (
        f"**{sum(won)} of {len(table.rows)} categories** are more often right in some other run "
        f"than in {base}{f', most often in: {told}' if told else ''}.{best}"
    )


def categories_reading(table: CategoryTable) -> str:
    """How to read the figure of the categories."""
    said = [captions.CLASS_ACCURACY]
    if len(table.runs) > 1:
        said.append(
            f"Categories are ordered by what the best of the other runs gains over "
            f"{escape(table.runs[0])}; dotted lines separate the runs that gain most (of equal "
            "gains, the run named first)."
        )
    if table.dependencies and table.weights_of is not None:
        said.append(
            f"The lines are the attention weights of {escape(table.runs[table.weights_of])}, "
            "averaged over its blocks and a category's videos; from each dependency its own "
            f"average over all {len(table.rows)} categories is subtracted (SDA, footnote 2), so 0 "
            "is that dependency's usual weight, not an equal share."
        )
    if table.left_out:
        said.append(f"{table.left_out} videos that not every run could read do not count.")
    if table.empty:
        some = ", ".join(escape(name) for name in table.empty[:5])
        more = f" and {len(table.empty) - 5} more" if len(table.empty) > 5 else ""
        said.append(f"Without videos, and left out: {some}{more}.")
    said.append("A click on a bar chooses its category; so does the box below.")
    return " ".join(said)


def categories_to_csv(table: CategoryTable, rows: Sequence[CategoryRow]) -> str:
    """The figure's numbers, a line per category; shares and gains as fractions."""
    out = io.StringIO()
    lines = CsvTable(out)
    lines.writerow([
        "category", "videos", *(f"accuracy {name}" for name in table.runs), "gain",
        "gains most", *(f"centred weight {name}" for name in table.dependencies),
    ])
    for row in rows:
        best = "" if row.best is None else table.runs[row.best]
        lines.writerow([row.name, row.videos, *row.accuracy, row.gain, best, *row.weights])
    return out.getvalue()


def categories_to_json(
    runs: Sequence[Run],
    table: CategoryTable,
    rows: Sequence[CategoryRow],
    label: int,
    shared: Array,
) -> str:
    """All that the page shows: the runs, the figure's numbers, and the chosen category."""
    return json.dumps(
        {
            "runs": [run_facts(run) for run in runs],
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
                "category": runs[0].classes[label],
                "taken_for": taken_for(runs, label, shared),
                "videos": video_records(runs, wrong_first(runs, label, shared)),
            },
        },
        indent=1,
        ensure_ascii=False,
    )


def run_facts(run: Run) -> Mapping[str, Any]:
    """What identifies a run in an export."""
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
    """Videos and what each run says of them, for an export."""
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
