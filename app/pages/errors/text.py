"""Sentences, rows and exports of the page Errors. Pure functions of runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from app.pages.errors.selection import (
    ANY,
    DIFFERENT,
    MOST_VIDEOS_LISTED,
    OUTCOME_KEYS,
    WRONG,
    Choice,
    View,
    outcomes,
)
from app.ui import run_text
from dsanet_core.figures.errors import (
    MOST_CLASSES_ALL_CLICKABLE,
    MOST_CLICKABLE_CELLS,
    Bar,
    Reliability,
)
from dsanet_core.figures.style import shorten
from dsanet_core.records import Array, Run
from dsanet_core.report import captions
from dsanet_core.report.text import escape
from dsanet_core.runs.statistics import (
    LEVEL,
    OUTCOMES,
    RESAMPLES,
    Confusion,
    Difference,
    Interval,
    wilson,
)
from dsanet_core.text_format import (
    csv_text,
    percent,
    plural,
    points,
    signed,
)

SHARES, COUNTS = "%", "videos"
UNITS = (SHARES, COUNTS)
DIRECTED, UNDIRECTED = "each direction", "both directions together"
DIRECTIONS = (DIRECTED, UNDIRECTED)
MOST_PAIRS_SHOWN = 15
SIGNIFICANCE = 0.05
"""P-values below this are called significant."""
PERCENT_LEVEL = percent(LEVEL, 0)

RELIABILITY = (
    "How to read it: videos are binned by confidence, the probability of the predicted class. Top: "
    "accuracy of each bin with its 95% Wilson interval; above the dotted line the model is "
    "underconfident, below it overconfident. Bottom: number of videos per bin."
)


def pair_bars(pairs: Sequence[Confusion], confusion: Array, run: Run, direction: str) -> list[Bar]:
    """The most confused pairs as bars of a figure."""
    bars = []
    for each in pairs[:MOST_PAIRS_SHOWN]:
        true, predicted = run.classes[each.true], run.classes[each.predicted]
        arrow, detail = "→", f"of the {each.videos} videos of {true}"
        if direction == UNDIRECTED:
            arrow = "↔"
            there = confusion[each.true, each.predicted]
            back = confusion[each.predicted, each.true]
            detail = f"{there} →, {back} ←, of the {each.videos} videos of both classes"
        bars.append(
            Bar(
                f"{shorten(true, 26)} {arrow} {shorten(predicted, 26)}", each.mistaken,
                each.videos, f"{true} {arrow} {predicted}", detail,
            )
        )
    return bars


def outcome_bars(view: View) -> list[Bar]:
    """Number of videos per outcome of two runs, as bars of a figure."""
    assert view.pair is not None
    counts = np.bincount(view.pair.outcome, minlength=len(OUTCOMES))
    labels, total = outcomes(view), len(view.run.row)
    return [
        Bar(labels[key], int(count), total, labels[key], f"of the {total} videos in both runs")
        for key, count in zip(OUTCOME_KEYS, counts, strict=True)
    ]


def reliability(view: View) -> list[Reliability]:
    """Calibration of every run, with the intervals of its bins."""
    found = []
    for name, run in zip(view.names, view.runs, strict=True):
        calibration = run.calibration()
        spans = np.array([
            wilson(round(share * count), int(count)) if count else (np.nan, np.nan)
            for share, count in zip(calibration.accuracy, calibration.videos, strict=True)
        ])
        found.append(Reliability(name, calibration, *spans.T))
    return found


def span(interval: Interval) -> str:
    """An interval of shares: "12.0% to 15.5%"."""
    return f"{percent(interval.low)} to {percent(interval.high)}"


def span_of_points(interval: Interval) -> str:
    """An interval of differences, in percentage points without the unit: "−1.0 to +2.5"."""
    return f"{signed(100 * interval.low, 1)} to {signed(100 * interval.high, 1)}"


def lead(view: View) -> str:
    """Accuracy and mean confidence of each run."""
    lines = []
    for name, run in zip(view.names, view.runs, strict=True):
        hits, videos = int(run.correct.sum()), len(run.row)
        confidence = ", ".join(
            f"{percent(float(run.confidence[where].mean()))} on {word} predictions"
            for where, word in ((run.correct, "correct"), (~run.correct, "incorrect"))
            if where.any()
        )
        lines.append(
            f"**{escape(name)}**: {hits} of {videos} videos correct, **{percent(hits / videos)}** "
            f"({PERCENT_LEVEL} interval {span(wilson(hits, videos))}). Mean confidence: "
            f"{confidence}."
        )
    return "  \n".join(lines)


def verdict(view: View, found: Difference) -> str:
    """The difference of two runs, and whether it is significant."""
    first, second = map(escape, view.names)
    if not found.only_first + found.only_second:
        return f"**{first} and {second} are correct on exactly the same videos.**"
    better, worse = (first, second) if found.difference >= 0 else (second, first)
    if found.difference == 0:
        headline = f"**{first} and {second} have the same accuracy**"
    else:
        gain = f"{abs(100 * found.difference):.1f} points"
        headline = f"**{better} is {gain} more accurate than {worse}**"
    significance = (
        "a significant difference" if found.p_value < SIGNIFICANCE
        else "no significant difference"
    )
    return (
        f"{headline}: {significance} ({p_value(found.p_value)}, McNemar's exact test; "
        f"b = {found.only_first} videos correct only in {first}, c = {found.only_second} only in "
        f"{second}). Difference {first} − {second}: {points(found.difference)}, {PERCENT_LEVEL} "
        f"interval {span_of_points(found.difference_interval)} (paired bootstrap over videos, "
        f"{RESAMPLES} resamples, seed 0, percentiles)."
    )


def p_value(value: float) -> str:
    """A p-value, or a bound for one too small to print."""
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.4f}".rstrip("0").rstrip(".")


GROUP_FORMATS = {"Videos": "plain", "b": "plain", "c": "plain"}


def group_rows(view: View, groups: Mapping[str, Difference]) -> list[dict[str, Any]]:
    """A row per group of classes."""
    first, second = view.names
    return [
        {
            "Group": group,
            "Videos": found.videos,
            first: f"{percent(found.first)} ({span(found.first_interval)})",
            second: f"{percent(found.second)} ({span(found.second_interval)})",
            "Difference (points)": f"{signed(100 * found.difference, 1)} "
                                   f"({span_of_points(found.difference_interval)})",
            "b": found.only_first,
            "c": found.only_second,
            "McNemar": p_value(found.p_value),
        }
        for group, found in groups.items()
    ]


def calibration_reading(view: View, found: Sequence[Reliability]) -> str:
    """The expected calibration error of each run, and its sign on average."""
    lines = []
    for run, each in zip(view.runs, found, strict=True):
        gap = float(run.confidence.mean()) - run.accuracy()
        sign = "overconfident" if gap > 0 else "underconfident"
        lines.append(
            f"**{escape(each.name)}**: expected calibration error "
            f"{percent(each.calibration.error)} (mean distance of the bins from the dotted line, "
            f"weighted by videos; {len(each.calibration.videos)} bins). On average the model is "
            f"{abs(100 * gap):.1f} points {sign}."
        )
    return "  \n".join(lines)


def chosen_cell(view: View, choice: Choice, count: int) -> str:
    """The chosen cell of the matrix, above the list of its videos."""
    if choice.true == choice.predicted == ANY:
        return ""
    true = f"of **{escape(choice.true)}**" if choice.true != ANY else "of any class"
    predicted = "" if choice.predicted == ANY else (
        f" that {escape(view.name)} predicted as **{escape(choice.predicted)}**"
    )
    return f"Selected: {plural(count, 'video')} {true}{predicted}, listed below."


def matrix_reading(view: View, confusion: Array, shown: Sequence[int]) -> str:
    """Caption of the matrix, with the share of mistakes it shows."""
    classes = len(view.run.classes)
    wrong = np.array(confusion)
    np.fill_diagonal(wrong, 0)
    inside = int(wrong[shown][:, shown].sum())
    part = "" if len(shown) == classes else (
        f" {len(shown)} of {classes} classes are shown, confused classes next to each other; "
        f"{inside} of all {int(wrong.sum())} mistakes are between them. The last column counts "
        "predictions of other classes; click it to list all mistakes of its row."
    )
    few = "" if len(shown) <= MOST_CLASSES_ALL_CLICKABLE else (
        f" Only the {MOST_CLICKABLE_CELLS} largest cells can be clicked; use the filters below for "
        "the others."
    )
    return (
        f"{captions.CONFUSION_MATRIX} Click a cell to list its videos below, click again to clear."
        f"{few}{part}"
    )


def pairs_reading(found: Sequence[Confusion], direction: str) -> str:
    """Caption of the bars of the pairs."""
    shown = f"The first {MOST_PAIRS_SHOWN} of {len(found)} pairs. " \
        if len(found) > MOST_PAIRS_SHOWN else ""
    if direction == DIRECTED:
        return (
            f"{shown}How to read it: number of videos of the class before the arrow that were "
            "predicted as the class after it, and their share of that class. Click a bar to list "
            "them."
        )
    return (
        f"{shown}How to read it: number of videos of two classes that were predicted as the other "
        "one, and their share of the videos of both. Click a bar to list those of the more "
        "frequent direction."
    )


def outcomes_reading(view: View) -> str:
    """Caption of the bars of the outcomes, with the videos they count."""
    assert view.pair is not None
    counts = (view.pair.first_alone, view.pair.second_alone)
    only_one = [
        f"{count} that only {escape(name)} could read"
        for name, count in zip(view.names, counts, strict=True)
        if count
    ]
    left_out = f" (left out: {', '.join(only_one)})" if only_one else ""
    return (
        f"How to read it: each of the {len(view.run.row)} videos that both runs could read"
        f"{left_out} is in one bar. Click a bar to list its videos below."
    )


def groups_reading(view: View, groups: int) -> str:
    """Caption of the table of the groups."""
    first, second = map(escape, view.names)
    return (
        f"How to read it: {PERCENT_LEVEL} intervals in brackets (Wilson for shares, paired "
        f"bootstrap for the difference {first} − {second}); b: videos correct only in {first}, c: "
        f"only in {second}; p of McNemar's exact test within the group. Where b and c are small, "
        "the bootstrap interval is too narrow: prefer p. With "
        f"{plural(groups, 'test')}, small p-values occur by chance more easily."
    )


def listed(view: View, count: int) -> str:
    """Number of videos listed."""
    cut = f"; the first {MOST_VIDEOS_LISTED} are shown, the exports below have all" \
        if count > MOST_VIDEOS_LISTED else ""
    return f"**{count} of {len(view.run.row)} videos**{cut}."


def nothing_listed(view: View, choice: Choice) -> str:
    """Reason why no video is listed."""
    if choice == Choice(outcome=WRONG):
        return (
            f"{escape(view.name)} makes no mistakes. Choose another outcome above to see its "
            "correct predictions."
        )
    if choice == Choice(outcome=DIFFERENT):
        return (
            "The two runs make the same prediction for every video. Choose another outcome above."
        )
    return "No video matches all filters. Widen one of them, or reset all."


def to_csv(view: View, indices: Array) -> str:
    """The listed videos, a line each; confidences and scores as fractions."""
    heads = ("predicted", "confidence", "right", "score of the true category", "classes above it")
    columns = [f"{head}, {name}" for name in view.names for head in heads]
    outcome = None if view.pair is None else view.pair.outcome
    return csv_text(
        ["row", "video", "true", *columns, *([] if outcome is None else ["outcome"])],
        (
            [
                int(view.run.row[i]), view.run.video[i], view.run.classes[view.run.label[i]],
                *(cell for run in view.runs for cell in _csv_cells(run, i)),
                *([] if outcome is None else [OUTCOMES[outcome[i]]]),
            ]
            for i in indices
        ),
    )


def _csv_cells(run: Run, index: int) -> tuple[Any, ...]:
    """Cells of one run in the line of a video."""
    return (
        run.classes[run.predicted[index]], float(run.confidence[index]), bool(run.correct[index]),
        float(run.label_score[index]), int(run.label_rank[index]),
    )


def to_json(view: View, choice: Choice, indices: Array) -> str:
    """Everything on the page; the matrix as its nonzero cells."""
    facts: dict[str, Any] = {"runs": [run_text.run_facts(run) for run in view.runs]}
    if view.pair is not None:
        facts["difference"] = _difference(view.pair.difference())
        facts["difference_per_group"] = {
            group: _difference(found) for group, found in view.pair.difference_per_group().items()
        }
        counts = np.bincount(view.pair.outcome, minlength=len(OUTCOMES))
        facts["outcomes"] = {
            name: int(count) for name, count in zip(OUTCOMES, counts, strict=True)
        }
    facts["confusion"] = [_cells(run) for run in view.runs]
    facts["calibration"] = [_calibration(each) for each in reliability(view)]
    facts["chosen"] = asdict(choice)
    facts["videos"] = run_text.video_records(view.runs, view.run.row[indices])
    return json.dumps(facts, indent=1, ensure_ascii=False)


def _difference(found: Difference) -> dict[str, Any]:
    return asdict(found) | {
        "level": LEVEL, "test": "McNemar, exact, two-sided",
        "bootstrap": {"resamples": RESAMPLES, "seed": 0, "kind": "paired, percentiles"},
    }


def _cells(run: Run) -> list[dict[str, Any]]:
    counts = run.confusion()
    return [
        {"true": run.classes[i], "predicted": run.classes[j], "videos": int(counts[i, j])}
        for i, j in zip(*np.nonzero(counts), strict=True)
    ]


def _calibration(each: Reliability) -> dict[str, Any]:
    known = each.calibration
    return {
        "run": each.name,
        "expected_calibration_error": known.error,
        "bins": [
            {
                "from": float(known.edges[i]), "to": float(known.edges[i + 1]),
                "videos": int(count),
                "confidence": float(known.confidence[i]) if count else None,
                "accuracy": float(known.accuracy[i]) if count else None,
                "interval": [float(each.low[i]), float(each.high[i])] if count else None,
            }
            for i, count in enumerate(known.videos)
        ],
    }
