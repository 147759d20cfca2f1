"""Decoded frames to upright RGB pictures of one size. Runs in the child process."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from dsanet_core.video.limits import delivery_size


class Canvas:
    """Paints every frame in the size of the first one, reduced to the delivery size.

    display_size: (width, height) of the first frame, upright. size: the same of the pictures.
    rotation: degrees clockwise that the first frame was turned by.
    """

    display_size: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)
    rotation: int = 0

    def __init__(self) -> None:
        self._seen: list[tuple[int, int]] = []

    def paint(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """The frame as (height, width, 3) uint8 of `size`."""
        quarters = round(frame.rotation / 90) % 4  # counterclockwise
        upright = upright_size(frame)
        if not self._seen:
            self.display_size, self.size = upright, delivery_size(*upright)
            self.rotation = -90 * quarters % 360
        if upright not in self._seen:
            self._seen.append(upright)
        width, height = reversed(self.size) if quarters % 2 else self.size
        shrinks = width * height < frame.width * frame.height
        rgb = frame.reformat(
            width,
            height,
            "rgb24",
            interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
        ).to_ndarray()
        return np.ascontiguousarray(np.rot90(rgb, quarters), dtype=np.uint8)

    def notes(self) -> list[str]:
        notes = []
        if self.size != self.display_size:
            notes.append("frames reduced to {}x{} before preprocessing".format(*self.size))
        if len(self._seen) > 1:
            sizes = ", ".join(f"{width}x{height}" for width, height in self._seen)
            notes.append(f"the picture changes size on the way ({sizes})")
        return notes


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height of a frame as it is to be shown."""
    is_turned = round(frame.rotation / 90) % 2
    return (frame.height, frame.width) if is_turned else (frame.width, frame.height)
