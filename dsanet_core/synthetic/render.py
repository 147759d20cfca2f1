"""Rendering a scene in integer arithmetic, which gives the same bytes on every machine."""

from __future__ import annotations

from random import Random
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dsanet_core.synthetic.scene import SHAPES, Actor, Scene, colour_at, unit_vector, value_at

Image = NDArray[np.uint8]

GRAIN = 72
"""Rows of the noise grid, independent of the frame size."""

_SUBPIXEL_BITS = 4
_PAN_UNITS = 16


def _random_bytes(rng: Random, *shape: int) -> Image:
    bits = np.random.PCG64(rng.getrandbits(64))
    count = int(np.prod(shape))
    words = np.asarray(bits.random_raw((count + 7) // 8), dtype="<u8")
    pixels: Image = words.view(np.uint8)[:count].reshape(shape)
    return pixels


def _resize(image: Image, height: int, width: int) -> Image:
    """Bit-exact linear interpolation (the plain mode depends on the processor)."""
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    return resized.astype(np.uint8, copy=False)


def _texture(rng: Random, height: int, width: int) -> Image:
    """(height, width, 3) coloured background of coarse patches and finer grain."""
    shade = rng.randint(70, 165)
    tint = [shade + rng.randint(-40, 40) for _ in range(3)]
    coarse = _resize(_random_bytes(rng, 6, 6, 3), height, width).astype(np.int32)
    fine = _resize(_random_bytes(rng, 26, 26, 1), height, width).astype(np.int32)
    strength = rng.randint(40, 80), rng.randint(20, 60)
    canvas = np.array(tint) + ((coarse - 128) * strength[0] >> 8)
    canvas += ((fine.reshape(height, width, 1) - 128) * strength[1]) >> 8
    texture: Image = np.clip(canvas, 20, 235).astype(np.uint8)
    return texture


class Painter:
    """Renders the frames of a scene, with changing light, camera pan and noise."""

    def __init__(self, scene: Scene, rng: Random, size: tuple[int, int]) -> None:
        self.scene = scene
        self.height, self.width = size
        self.scale = min(size)
        self._pan = tuple(rng.uniform(-0.10, 0.10) for _ in range(2))
        margin = -(-self.scale // 8)
        self._margin = margin
        self._canvas = _texture(rng, self.height + 2 * margin, self.width + 2 * margin)
        self._gain = rng.uniform(0.65, 1.2), rng.uniform(0.65, 1.2)
        self._noise_strength = rng.randint(6, 34)
        grain = GRAIN, round(GRAIN * self.width / self.height)
        self._noise = _random_bytes(rng, 4, *grain).astype(np.int16) - 128
        self._rolls = [(rng.randrange(4), rng.randrange(GRAIN), rng.randrange(GRAIN))
                       for _ in range(256)]

    def frame(self, index: int, time: float) -> tuple[Image, Image]:
        """(rgb (H, W, 3), owner (H, W)): owner is 0 for the background, i + 1 for actor i."""
        rgb = self._background(time)
        owner = np.zeros((self.height, self.width), np.uint8)
        for number, actor in enumerate(self.scene.actors, start=1):
            self._paint(rgb, owner, number, actor, time)
        return self._expose(rgb, index, time), owner

    def _background(self, time: float) -> Image:
        """The background in a slowly panning window, in steps of 1/16 pixel."""
        corner = []
        for shift in self._pan:
            units = round((self._margin + shift * self.scale * (time - 0.5)) * _PAN_UNITS)
            corner.append(divmod(units, _PAN_UNITS))
        (x, fx), (y, fy) = corner
        window = self._canvas[y : y + self.height + 1, x : x + self.width + 1].astype(np.uint16)
        rows = window[:-1] * (_PAN_UNITS - fy) + window[1:] * fy
        both = rows[:, :-1] * (_PAN_UNITS - fx) + rows[:, 1:] * fx
        background: Image = (both >> 8).astype(np.uint8)
        return background

    def _paint(self, rgb: Image, owner: Image, number: int, actor: Actor, time: float) -> None:
        width, height = value_at(actor.width, time), value_at(actor.height, time)
        if width <= 0.004 or height <= 0.004:
            return
        colour = colour_at(actor.colour, time)
        rim = min(0.016, 0.2 * min(width, height)) if actor.rim else 0.0
        layers = [(width, height, tuple(c * 0.45 for c in colour))] if rim else []
        layers.append((width - 2 * rim, height - 2 * rim, colour))
        x, y = value_at(actor.x, time), value_at(actor.y, time)
        cos, sin = unit_vector(value_at(actor.angle, time))
        for layer, (w, h, paint) in enumerate(layers):
            corners = [(x + px * w * cos - py * h * sin, y + px * w * sin + py * h * cos)
                       for px, py in SHAPES[actor.shape]]
            self._fill(rgb, owner, number if layer == 0 else 0, corners, paint)

    def _fill(self, rgb: Image, owner: Image, number: int, corners: list[tuple[float, float]],
              colour: tuple[float, ...]) -> None:
        """Blend an antialiased polygon; number > 0 also assigns its pixels to that actor."""
        pixels = np.array(corners) * self.scale + [self.width / 2 - 0.5, self.height / 2 - 0.5]
        left, top = np.maximum(np.floor(pixels.min(0)).astype(int) - 1, 0)
        right = min(int(np.ceil(pixels[:, 0].max())) + 2, self.width)
        bottom = min(int(np.ceil(pixels[:, 1].max())) + 2, self.height)
        if left >= right or top >= bottom:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        fixed = np.rint((pixels - [left, top]) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        region = rgb[top:bottom, left:right]
        weight: NDArray[Any] = mask[..., None].astype(np.int32)
        paint = np.array([min(max(round(c), 0), 255) for c in colour], np.int32)
        blended = region + (((paint - region) * weight + 127) // 255)
        rgb[top:bottom, left:right] = blended.astype(np.uint8)
        if number:
            owner[top:bottom, left:right][mask > 127] = number

    def _expose(self, rgb: Image, index: int, time: float) -> Image:
        """Apply brightness that changes over the video, and grain."""
        start, end = self._gain
        gain = round((start + (end - start) * time) * 256)
        plane, down, right = self._rolls[index % len(self._rolls)]
        grain = np.roll(self._noise[plane], (down, right), (0, 1)).astype(np.int32)
        grain = (grain * self._noise_strength) >> 8
        if grain.shape != (self.height, self.width):
            grain = _resize((grain + 128).astype(np.uint8), self.height, self.width) - np.int32(128)
        lit = (rgb.astype(np.int32) * gain >> 8) + grain[..., None]
        exposed: Image = np.clip(lit, 0, 255).astype(np.uint8)
        return exposed
