"""How often answers are right: top-k, mean average precision, and which category is which class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dsanet_core.errors import DatasetError
from dsanet_core.records import Array


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
    """How well scores (videos, categories) rank the videos of each category: bool labels of the
    same shape, any number of categories a video.

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
