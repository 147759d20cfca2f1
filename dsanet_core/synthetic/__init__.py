"""The embedded benchmark: short videos generated from a seed, with their ground truth.

In the spirit of Something-Something: classes are sentences about "something", independent of the
kind, place and speed of the object. The same seed gives the same bytes on any machine (integer
rendering, stable random bits).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsanet_core.synthetic.scene import Actor, Event, Scene, still
from dsanet_core.synthetic.scripts import TABLE

VERSION = 1
"""Increased whenever the same seed gives different bytes."""

NUM_FRAMES = 64
FPS = 16
NATIVE_SIZE = (72, 72)

CATEGORIES: tuple[str, ...] = tuple(row.name for row in TABLE)
GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(row.name for row in TABLE if row.group == group)
    for group in dict.fromkeys(row.group for row in TABLE)
}
GROUP_OF: tuple[str, ...] = tuple(row.group for row in TABLE)
"""Group of each class, by label."""


@dataclass(frozen=True)
class SyntheticVideo:
    """A video and its ground truth.

    rgb: (64, H, W, 3) uint8 at 16 frames per second. label: index into `CATEGORIES`.
    object_mask: (64, H, W) bool, visible pixels of the objects that define the class.
    events: with start and end as fractions of the video, in order of time.
    """

    seed: int
    index: int
    label: int
    rgb: NDArray[np.uint8]
    object_mask: NDArray[np.bool_]
    events: tuple[Event, ...]

    @property
    def category(self) -> str:
        return CATEGORIES[self.label]


def label_of(index: int) -> int:
    """Label of a video: classes take turns, so that any 25 consecutive videos are balanced."""
    return index % len(CATEGORIES)


def make_video(
    seed: int,
    index: int,
    *,
    size: tuple[int, int] = NATIVE_SIZE,
    frame_index: NDArray[Any] | None = None,
) -> SyntheticVideo:
    """Video number `index` of the benchmark with this seed, at a frame size (height, width).

    frame_index: render only these of the 64 frames; rgb and object_mask then have that many rows.
    Raises ValueError for a side under 16 pixels or a negative index.
    """
    if min(size) < 16 or index < 0:
        raise ValueError(f"size {size}, index {index}; expected sides >= 16 and index >= 0")
    from dsanet_core.synthetic.render import Painter  # needs OpenCV, the class names do not

    digest = hashlib.sha256(f"dsanet-lens {VERSION} {seed} {index}".encode()).digest()
    rng = Random(int.from_bytes(digest, "big"))
    label = label_of(index)
    scene = _with_clutter(TABLE[label].script(rng), rng)
    painter = Painter(scene, rng, size)
    wanted = range(NUM_FRAMES) if frame_index is None else [int(i) for i in frame_index]
    pictures = [painter.frame(i, i / (NUM_FRAMES - 1)) for i in wanted]
    objects = [n for n, actor in enumerate(scene.actors, start=1) if actor.role == "object"]
    return SyntheticVideo(
        seed=seed,
        index=index,
        label=label,
        rgb=np.stack([rgb for rgb, _ in pictures]),
        object_mask=np.stack([np.isin(owner, objects) for _, owner in pictures]),
        events=tuple(scene.events),
    )


def _with_clutter(scene: Scene, rng: Random) -> Scene:
    """Add small drifting objects behind a scene, and sometimes a bar in front of it."""
    behind = []
    for _ in range(rng.randrange(4)):
        size = still(rng.uniform(0.05, 0.10))
        tracks = []
        for _ in range(2):
            place = rng.uniform(-0.45, 0.45)
            tracks.append(((0.0, place), (1.0, place + rng.uniform(-0.10, 0.10))))
        colour = (rng.uniform(60, 200), rng.uniform(60, 200), rng.uniform(60, 200))
        shape = rng.choice(("round", "square", "triangle"))
        behind.append(Actor(shape, ((0.0, colour),), tracks[0], tracks[1], size, size,
                            still(rng.random()), role="distractor"))
    front = []
    if rng.random() < 0.4:
        shade = rng.uniform(30, 90)
        upright = rng.random() < 0.5
        thin, long = still(rng.uniform(0.03, 0.08)), still(3.0)
        beside = still(rng.uniform(-0.4, 0.4))
        front.append(Actor("box", ((0.0, (shade, shade, shade)),),
                           beside if upright else still(0.0), still(0.0) if upright else beside,
                           thin if upright else long, long if upright else thin,
                           role="occluder", rim=False))
    return Scene([*behind, *scene.actors, *front], scene.events)
