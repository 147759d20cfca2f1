"""What the generator itself says of mirrored pairs: the states that its scripts go through."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import groupby
from random import Random

import numpy as np
import pytest

from dsanet_core.synthetic import GROUPS, NUM_FRAMES
from dsanet_core.synthetic.scene import Scene, colour_at, value_at
from dsanet_core.synthetic.scripts import MIRROR_OF, MIRRORS, TABLE, Mirror

SCRIPTS = {row.name: row.script for row in TABLE}
REARRANGED = {
    "reverse_time": lambda states: states[::-1],
    "swap_halves": lambda states: states[NUM_FRAMES // 2 :] + states[: NUM_FRAMES // 2],
}


def states(scene: Scene) -> list[Hashable]:
    """Of every frame, in words that do not depend on place, size or speed: None in a transition."""
    moved = scene.actors[-1]  # the thing itself, or its cover
    times = np.linspace(0, 1, NUM_FRAMES)
    for track in (moved.x, moved.width):
        if len(track) > 1:
            low, high = min(v for _, v in track), max(v for _, v in track)
            if scene.actors[0] is not moved:  # whichever side the cover comes from
                thing = scene.actors[0].x[0][1]
                near = min((low, high), key=lambda end: abs(end - thing))
                ends = {low: "away", high: "away"} | {near: "on"}
            else:
                ends = {low: "low", high: "high"}
            return [ends.get(value_at(track, time)) for time in times]
    rest, one, two = (moved.colour[key][1] for key in (0, 1, 5))
    words = {rest: "rest"} | {c: "red" if c[0] > c[2] else "blue" for c in (one, two)}
    return [words.get(colour_at(moved.colour, time)) for time in times]


def story(sequence: list[Hashable]) -> list[Hashable]:
    """What comes after what."""
    return [state for state, _ in groupby(state for state in sequence if state is not None)]


def test_every_order_has_a_mirror_which_is_another_order() -> None:
    assert set(MIRROR_OF) == set(GROUPS["order"])
    for one, other in MIRROR_OF.items():
        assert MIRROR_OF[other] == one != other


@pytest.mark.parametrize("mirror", MIRRORS, ids=lambda mirror: mirror.categories[0])
@pytest.mark.parametrize("seed", range(4))
def test_rearranged_videos_tell_the_story_that_the_pair_says(mirror: Mirror, seed: int) -> None:
    for one, other in (mirror.categories, mirror.categories[::-1]):
        seen = states(SCRIPTS[one](Random(seed)))
        own, opposite = story(seen), story(states(SCRIPTS[other](Random(seed + 100))))
        assert own != opposite and len(own) in (3, 5)
        for way in mirror.turned_by:
            assert story(REARRANGED[way](seen)) == opposite
        for way in mirror.kept_by:
            assert story(REARRANGED[way](seen)) == own
