"""Orders of categories: what stands together, and that the same run is always ordered alike."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest

from dsanet_core.records import Array
from dsanet_core.runs.statistics import NO_GROUP, by_group, by_similarity, group_of


def path_length(vectors: Array, order: Array) -> float:
    """Sum of the distances between neighbours."""
    return sum(float(np.linalg.norm(vectors[a] - vectors[b])) for a, b in pairwise(order))


def test_similar_categories_become_neighbours() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 9.0]])
    kind = rng.permutation(np.repeat([0, 1, 2], 7))
    vectors = centres[kind] + 0.1 * rng.normal(size=(21, 2))
    ordered = kind[by_similarity(vectors)]
    assert int((np.diff(ordered) != 0).sum()) == 2, "each kind stands together"


def test_points_on_a_line_come_in_their_order_from_the_lower_index_on() -> None:
    places = np.array([3.0, 0.5, 7.0, 1.1, 5.2, 2.1])
    order = by_similarity(places[:, None])
    assert list(places[order]) in (sorted(places), sorted(places, reverse=True))
    assert order[0] < order[-1]


def test_of_the_orders_that_the_tree_allows_the_shortest_is_taken() -> None:
    # Two tight pairs: the tree allows their four turns, and no order that parts a pair.
    vectors = np.array([[0.0, 0.0], [1.0, 0.0], [6.0, 1.0], [6.0, 2.2]])
    allowed = [
        order for order in permutations(range(4)) if set(order[:2]) in ({0, 1}, {2, 3})
    ]
    shortest = min(path_length(vectors, np.array(order)) for order in allowed)
    assert path_length(vectors, by_similarity(vectors)) == pytest.approx(shortest)


def test_the_same_vectors_are_always_ordered_alike_ties_too() -> None:
    vectors = np.random.default_rng(1).integers(0, 2, (40, 3)).astype(float)
    first = by_similarity(vectors)
    assert sorted(first) == list(range(40))
    np.testing.assert_array_equal(first, by_similarity(vectors.copy()))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_categories_stay_as_they_come(count: int) -> None:
    np.testing.assert_array_equal(by_similarity(np.eye(3)[:count]), np.arange(count))


def test_categories_without_numbers_are_left_out() -> None:
    vectors = np.random.default_rng(2).random((6, 4))
    vectors[[1, 4]] = np.nan
    assert sorted(by_similarity(vectors)) == [0, 2, 3, 5]


def test_groups_come_as_they_are_named_and_categories_in_none_last() -> None:
    groups = {"late": ("d", "b"), "early": ("a", "d")}
    group = group_of(("a", "b", "c", "d"), groups)
    assert group == ("early", "late", NO_GROUP, "late"), "the first group of a category counts"
    assert list(by_group(group, groups)) == [1, 3, 0, 2]
