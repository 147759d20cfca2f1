"""Augmentation of a video: one random crop, mirroring and brightness for all its frames.

The random generator is seeded by (seed, epoch, row), so that a video is augmented identically in
every process or worker.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsanet_core.training.recipe import Crop, Recipe
from dsanet_core.zoo import ModelSpec

SCALES = (1.0, 0.875, 0.75, 0.66)
SHAPES = [(a, b) for i, a in enumerate(SCALES) for j, b in enumerate(SCALES) if abs(i - j) <= 1]
"""Height and width of TSN's multi-scale crops, as fractions of the short side."""
CROP_POSITIONS = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2), (2, 0), (2, 4), (4, 2), (0, 2),
          (1, 1), (1, 3), (3, 1), (3, 3))
"""Their positions, (down, across) in quarters of the remaining space."""
AREA_RANGE, ASPECT_RANGE, MAX_TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10
"""Inception's crop: fraction of the frame's area, width by height, draws before the central square
is used because none fitted."""


class Box(NamedTuple):
    """A rectangle of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Augmentation:
    """crop: rule for the random crop that becomes the network's input of `side` pixels; share: its
    side as a fraction of the short side, for "place". flip: mirror with probability 1/2. light:
    contrast is multiplied by 1 - light to 1 + light, and brightness shifted by up to as much, on
    the normalised scale."""

    crop: Crop
    side: int
    share: float
    flip: bool = False
    light: float = 0.0

    @classmethod
    def of(cls, recipe: Recipe, spec: ModelSpec) -> Augmentation:
        """The augmentation of a recipe for a network."""
        protocol = spec.protocol
        side = recipe.side or protocol.side
        return cls(recipe.crop, side, protocol.crop / protocol.resize, recipe.flip, recipe.light)

    def draw_light(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(2,) random gain and offset of the normalised frames."""
        gain, level = rng.uniform(1 - self.light, 1 + self.light, 2)
        return np.array([gain, level - 1], np.float32)

    def draw_box(self, rng: np.random.Generator, height: int, width: int) -> Box:
        """A random crop of frames of this size."""
        short = min(height, width)
        if self.crop == "area":
            return _area_box(rng, height, width)
        if self.crop == "scales":
            tall, wide = (int(short * scale) for scale in SHAPES[int(rng.integers(len(SHAPES)))])
            down, across = CROP_POSITIONS[int(rng.integers(len(CROP_POSITIONS)))]
            top, left = down * ((height - tall) // 4), across * ((width - wide) // 4)
            return Box(top, left, tall, wide)
        edge = round(short * self.share)
        top, left = (int(rng.integers(0, room + 1)) for room in (height - edge, width - edge))
        return Box(top, left, edge, edge)


def _area_box(rng: np.random.Generator, height: int, width: int) -> Box:
    for _ in range(MAX_TRIES):
        area = height * width * rng.uniform(*AREA_RANGE)
        aspect = np.exp(rng.uniform(*np.log(ASPECT_RANGE)))
        wide, tall = round(float((area * aspect) ** 0.5)), round(float((area / aspect) ** 0.5))
        if 0 < wide <= width and 0 < tall <= height:
            top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
            return Box(top, left, tall, wide)
    edge = min(height, width)
    return Box((height - edge) // 2, (width - edge) // 2, edge, edge)


def cut_out(
    frames: NDArray[np.uint8], position: NDArray[np.int64], box: Box, side: int, *, flip: bool
) -> Tensor:
    """(U, T, side, side, 3) uint8: the same crop of all frames, resized and mirrored.

    frames: (F, height, width, 3); position: (U, T) indices of frames. Unused frames are not
    processed.
    """
    rows, inverse = np.unique(position, return_inverse=True)
    inside = (rows, slice(box.top, box.top + box.height), slice(box.left, box.left + box.width))
    pictures = torch.from_numpy(frames[inside])                     # (F', h, w, 3)
    if pictures.shape[1:3] != (side, side):
        from torchvision.transforms.v2 import functional as tv

        planes = tv.resize(pictures.permute(0, 3, 1, 2), [side, side], antialias=True)
        pictures = planes.permute(0, 2, 3, 1)
    if flip:
        pictures = pictures.flip(2)
    return pictures[torch.from_numpy(inverse.reshape(position.shape))]


UNMIRRORED = -1


def mirrored_labels(classes: Sequence[str]) -> NDArray[np.int64]:
    """(classes,) label of the mirrored video of each class.

    "Left" and "right" are exchanged in the class name (on Something-Something these are the pairs
    that the SDA authors' main.py swaps: pulling, pushing and turning the camera). A name with left
    or right whose counterpart is no class gives `UNMIRRORED`: its videos are not mirrored.
    """
    index = {name.casefold(): label for label, name in enumerate(classes)}
    return np.array([
        index.get(_mirrored(name.casefold()), UNMIRRORED) for name in classes
    ], np.int64)


def _mirrored(name: str) -> str:
    other = {"left": "right", "right": "left"}
    return re.sub(r"(?<![a-z])(left|right)(?![a-z])", lambda found: other[found[0]], name)
