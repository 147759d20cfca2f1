"""Which runs, categories and videos the page Errors is about. Pure functions of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsanet_core.figures.style import run_names
from dsanet_core.records import Array, Run
from dsanet_core.runs.statistics import OUTCOMES, Pair, confused_pairs, most_confused, pair

ANY = ""
"""No category in particular."""
EVERY = "all"
SIZES = ("10", "20", "40")
DEFAULT_SIZE, SMALL = "20", 30
"""How many categories a matrix shows at first; up to `SMALL` it shows them all."""
VIDEOS_SHOWN = 500
WRONG, RIGHT, THIS_WRONG = "wrong", "right", "this-wrong"
"""The last one of two runs: the one whose answers are shown is wrong, whatever the other says."""
APART = "apart"
OUTCOME_KEYS = ("both-right", "only-first", "only-second", "same-mistake", "different-mistakes")
"""How `OUTCOMES` are called in an address."""
SUREST, LEAST_SURE, AS_IT_IS = "the surest first", "the least sure first", "as in the dataset"
ORDERS = (SUREST, LEAST_SURE, AS_IT_IS)

@dataclass(frozen=True)
class View:
    """What the page shows: one run, or two on their common videos. side: place of the one whose
    answers the matrix and the filters are about."""

    runs: tuple[Run, ...]
    pair: Pair | None = None
    side: int = 0

    @property
    def run(self) -> Run:
        return self.runs[self.side]

    @property
    def names(self) -> list[str]:
        return run_names(self.runs)


@dataclass(frozen=True)
class Choice:
    """Which videos to list. true, predicted: names of categories or `ANY`; outcome: key of
    `outcomes`; sure: least and most confidence in per cent; search: words of a video's name."""

    true: str = ANY
    predicted: str = ANY
    outcome: str = EVERY
    sure: tuple[int, int] = (0, 100)
    search: str = ""
    order: str = SUREST


def view(run: Run, other: Run | None, side: int = 0) -> View:
    """Raises RecordError for two runs that cannot be compared."""
    if other is None:
        return View((run,))
    both = pair(run, other)
    return View((both.first, both.second), both, side)


def outcomes(seen: View) -> dict[str, str]:
    """What `Choice.outcome` may be, in words; the first is where the page begins."""
    if seen.pair is None:
        return {WRONG: "wrong", RIGHT: "right", EVERY: "all"}
    first, second = seen.names
    told = [
        text.replace("the first", first).replace("the second", second) for text in OUTCOMES
    ]
    return {
        APART: "different answers",
        **dict(zip(OUTCOME_KEYS, told, strict=True)),
        THIS_WRONG: f"{seen.names[seen.side]} wrong",
        EVERY: "all",
    }


def select(seen: View, choice: Choice) -> Array:
    """Places of the chosen videos within the runs, in the order to list them."""
    run = seen.run
    of = {name: index for index, name in enumerate(run.classes)}
    kept = np.ones(len(run.row), bool)
    if choice.true != ANY:
        kept &= run.label == of[choice.true]
    if choice.predicted != ANY:
        kept &= run.predicted == of[choice.predicted]
    if choice.outcome in (WRONG, RIGHT, THIS_WRONG):
        kept &= run.correct == (choice.outcome == RIGHT)
    elif seen.pair is not None and choice.outcome == APART:
        kept &= seen.pair.first.predicted != seen.pair.second.predicted
    elif seen.pair is not None and choice.outcome in OUTCOME_KEYS:
        kept &= seen.pair.outcome == OUTCOME_KEYS.index(choice.outcome)
    low, high = choice.sure
    # Whole percentages: 100 takes in what rounds up to it.
    kept &= (run.confidence >= low / 100) & ((run.confidence <= high / 100) | (high == 100))
    wanted = choice.search.casefold().split()
    places = np.flatnonzero(kept)
    if wanted:
        names = [str(run.video[place]).casefold() for place in places]
        places = places[[all(word in name for word in wanted) for name in names]]
    if choice.order == AS_IT_IS:
        return places
    sure = run.confidence[places]
    return np.asarray(places[np.argsort(sure if choice.order == LEAST_SURE else -sure,
                                        kind="stable")])


def sizes(classes: int) -> tuple[str, ...]:
    """How many of the categories a matrix may show."""
    return (*(size for size in SIZES if int(size) < classes), EVERY)


def default_size(classes: int) -> str:
    return EVERY if classes <= SMALL else DEFAULT_SIZE


def shown_categories(
    confusion: Array, classes: Sequence[str], size: str, search: str
) -> list[int]:
    """Categories of a matrix: all as they come, or those of the most confused pairs.

    With a search, those whose name has every word of it, then what they are confused with most;
    none where no name has.
    """
    most = len(classes) if size == EVERY else int(size)
    wanted = search.casefold().split()
    if not wanted:
        every = range(len(classes))
        return list(every) if most >= len(classes) else most_confused(confusion, most)
    found = [
        index for index, name in enumerate(classes)
        if all(word in name.casefold() for word in wanted)
    ][:most]
    near = np.zeros(len(classes), bool)
    near[found] = True
    own = np.where(near[:, None] | near, confusion, 0)
    for each in confused_pairs(own, both_directions=True) if found else ():
        for category in (each.true, each.predicted):
            if category not in found and len(found) < min(most, int(SIZES[1])):
                found.append(category)
    return found


def picked(event: Any) -> Sequence[Any] | None:
    """What belongs to the mark that was clicked in a figure."""
    points = (event or {}).get("selection", {}).get("points", [])
    found = [point["customdata"] for point in points if point.get("customdata")]
    return found[0] if found else None
