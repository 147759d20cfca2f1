"""The runs, classes and videos that the page Errors shows. Pure functions of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.ui.run_text import has_words
from dsanet_core.figures.style import run_names
from dsanet_core.records import Array, Run
from dsanet_core.runs.statistics import Pair, confused_pairs, most_confused, pair

ANY = ""
"""Any class."""
ALL = "all"
MATRIX_SIZES = ("10", "20", "40")
DEFAULT_MATRIX_SIZE, MOST_CLASSES_SHOWN_WHOLE = "20", 30
"""Classes that a matrix shows by default; up to `MOST_CLASSES_SHOWN_WHOLE` it shows all."""
MOST_PARTNERS = 20
"""Classes that a search in the matrix fills up to."""
MOST_VIDEOS_LISTED = 500
WRONG, RIGHT, SHOWN_RUN_WRONG = "wrong", "right", "this-wrong"
"""`SHOWN_RUN_WRONG`: of two runs, the one whose predictions are shown is wrong."""
DIFFERENT = "apart"
OUTCOME_KEYS = ("both-right", "only-first", "only-second", "same-mistake", "different-mistakes")
"""Outcomes of two runs as an address names them, in the order of `Pair.outcome`."""
ORDERS = {
    "the surest first": "Highest confidence first",
    "the least sure first": "Lowest confidence first",
    "as in the dataset": "Dataset order",
}
"""Orders of the list of videos: name in an address -> label."""
HIGHEST_CONFIDENCE, LOWEST_CONFIDENCE, DATASET_ORDER = ORDERS


@dataclass(frozen=True)
class View:
    """One run, or two on their common videos. side: index of the run whose predictions the matrix
    and the filters are about."""

    runs: tuple[Run, ...]
    pair: Pair | None = None
    side: int = 0

    @property
    def run(self) -> Run:
        return self.runs[self.side]

    @property
    def names(self) -> list[str]:
        return run_names(self.runs)

    @property
    def name(self) -> str:
        return self.names[self.side]


@dataclass(frozen=True)
class Choice:
    """Filters of the list of videos. true, predicted: class names or `ANY`; outcome: key of
    `outcomes`; sure: least and greatest confidence, percent; search: words of a video's name."""

    true: str = ANY
    predicted: str = ANY
    outcome: str = ALL
    sure: tuple[int, int] = (0, 100)
    search: str = ""
    order: str = HIGHEST_CONFIDENCE


def make_view(run: Run, other: Run | None, side: int = 0) -> View:
    """Raises RecordError for two runs that cannot be compared."""
    if other is None:
        return View((run,))
    both = pair(run, other)
    return View((both.first, both.second), both, side)


def outcomes(view: View) -> dict[str, str]:
    """Values of `Choice.outcome` with their labels; the first is the default."""
    if view.pair is None:
        return {WRONG: "Incorrect", RIGHT: "Correct", ALL: "All"}
    first, second = view.names
    labels = (
        "Both correct", f"Only {first} correct", f"Only {second} correct",
        "Both incorrect, same prediction", "Both incorrect, different predictions",
    )
    return {
        DIFFERENT: "Models disagree",
        **dict(zip(OUTCOME_KEYS, labels, strict=True)),
        SHOWN_RUN_WRONG: f"{view.name} incorrect",
        ALL: "All",
    }


def select(view: View, choice: Choice) -> Array:
    """Indices of the chosen videos in the arrays of the runs, in the order to list them."""
    run = view.run
    class_index = {name: index for index, name in enumerate(run.classes)}
    chosen = np.ones(len(run.row), bool)
    if choice.true != ANY:
        chosen &= run.label == class_index[choice.true]
    if choice.predicted != ANY:
        chosen &= run.predicted == class_index[choice.predicted]
    if choice.outcome in (WRONG, RIGHT, SHOWN_RUN_WRONG):
        chosen &= run.correct == (choice.outcome == RIGHT)
    elif view.pair is not None and choice.outcome == DIFFERENT:
        chosen &= view.pair.first.predicted != view.pair.second.predicted
    elif view.pair is not None and choice.outcome in OUTCOME_KEYS:
        chosen &= view.pair.outcome == OUTCOME_KEYS.index(choice.outcome)
    low, high = choice.sure
    # Whole percentages: 100 includes what rounds up to it.
    chosen &= (run.confidence >= low / 100) & ((run.confidence <= high / 100) | (high == 100))
    indices = np.flatnonzero(chosen)
    if choice.search.strip():
        indices = indices[[has_words(choice.search, str(run.video[i])) for i in indices]]
    if choice.order == DATASET_ORDER:
        return indices
    sign = 1 if choice.order == LOWEST_CONFIDENCE else -1
    return np.asarray(indices[np.argsort(sign * run.confidence[indices], kind="stable")])


def matrix_sizes(classes: int) -> tuple[str, ...]:
    """Numbers of classes that a matrix may show, the default included."""
    return (*(size for size in MATRIX_SIZES if int(size) < classes), ALL)


def default_matrix_size(classes: int) -> str:
    return ALL if classes <= MOST_CLASSES_SHOWN_WHOLE else DEFAULT_MATRIX_SIZE


def matrix_classes(
    confusion: Array, classes: Sequence[str], size: str, search: str
) -> list[int]:
    """Classes of a matrix: all in their order, or those of the most confused pairs.

    With a search, the classes whose name has every word of it, then those they are confused with
    most; none where no name has.
    """
    most = len(classes) if size == ALL else int(size)
    if not search.strip():
        return list(range(len(classes))) if most >= len(classes) else most_confused(confusion, most)
    found = [index for index, name in enumerate(classes) if has_words(search, name)][:most]
    involved = np.zeros(len(classes), bool)
    involved[found] = True
    own = np.where(involved[:, None] | involved, confusion, 0)
    for each in confused_pairs(own, both_directions=True) if found else ():
        for index in (each.true, each.predicted):
            if index not in found and len(found) < min(most, MOST_PARTNERS):
                found.append(index)
    return found
