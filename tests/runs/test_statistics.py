"""McNemar, intervals, pairs of runs and pairs of categories, on numbers that can be checked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dsanet_core.errors import RecordError
from dsanet_core.records import Array, Run
from dsanet_core.runs.statistics import (
    OUTCOMES,
    bootstrap,
    compare,
    confused_pairs,
    mcnemar,
    most_confused,
    pair,
    wilson,
)
from tools.made_up_run import made_up_run

VIDEOS, CATEGORIES = 300, 6


@pytest.fixture(scope="module")
def runs() -> tuple[Run, Run]:
    return tuple(made_up_run(VIDEOS, CATEGORIES, 2, seed=seed) for seed in (0, 1))


def without(run: Run, rows: list[int]) -> Run:
    """The run with some rows unread."""
    kept = ~np.isin(run.row, rows)
    names = ("row", "video", "label", "predicted", "confidence", "label_score", "label_rank")
    return replace(run, **{name: getattr(run, name)[kept] for name in names})


def reordered(run: Run, order: Array) -> Run:
    """The same run of a network that knows the categories in another order."""
    classes = tuple(run.classes[index] for index in order)
    place = np.argsort(order)
    return replace(
        run, model=replace(run.model, classes=classes),
        label=place[run.label], predicted=place[run.predicted], selections=None,
    )


def test_mcnemar_of_the_textbook_table() -> None:
    # Two-sided binomial test: 2 * (C(16,0) + ... + C(16,4)) / 2^16.
    assert mcnemar(4, 12) == pytest.approx(2 * 2517 / 2**16)
    assert mcnemar(12, 4) == mcnemar(4, 12)


def test_mcnemar_without_discordant_videos_says_nothing() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0


def test_wilson_at_none_and_all_right_stays_within_bounds_and_is_wide() -> None:
    low, high = wilson(0, 10)
    assert low == pytest.approx(0.0, abs=1e-12) and high == pytest.approx(0.2775, abs=1e-4)
    low, high = wilson(10, 10)
    assert low == pytest.approx(0.7225, abs=1e-4) and high == pytest.approx(1.0, abs=1e-12)


def test_the_bootstrap_is_the_same_every_time_and_swaps_sign_with_the_networks() -> None:
    assert bootstrap(30, 12, 200) == bootstrap(30, 12, 200)
    low, high = bootstrap(30, 12, 200)
    other_low, other_high = bootstrap(12, 30, 200)
    assert low < (30 - 12) / 200 < high
    assert (other_low, other_high) == pytest.approx((-high, -low), abs=0.006)


def test_the_bootstrap_is_as_wide_as_theory_says() -> None:
    b, c, n = 900, 700, 20_000
    difference = (b - c) / n
    sigma = np.sqrt(((b + c) / n - difference**2) / n)
    low, high = bootstrap(b, c, n)
    assert low == pytest.approx(difference - 1.96 * sigma, abs=0.03 * sigma + 1 / n)
    assert high == pytest.approx(difference + 1.96 * sigma, abs=0.03 * sigma + 1 / n)


def test_networks_that_never_differ_have_an_interval_of_nothing() -> None:
    right = np.array([True, False, True])
    found = compare(right, right)
    assert found.difference == 0 and found.difference_interval == (0, 0)
    assert (found.only_first, found.only_second, found.p_value) == (0, 0, 1.0)


def test_a_comparison_holds_counts_accuracies_and_their_difference() -> None:
    first = np.array([1, 1, 1, 0, 0, 1], bool)
    second = np.array([1, 0, 0, 1, 0, 1], bool)
    found = compare(first, second)
    assert (found.videos, found.only_first, found.only_second) == (6, 2, 1)
    assert found.first == pytest.approx(4 / 6) and found.second == pytest.approx(3 / 6)
    assert found.difference == pytest.approx(found.first - found.second)
    assert found.first_interval == wilson(4, 6) and found.second_interval == wilson(3, 6)
    assert found.p_value == mcnemar(2, 1)


def test_outcomes_divide_the_videos_and_agree_with_both_runs(runs: tuple[Run, Run]) -> None:
    both = pair(*runs)
    a, b = runs
    counts = np.bincount(both.outcome, minlength=len(OUTCOMES))
    assert counts.sum() == VIDEOS and counts.min() > 0
    assert counts[0] + counts[1] == a.correct.sum()
    assert counts[0] + counts[2] == b.correct.sum()
    assert counts[3] == (~a.correct & ~b.correct & (a.predicted == b.predicted)).sum()
    difference = both.difference()
    assert (difference.only_first, difference.only_second) == (counts[1], counts[2])


def test_only_videos_that_both_runs_read_are_compared(runs: tuple[Run, Run]) -> None:
    a, b = without(runs[0], [0, 7, 8]), without(runs[1], [7, 299])
    both = pair(a, b)
    assert (both.first_alone, both.second_alone) == (1, 2)
    assert len(both.first.row) == VIDEOS - 4
    assert (both.first.row == both.second.row).all()
    assert (both.first.video == both.second.video).all()
    assert np.isnan(both.first.mean_average_precision), "it was of all videos"
    whole = pair(*runs)
    kept = ~np.isin(runs[0].row, [0, 7, 8, 299])
    assert (both.outcome == whole.outcome[kept]).all()


def test_another_order_of_the_categories_changes_nothing(runs: tuple[Run, Run]) -> None:
    order = np.random.default_rng(0).permutation(CATEGORIES)
    turned = pair(runs[0], reordered(runs[1], order))
    assert (turned.outcome == pair(*runs).outcome).all()
    assert (turned.second.predicted == runs[1].predicted).all()
    assert turned.second.classes == runs[0].classes


def test_runs_of_different_datasets_are_refused_by_name(runs: tuple[Run, Run]) -> None:
    other = replace(runs[1], dataset="another folder", dataset_sha256="1" * 64)
    with pytest.raises(RecordError, match="'another folder'"):
        pair(runs[0], other)


def test_networks_of_different_categories_are_refused(runs: tuple[Run, Run]) -> None:
    classes = (*runs[1].classes[:-1], "something else")
    other = replace(runs[1], model=replace(runs[1].model, classes=classes))
    with pytest.raises(RecordError, match="'something else' only the second"):
        pair(runs[0], other)


def test_runs_without_a_common_video_are_refused(runs: tuple[Run, Run]) -> None:
    rows = list(range(VIDEOS))
    with pytest.raises(RecordError, match="no video that both"):
        pair(without(runs[0], rows[:150]), without(runs[1], rows[150:]))


def test_rows_with_different_labels_are_refused(runs: tuple[Run, Run]) -> None:
    label = runs[1].label.copy()
    label[:2] = (label[:2] + 1) % CATEGORIES
    with pytest.raises(RecordError, match=f"2 of {VIDEOS} videos different true"):
        pair(runs[0], replace(runs[1], label=label))


def test_a_group_is_compared_on_its_own_videos(runs: tuple[Run, Run]) -> None:
    groups = pair(*runs).difference_per_group()
    assert list(groups) == ["even", "odd"]
    even = runs[0].label % 2 == 0
    assert groups["even"] == compare(runs[0].correct[even], runs[1].correct[even])
    assert groups["even"].videos + groups["odd"].videos == VIDEOS


CONFUSION = np.array([
    [5, 3, 0, 2],
    [4, 5, 1, 0],
    [0, 0, 9, 0],
    [0, 0, 0, 0],
])


def test_confused_pairs_one_direction_at_a_time() -> None:
    found = confused_pairs(CONFUSION, both_directions=False)
    assert found == [(1, 0, 4, 10), (0, 1, 3, 10), (0, 3, 2, 10), (1, 2, 1, 10)]
    assert found[0].share == 0.4


def test_confused_pairs_with_both_directions_name_the_more_frequent_one() -> None:
    found = confused_pairs(CONFUSION, both_directions=True)
    assert found == [(1, 0, 7, 20), (0, 3, 2, 10), (1, 2, 1, 19)]


def test_directions_as_frequent_as_each_other_stand_once() -> None:
    even = np.array([[1, 2], [2, 1]])
    assert confused_pairs(even, both_directions=True) == [(0, 1, 4, 6)]


def test_without_errors_there_are_no_pairs() -> None:
    for both_directions in (False, True):
        assert confused_pairs(np.diag([3, 4]), both_directions=both_directions) == []


def test_the_most_confused_categories_stand_beside_their_partners() -> None:
    assert most_confused(CONFUSION, 2) == [1, 0]
    assert most_confused(CONFUSION, 3) == [1, 0, 3]
    assert most_confused(CONFUSION, 9) == [1, 0, 3, 2]
    assert most_confused(np.diag([0, 3]), 2) == [1, 0]
