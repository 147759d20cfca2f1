"""Numbers of a run held against scikit-learn's, and its statistics against plain formulas.

The functions take labels and scores, wherever they come from: a record, or the shards of a run.
"""

from __future__ import annotations

from itertools import pairwise
from math import comb

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    recall_score,
    top_k_accuracy_score,
)

from dsanet_core.records import Array, Run
from dsanet_core.runs import mean_average_precision
from dsanet_core.runs.statistics import bootstrap, mcnemar
from tools.made_up_run import PROTOCOL, made_up_run

VIDEOS, CATEGORIES = 400, 7


def scores_and_labels(seed: int = 0) -> tuple[Array, Array]:
    """(videos, categories) probabilities and (videos,) labels; the last category has no video."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, CATEGORIES - 1, VIDEOS)
    logits = rng.normal(size=(VIDEOS, CATEGORIES))
    logits[np.arange(VIDEOS), label] += 1.5 * rng.random(VIDEOS)
    scores = np.exp(logits)
    return scores / scores.sum(1, keepdims=True), label


def run_of(scores: Array, label: Array) -> Run:
    """The record that a run of these scores gives."""
    own = scores[np.arange(len(label)), label]
    like = made_up_run(1, scores.shape[1], 1)
    return Run(
        id="a", dataset="b", dataset_sha256="0" * 64, model=like.model, protocol=PROTOCOL,
        protocol_in_words="", row=np.arange(len(label)),
        video=np.arange(len(label)).astype(str).astype(object), label=label,
        predicted=scores.argmax(1), confidence=scores.max(1), label_score=own,
        label_rank=(scores > own[:, None]).sum(1), mean_average_precision=0.0,
        groups={"first": like.classes[:3], "none": like.classes[-1:]},
    )


def check_run(run: Run, scores: Array, label: Array) -> None:
    """Everything a `Run` says of its videos, as scikit-learn sees (videos, classes) scores."""
    every = np.arange(scores.shape[1])
    predicted = scores.argmax(1)
    assert run.accuracy() == pytest.approx(accuracy_score(label, predicted))
    for k in (2, 5):
        assert run.accuracy(k) == pytest.approx(
            top_k_accuracy_score(label, scores, k=k, labels=every)
        )
    np.testing.assert_array_equal(
        run.confusion(), confusion_matrix(label, predicted, labels=every)
    )
    recall = recall_score(label, predicted, labels=every, average=None, zero_division=np.nan)
    np.testing.assert_allclose(run.accuracy_per_class(), recall)
    for group, share in run.accuracy_per_group().items():
        inside = np.isin(label, [run.classes.index(name) for name in run.groups[group]])
        assert share == pytest.approx(accuracy_score(label[inside], predicted[inside]))
    check_calibration(run, scores.max(1), predicted == label)


def check_calibration(run: Run, confidence: Array, right: Array, bins: int = 15) -> None:
    """Bins closed on the right, counted one by one; scikit-learn's `calibration_curve` leaves
    empty bins out and closes on the left, so that it is asked off the edges only."""
    from sklearn.calibration import calibration_curve

    found = run.calibration(bins)
    edges = np.linspace(0, 1, bins + 1)
    assert not np.isin(confidence, edges[1:-1]).any(), "on an edge the two definitions part"
    shares, means = calibration_curve(right, confidence, n_bins=bins)
    filled = found.videos > 0
    np.testing.assert_allclose(found.accuracy[filled], shares)
    np.testing.assert_allclose(found.confidence[filled], means, rtol=1e-6)
    assert np.isnan(found.accuracy[~filled]).all()
    error = sum(
        inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
        for low, high in pairwise(edges)
        if (inside := (confidence > low) & (confidence <= high)).any()
    )
    assert found.error == pytest.approx(error, rel=1e-6)
    assert found.videos.sum() == len(confidence)


def mean_interpolated_precision(scores: Array, label: Array) -> float:
    """ActivityNet's, from scikit-learn's curves, over the categories that have videos: at each
    recall the best precision there or further on. Needs scores without ties."""
    found = []
    for category in np.unique(label):
        # Recall falls along the curve, from 1 to 0; its last point is no measurement.
        precision, recall, _ = precision_recall_curve(label == category, scores[:, category])
        best = np.maximum.accumulate(precision[:-1])
        found.append(float((-np.diff(recall) * best).sum()))
    return float(np.mean(found))


def mcnemar_by_formula(only_first: int, only_second: int) -> float:
    """Twice the smaller tail of a fair coin, at most 1."""
    n = only_first + only_second
    tail = sum(comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**n)


def bootstrap_by_loop(first: Array, second: Array, resamples: int) -> tuple[float, float]:
    """Videos drawn with replacement, one resample after another."""
    rng = np.random.default_rng(99)
    differences = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(first), len(first))
        differences.append(first[drawn].mean() - second[drawn].mean())
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_says_of_its_videos_what_scikit_learn_says(seed: int) -> None:
    scores, label = scores_and_labels(seed)
    check_run(run_of(scores, label), scores, label)


def test_a_category_without_videos_has_no_accuracy_and_no_group() -> None:
    run = run_of(*scores_and_labels())
    assert np.isnan(run.accuracy_per_class()[-1])
    assert list(run.accuracy_per_group()) == ["first"]


def test_a_run_that_is_always_right_agrees_too() -> None:
    label = np.arange(50) % CATEGORIES
    scores = np.full((50, CATEGORIES), 0.1 / (CATEGORIES - 1))
    scores[np.arange(50), label] = 0.91
    run = run_of(scores, label)
    check_run(run, scores, label)
    assert run.accuracy() == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_mean_average_precision_is_that_of_scikit_learns_curves(seed: int) -> None:
    scores, label = scores_and_labels(seed)
    found = mean_average_precision(scores, label[:, None] == np.arange(CATEGORIES))
    assert found.mean == pytest.approx(mean_interpolated_precision(scores, label))
    # Interpolation only ever adds.
    plain = [average_precision_score(label == c, scores[:, c]) for c in np.unique(label)]
    assert found.mean > np.mean(plain) > 0.9 * found.mean


@pytest.mark.parametrize("counts", [(0, 1), (4, 12), (30, 12), (7, 7), (0, 40), (501, 480)])
def test_mcnemar_is_the_binomial_tail(counts: tuple[int, int]) -> None:
    assert mcnemar(*counts) == pytest.approx(mcnemar_by_formula(*counts), rel=1e-9)


def test_the_bootstrap_over_counts_is_the_bootstrap_over_videos() -> None:
    rng = np.random.default_rng(3)
    first = rng.random(500) < 0.7
    second = np.where(rng.random(500) < 0.3, rng.random(500) < 0.5, first)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    low, high = bootstrap(only_first, only_second, 500)
    naive_low, naive_high = bootstrap_by_loop(first, second, 4000)
    assert high - low > 0.03
    assert low == pytest.approx(naive_low, abs=0.003)
    assert high == pytest.approx(naive_high, abs=0.003)
