"""Orders in which the categories of a run are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dsanet_core.records import Array

NO_GROUP = ""
SIMILARITY = "average linkage of Euclidean distances, leaves in the optimal order"
"""How `by_similarity` clusters, in words."""


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
