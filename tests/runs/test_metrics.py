"""How often answers are right, counted another way."""

from __future__ import annotations

import numpy as np
import pytest

from dsanet_core.errors import DatasetError
from dsanet_core.runs.metrics import label_ranks, match_categories, mean_average_precision


def test_categories_match_in_spite_of_case_and_underscores() -> None:
    classes = ("Arm wrestling", "salsa dancing")
    np.testing.assert_array_equal(
        match_categories(["salsa_dancing", "arm wrestling", "Salsa  Dancing"], classes), [1, 0, 1]
    )
    with pytest.raises(DatasetError, match=r"1 categories are unknown .* first 'yoga'"):
        match_categories(["salsa dancing", "yoga", "yoga"], classes)


def test_the_rank_of_a_label_is_its_place_in_a_sorted_list() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (200, 7)) / 4  # many ties
    labels = rng.integers(0, 7, 200)
    for row, label, rank in zip(scores, labels, label_ranks(scores, labels), strict=True):
        assert rank == sorted(range(7), key=lambda index: (-row[index], index)).index(label)


def loops(scores: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """Interpolated average precision in words: walk down the ranking of a category; each of its
    videos counts with the best precision from there on."""
    precisions, left_out = [], 0
    for category in range(scores.shape[1]):
        ranking = sorted(range(len(scores)), key=lambda row: (-scores[row, category], row))
        hits = [bool(labels[row, category]) for row in ranking]
        if not any(hits):
            left_out += 1
            continue
        precision = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(len(hits))]
        at_hits = [max(precision[rank:]) for rank, hit in enumerate(hits) if hit]
        precisions.append(sum(at_hits) / len(at_hits))
    return sum(precisions) / len(precisions), left_out


def test_mean_average_precision_is_what_plain_loops_give() -> None:
    rng = np.random.default_rng(0)
    for share in (0.05, 0.3, 0.9):
        scores = rng.integers(0, 30, (60, 8)) / 30  # with ties
        labels = rng.random((60, 8)) < share  # several labels a video
        labels[:, 3] = False
        found = mean_average_precision(scores, labels)
        mean, left_out = loops(scores, labels)
        assert found.mean == pytest.approx(mean, abs=1e-12)
        assert found.left_out == left_out >= 1


def test_mean_average_precision_of_known_rankings() -> None:
    labels = np.array([[True], [False], [False], [True]])
    ranked = np.array([[4.0], [3.0], [2.0], [1.0]])
    assert mean_average_precision(ranked, labels).mean == pytest.approx((1 + 2 / 4) / 2)
    # Interpolated: a video ranked second counts with the 2 of 3 right that follow.
    later = np.array([[3.0], [4.0], [1.0], [2.0]])
    assert mean_average_precision(later, labels).mean == pytest.approx(2 / 3)
    assert mean_average_precision(labels * 1.0, labels) == (1.0, 0)
    assert mean_average_precision(np.eye(3), np.eye(3, dtype=bool)) == (1.0, 0)


def test_labels_that_do_not_fit_the_scores_are_refused() -> None:
    for labels in (np.ones((3, 4), bool), np.ones(3, bool), np.zeros((3, 2), bool)):
        with pytest.raises(ValueError, match="expected equal shapes"):
            mean_average_precision(np.zeros((3, 2)), labels)
