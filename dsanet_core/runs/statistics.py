"""Differences between runs that exceed chance, frequent confusions, and orders of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from dsanet_core.errors import RecordError
from dsanet_core.records import Array, Run

LEVEL = 0.95
RESAMPLES = 10_000

OUTCOMES = (
    "both right",
    "only the first right",
    "only the second right",
    "both wrong, same answer",
    "both wrong, different answers",
)
"""Outcomes of two networks on a video; `Pair.outcome` counts in this order."""


class Interval(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Two networks on the same videos, as shares of right answers.

    only_first, only_second: videos that only one got right (b and c of McNemar's table).
    first, second: accuracies, with Wilson's intervals. difference: first minus second, with the
    interval of a paired bootstrap. p_value: of McNemar's exact test. All intervals are at `LEVEL`.
    """

    videos: int
    first: float
    first_interval: Interval
    second: float
    second_interval: Interval
    difference: float
    difference_interval: Interval
    only_first: int
    only_second: int
    p_value: float


@dataclass(frozen=True)
class Pair:
    """Two runs, each cut down to the videos that both could read, in the same order; the second
    one's categories are counted as the first one does.

    first_alone, second_alone: how many videos only one of them could read.
    """

    first: Run
    second: Run
    first_alone: int = 0
    second_alone: int = 0

    @property
    def outcome(self) -> Array:
        """(videos,) index into `OUTCOMES`."""
        a, b = self.first.correct, self.second.correct
        same = self.first.predicted == self.second.predicted
        return np.select([a & b, a & ~b, ~a & b, same], [0, 1, 2, 3], default=4)

    def difference(self) -> Difference:
        return compare(self.first.correct, self.second.correct)

    def difference_per_group(self) -> dict[str, Difference]:
        """The same within each group of categories that has videos."""
        of = {name: index for index, name in enumerate(self.first.classes)}
        found = {}
        for group, members in self.first.groups.items():
            inside = np.isin(self.first.label, [of[name] for name in members if name in of])
            if inside.any():
                found[group] = compare(self.first.correct[inside], self.second.correct[inside])
        return found


class Confusion(NamedTuple):
    """Videos of category `true` that were taken for `predicted`: so many `mistaken` of all `videos`
    of that category. Where both directions stand together, both numbers hold both."""

    true: int
    predicted: int
    mistaken: int
    videos: int

    @property
    def share(self) -> float:
        return self.mistaken / self.videos


def pair(first: Run, second: Run) -> Pair:
    """Two runs of one dataset, video by video. Raises RecordError where they cannot be compared."""
    next_step = "Choose two runs of the same dataset, split and limit."
    if first.dataset_sha256 != second.dataset_sha256:
        raise RecordError(
            f"The two runs saw different datasets: {first.dataset!r} "
            f"(sha256 {first.dataset_sha256[:12]}…) and {second.dataset!r} "
            f"(sha256 {second.dataset_sha256[:12]}…)",
            "two runs over the same rows", next_step,
        )
    missing = [name for name in first.classes if name not in set(second.classes)]
    added = [name for name in second.classes if name not in set(first.classes)]
    if missing or added:
        raise RecordError(
            f"The two networks know different categories: {_some(missing)} only the first, "
            f"{_some(added)} only the second",
            "the same categories, in any order",
            "Choose two networks trained on the same categories.",
        )
    _, ours, theirs = np.intersect1d(
        first.row, second.row, assume_unique=True, return_indices=True
    )
    if not len(ours):
        raise RecordError(
            "There is no video that both runs could read",
            "at least one video in common", next_step,
        )
    ours_cut, theirs_cut = _cut(first, ours), _cut(_in_order_of(second, first.classes), theirs)
    unlike = int((ours_cut.label != theirs_cut.label).sum())
    if unlike:
        raise RecordError(
            f"The two runs give {unlike} of {len(ours)} videos different true categories",
            "the same annotation in both", "Run one of the two networks again.",
        )
    return Pair(ours_cut, theirs_cut, len(first.row) - len(ours), len(second.row) - len(ours))


def _cut(run: Run, places: Array) -> Run:
    """The run on some of its videos; what it says of all of them together is left out."""
    columns = ("row", "video", "label", "predicted", "confidence", "label_score", "label_rank")
    return replace(
        run, **{name: getattr(run, name)[places] for name in columns},
        mean_average_precision=float("nan"), selections=None, kernels=None,
    )


def _in_order_of(run: Run, classes: tuple[str, ...]) -> Run:
    """The run with its categories counted in another order."""
    place = {name: index for index, name in enumerate(classes)}
    of = np.array([place[name] for name in run.classes])
    return replace(
        run, model=replace(run.model, classes=classes), label=of[run.label],
        predicted=of[run.predicted], selections=None, kernels=None,
    )


def _some(names: Sequence[str], shown: int = 3) -> str:
    """The first few of some names."""
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(repr(name) for name in names[:shown]) + rest if names else "none"


def compare(first: Array, second: Array) -> Difference:
    """Accuracies of two networks that were right (videos,) bool on the same videos."""
    videos = len(first)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return Difference(
        videos=videos,
        first=float(first.mean()),
        first_interval=wilson(int(first.sum()), videos),
        second=float(second.mean()),
        second_interval=wilson(int(second.sum()), videos),
        difference=(only_first - only_second) / videos,
        difference_interval=bootstrap(only_first, only_second, videos),
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar(only_first, only_second),
    )


def wilson(hits: int, videos: int) -> Interval:
    """Interval of a share (Wilson, 1927); it stays within 0 to 1 and is one at few videos too."""
    from scipy.stats import binomtest

    found = binomtest(hits, videos).proportion_ci(LEVEL, method="wilson")
    return Interval(float(found.low), float(found.high))


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of McNemar's exact test: were the two equally often right alone, how often
    would chance part them at least so far? 1 where no video is between them."""
    from scipy.stats import binomtest

    if not only_first + only_second:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def bootstrap(
    only_first: int, only_second: int, videos: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Percentile interval of the difference of two accuracies, resampling videos in pairs.

    A resample's difference depends only on how many of its videos are of either kind, and those
    counts are multinomial: they are drawn at once instead of the videos, which is the same.
    """
    counts = np.array([only_first, only_second, videos - only_first - only_second])
    drawn = np.random.default_rng(seed).multinomial(videos, counts / videos, size=resamples)
    differences = (drawn[:, 0] - drawn[:, 1]) / videos
    low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def confused_pairs(confusion: Array, *, both_directions: bool) -> list[Confusion]:
    """Mistaken pairs of a (true, predicted) matrix of counts, the most frequent first.

    both_directions: a taken for b and b for a count as one, the more frequent direction named.
    """
    wrong = np.array(confusion)
    np.fill_diagonal(wrong, 0)
    videos = np.asarray(confusion.sum(1))
    counts = wrong + wrong.T if both_directions else wrong
    true, predicted = np.nonzero(counts)
    if both_directions:
        named = (wrong[true, predicted] > wrong[predicted, true]) | (
            (wrong[true, predicted] == wrong[predicted, true]) & (true < predicted)
        )
        true, predicted = true[named], predicted[named]
    total = videos[true] + (videos[predicted] if both_directions else 0)
    count = counts[true, predicted]
    order = np.lexsort((predicted, true, -count / total, -count))
    return [
        Confusion(*map(int, row))
        for row in zip(true[order], predicted[order], count[order], total[order], strict=True)
    ]


def most_confused(confusion: Array, most: int) -> list[int]:
    """Up to `most` categories, those of the most confused pairs first, partners side by side; then
    those that are left, those with videos first."""
    found: dict[int, None] = {}
    for each in confused_pairs(confusion, both_directions=True):
        for category in (each.true, each.predicted):
            if len(found) < most:
                found.setdefault(category)
    videos = confusion.sum(1)
    for category in sorted(range(len(confusion)), key=lambda index: not videos[index]):
        if len(found) < most:
            found.setdefault(category)
    return list(found)


NO_GROUP = ""
SIMILARITY = "average linkage of Euclidean distances, leaves in the optimal order"
"""Method of `by_similarity`, for captions."""


def group_of(classes: Sequence[str], groups: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The first group that each category belongs to, `NO_GROUP` for one in none."""
    found: dict[str, str] = {}
    for group, members in groups.items():
        for name in members:
            found.setdefault(name, group)
    return tuple(found.get(name, NO_GROUP) for name in classes)


def by_group(group: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Array:
    """Class indices, one group after the other as `groups` has them, those in none last; within a
    group as they come. group: of every class."""
    place = {name: index for index, name in enumerate(groups)}
    return np.argsort([place.get(name, len(place)) for name in group], kind="stable")


def by_similarity(vectors: Array) -> Array:
    """Class indices (those of finite vectors alone) such that neighbours resemble each other.

    vectors: (classes, values). Hierarchical clustering with average linkage of Euclidean distances;
    of the orders that its tree allows, the one with the smallest sum of distances between
    neighbours (Bar-Joseph et al., 2001), read from its end with the lower index.
    """
    from scipy.cluster import hierarchy  # takes 0.2 s to import
    from scipy.spatial.distance import pdist

    finite = np.flatnonzero(np.isfinite(vectors).all(1))
    if len(finite) < 3:
        return finite
    distances = pdist(vectors[finite])
    tree = hierarchy.linkage(distances, "average", optimal_ordering=True)
    leaves = finite[hierarchy.leaves_list(tree)]
    return np.asarray(leaves if leaves[0] < leaves[-1] else leaves[::-1])
