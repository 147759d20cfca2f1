"""Sentences, rows and exports of the page Errors. Pure functions of runs."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from app.pages.errors.selection import (
    ANY,
    APART,
    OUTCOME_KEYS,
    VIDEOS_SHOWN,
    WRONG,
    Choice,
    View,
    outcomes,
)
from app.ui.run_text import run_facts, video_records
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
from dsanet_core.serialize import CsvTable
from dsanet_core.text_format import percent

SHARES, COUNTS = "%", "videos"
UNITS = (SHARES, COUNTS)
SINGLY, TOGETHER = "each direction", "both directions together"
DIRECTIONS = (SINGLY, TOGETHER)
PAIRS_SHOWN = 15
CHANCE = 0.05
"""A p-value below this is called more than chance."""


def pair_bars(pairs: Sequence[Confusion], confusion: Array, run: Run, way: str) -> list[Bar]:
    """The most confused pairs as bars of a figure."""
    bars = []
    for each in pairs[:PAIRS_SHOWN]:
        true, predicted = run.classes[each.true], run.classes[each.predicted]
        arrow, detail = "→", f"of the {each.videos} videos of {true}"
        if way == TOGETHER:
            arrow = "↔"
            there = confusion[each.true, each.predicted]
            back = confusion[each.predicted, each.true]
            detail = f"{there} there, {back} back, of the {each.videos} videos of both"
        bars.append(
            Bar(
                f"{shorten(true, 26)} {arrow} {shorten(predicted, 26)}", each.mistaken,
                each.videos, f"{true} {arrow} {predicted}", detail,
            )
        )
    return bars


def outcome_bars(seen: View) -> list[Bar]:
    """How many videos fall to each outcome of two runs."""
    assert seen.pair is not None
    counts = np.bincount(seen.pair.outcome, minlength=len(OUTCOMES))
    told = outcomes(seen)
    return [
        Bar(
            told[key], int(count), len(seen.run.row), told[key],
            f"of the {len(seen.run.row)} videos that both could read",
        )
        for key, count in zip(OUTCOME_KEYS, counts, strict=True)
    ]


def reliability(seen: View) -> list[Reliability]:
    """Calibration of every run, with the intervals of its bins."""
    found = []
    for name, run in zip(seen.names, seen.runs, strict=True):
        known = run.calibration()
        spans = np.array([
            wilson(round(share * count), int(count)) if count else (np.nan, np.nan)
            for share, count in zip(known.accuracy, known.videos, strict=True)
        ])
        found.append(Reliability(name, known, *spans.T))
    return found


def span(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}%"


def points(difference: float) -> str:
    """A difference of shares in points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def lead(seen: View) -> str:
    """How often each run is right, and how sure it is of what."""
    lines = []
    for name, run in zip(seen.names, seen.runs, strict=True):
        right = run.correct
        hits, videos = int(right.sum()), len(run.row)
        sure = " and ".join(
            f"{percent(float(run.confidence[of].mean()))} sure where it is {word}"
            for of, word in ((right, "right"), (~right, "wrong"))
            if of.any()
        )
        lines.append(
            f"**{escape(name)}** is right in {hits} of {videos} videos: **{percent(hits / videos)}"
            f"** ({100 * LEVEL:.0f}% interval {span(wilson(hits, videos))}). On average it is "
            f"{sure}."
        )
    return "  \n".join(lines)


def common(seen: View) -> str:
    """How many videos two runs are compared on, and how many not."""
    assert seen.pair is not None
    videos = f"Compared on the {len(seen.run.row)} videos that both runs could read"
    alone = [
        f"{count} that only {escape(name)} could"
        for name, count in zip(
            seen.names, (seen.pair.first_alone, seen.pair.second_alone), strict=True
        )
        if count
    ]
    return f"{videos}; left out: {', '.join(alone)}." if alone else f"{videos}."


def verdict(seen: View, found: Difference) -> str:
    """The difference of two runs, and whether chance alone would make it."""
    first, second = map(escape, seen.names)
    if not found.only_first + found.only_second:
        return f"**{first} and {second} are right and wrong on the very same videos.**"
    better, worse = (first, second) if found.difference >= 0 else (second, first)
    if found.difference == 0:
        said = f"**{first} and {second} are right equally often**"
    else:
        said = f"**{better} is right {abs(100 * found.difference):.1f} points more often than " \
               f"{worse}**"
    chance = (
        "more than chance explains" if found.p_value < CHANCE
        else "chance alone could explain that"
    )
    return (
        f"{said}: {chance} ({p_value(found.p_value)}, McNemar's exact test on the "
        f"b = {found.only_first} videos that only {first} got right and the "
        f"c = {found.only_second} that only {second} did). The difference {first} − {second} is "
        f"{points(found.difference)} points, {100 * LEVEL:.0f}% interval "
        f"{points(found.difference_interval.low)} to {points(found.difference_interval.high)} "
        f"(paired bootstrap over videos, {RESAMPLES} resamples, seed 0, percentiles)."
    )


def p_value(value: float) -> str:
    """A p-value; what is too small to write out as a bound."""
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.4f}".rstrip("0").rstrip(".")


GROUP_FORMATS = {"Videos": "plain", "b": "plain", "c": "plain"}


def group_rows(seen: View, groups: Mapping[str, Difference]) -> list[dict[str, Any]]:
    """A line per group of categories."""
    first, second = seen.names
    return [
        {
            "Group": group,
            "Videos": found.videos,
            first: f"{percent(found.first)} ({span(found.first_interval)})",
            second: f"{percent(found.second)} ({span(found.second_interval)})",
            "Difference (points)": f"{points(found.difference)} "
                                   f"({points(found.difference_interval.low)} to "
                                   f"{points(found.difference_interval.high)})",
            "b": found.only_first,
            "c": found.only_second,
            "McNemar": p_value(found.p_value),
        }
        for group, found in groups.items()
    ]


def calibration_reading(seen: View, found: Sequence[Reliability]) -> str:
    """The expected calibration error of each run, and on which side it errs."""
    lines = []
    for run, each in zip(seen.runs, found, strict=True):
        gap = float(run.confidence.mean()) - run.accuracy()
        side = "surer than it is right" if gap > 0 else "less sure than it is right"
        lines.append(
            f"**{escape(each.name)}**: expected calibration error "
            f"{percent(each.calibration.error)} (mean distance of a video's bin from the dotted "
            f"line, {len(each.calibration.videos)} bins); on the whole it is {abs(100 * gap):.1f} "
            f"points {side}."
        )
    return "  \n".join(lines)


def chosen_cell(seen: View, choice: Choice, count: int) -> str:
    """Which cell of the matrix is chosen, above the list of its videos."""
    if choice.true == choice.predicted == ANY:
        return ""
    true = f"of **{escape(choice.true)}**" if choice.true != ANY else "of any category"
    taken = f" that {escape(seen.names[seen.side])} took for **{escape(choice.predicted)}**" \
        if choice.predicted != ANY else ""
    return f"Chosen: videos {true}{taken}: {count} {'is' if count == 1 else 'are'} listed below."


RELIABILITY = (
    "How to read it: the videos in bins by how probable the network called its answer. Above, how "
    "many of a bin's videos it got right, with the 95% interval (Wilson) of that share; above the "
    "dotted line it is more often right than it says, below it less often. Below, how many videos "
    "each bin has."
)


def matrix_reading(seen: View, confusion: Array, shown: Sequence[int]) -> str:
    """How to read the matrix, and how much of it is seen."""
    classes = len(seen.run.classes)
    wrong = np.array(confusion)
    np.fill_diagonal(wrong, 0)
    inside = int(wrong[shown][:, shown].sum())
    part = "" if len(shown) == classes else (
        f" {len(shown)} of {classes} categories are shown, partners beside each other; "
        f"{inside} of all {int(wrong.sum())} mistakes are between them, and what was taken for "
        "another category than these is in the last column, a click on which lists all mistakes of "
        "its row."
    )
    few = "" if len(shown) <= MOST_CLASSES_ALL_CLICKABLE else (
        f" Only the {MOST_CLICKABLE_CELLS} largest cells can be clicked; use the filters below for "
        "the others."
    )
    return (
        f"{captions.CONFUSION_MATRIX} A click on a cell lists its videos below, as the two boxes "
        f"there do; another click lets go of it.{few}{part}"
    )


def pairs_reading(found: Sequence[Confusion], way: str) -> str:
    """How to read the bars of the pairs."""
    shown = f"The first {PAIRS_SHOWN} of {len(found)}. " if len(found) > PAIRS_SHOWN else ""
    if way == SINGLY:
        return (
            f"{shown}How to read it: so many videos of the category before the arrow were taken "
            "for the one behind it, and which share of its videos that is. A click lists them."
        )
    return (
        f"{shown}How to read it: so many videos of two categories were taken for the other one, "
        "and which share of the videos of both that is. A click lists those of the more frequent "
        "direction, the category before the arrow taken for the one behind it."
    )


def outcomes_reading(seen: View) -> str:
    """How to read the bars of the outcomes, and on which videos they stand."""
    return (
        f"How to read it: every video falls to one bar. {common(seen)} A click on a bar lists its "
        "videos below."
    )


def groups_reading(seen: View, groups: int) -> str:
    """How to read the table of the groups."""
    first, second = map(escape, seen.names)
    return (
        f"How to read it: {100 * LEVEL:.0f}% intervals in brackets, Wilson's for a share, paired "
        f"bootstrap for the difference {first} − {second}; b: videos that only {first} got right, "
        f"c: only {second}; p of McNemar's exact test within the group. Where b and c are few, the "
        f"bootstrap's interval is too narrow: go by p. {groups} tests at once find a small p "
        "sooner by chance than one does."
    )


def listed(seen: View, count: int) -> str:
    """How many videos are listed, of how many."""
    cut = f"; the first {VIDEOS_SHOWN} are shown, the exports below have all" \
        if count > VIDEOS_SHOWN else ""
    return f"**{count} of {len(seen.run.row)} videos**{cut}."


def nothing(seen: View, choice: Choice) -> str:
    """Why no video is listed."""
    if choice == Choice(outcome=WRONG):
        return (
            f"{escape(seen.names[seen.side])} is wrong in no video. Choose other answers above to "
            "see those that it got right."
        )
    if choice == Choice(outcome=APART):
        return "The two runs give the same answer to every video. Choose other answers above."
    return "No video fits all filters. Widen one of them, or take all back."


def to_csv(seen: View, places: Array) -> str:
    """The listed videos, a line each; confidences and scores as fractions."""
    out = io.StringIO()
    lines = CsvTable(out)
    heads = ("predicted", "confidence", "right", "score of the true category", "classes above it")
    columns = [f"{head}, {name}" for name in seen.names for head in heads]
    outcome = None if seen.pair is None else seen.pair.outcome
    lines.writerow(["row", "video", "true", *columns, *([] if outcome is None else ["outcome"])])
    for place in places:
        said: list[Any] = []
        for run in seen.runs:
            said += [
                run.classes[run.predicted[place]], float(run.confidence[place]),
                bool(run.correct[place]), float(run.label_score[place]),
                int(run.label_rank[place]),
            ]
        run = seen.run
        ending = [] if outcome is None else [OUTCOMES[outcome[place]]]
        lines.writerow(
            [int(run.row[place]), run.video[place], run.classes[run.label[place]], *said, *ending]
        )
    return out.getvalue()


def to_json(seen: View, choice: Choice, places: Array) -> str:
    """All that the page shows; the matrix as its cells that are not zero."""
    facts: dict[str, Any] = {"runs": [run_facts(run) for run in seen.runs]}
    if seen.pair is not None:
        facts["difference"] = _difference(seen.pair.difference())
        facts["difference_per_group"] = {
            group: _difference(found) for group, found in seen.pair.difference_per_group().items()
        }
        facts["outcomes"] = {
            name: int(count)
            for name, count in zip(
                OUTCOMES, np.bincount(seen.pair.outcome, minlength=len(OUTCOMES)), strict=True
            )
        }
    facts["confusion"] = [_cells(run) for run in seen.runs]
    facts["calibration"] = [_calibration(each) for each in reliability(seen)]
    facts["chosen"] = asdict(choice)
    facts["videos"] = video_records(seen.runs, seen.run.row[places])
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
