"""A video and the frames of it that a network is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dsanet_core.records.base import Array, Record, require

ShortVideoPolicy = Literal["repeat_last", "loop"]


@dataclass(frozen=True)
class Video:
    """Facts about a video file, as its decoder found them.

    width, height: pixels as displayed, after rotation. fps: average frames per second.
    num_frames: frames on the timeline that was sampled from. num_frames_claimed: what the header
    says, None where it says nothing; a hint only. rotation: degrees already applied, clockwise.
    notes: readable remarks ("12 damaged packets skipped"), empty for a clean file.
    pixel_format: FFmpeg's name of it ("yuv420p"), "" if unknown.
    """

    name: str
    sha256: str
    container: str
    codec: str
    width: int
    height: int
    fps: float
    duration_seconds: float
    num_frames: int
    num_frames_claimed: int | None = None
    rotation: int = 0
    notes: tuple[str, ...] = ()
    pixel_format: str = ""

    def __post_init__(self) -> None:
        require(self.width > 0 and self.height > 0, f"video size {self.width}x{self.height}")
        require(self.fps > 0 and np.isfinite(self.fps), f"fps {self.fps}")
        require(self.num_frames > 0, f"{self.num_frames} frames")
        require(self.duration_seconds >= 0, f"duration {self.duration_seconds} s")


@dataclass(frozen=True)
class Sampling:
    """Choice of the frames of a video that a network is shown at test time.

    num_snippets snippets are spread evenly over the video, each of frames_per_snippet frames
    taken every frame_stride frames. policy: what stands in for frames past the end of a video
    shorter than a snippet: "repeat_last" (the last frame again) or "loop" (from the start).
    """

    num_snippets: int
    frames_per_snippet: int
    frame_stride: int
    policy: ShortVideoPolicy = "repeat_last"

    def __post_init__(self) -> None:
        for name in ("num_snippets", "frames_per_snippet", "frame_stride"):
            require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; expected >= 1")
        require(self.policy in ("repeat_last", "loop"), f"unknown policy {self.policy!r}")


@dataclass(frozen=True, eq=False, repr=False)
class Frames(Record):
    """Decoded frames. rgb: (F, H, W, 3) uint8; frame_index: (F,) places on the video's timeline,
    strictly increasing; pts_seconds: (F,) presentation times."""

    video: Video
    rgb: Array
    frame_index: Array
    pts_seconds: Array

    def __post_init__(self) -> None:
        require(self.rgb.ndim == 4 and self.rgb.shape[-1] == 3, f"rgb is {self.rgb.shape}")
        require(self.rgb.dtype == np.uint8, f"rgb is {self.rgb.dtype}; expected uint8")
        count = len(self.rgb)
        require(count > 0, "no frames")
        require(self.frame_index.shape == (count,), f"frame_index {self.frame_index.shape}")
        require(self.pts_seconds.shape == (count,), f"pts_seconds {self.pts_seconds.shape}")
        require(bool((np.diff(self.frame_index) > 0).all()), "frame_index must increase")


@dataclass(frozen=True, eq=False, repr=False)
class Clips(Record):
    """The snippets of one video: `position` (S, T) points into `frames` (row of `frames.rgb`)."""

    frames: Frames
    sampling: Sampling
    position: Array

    def __post_init__(self) -> None:
        expected = (self.sampling.num_snippets, self.sampling.frames_per_snippet)
        require(self.position.shape == expected, f"position {self.position.shape} not {expected}")
        last = len(self.frames.rgb) - 1
        inside = self.position.min() >= 0 and self.position.max() <= last
        require(bool(inside), f"position outside 0..{last}")

    @property
    def frame_index(self) -> Array:
        """(S, T) places of the snippets' frames on the video's timeline."""
        return np.asarray(self.frames.frame_index[self.position])

    @property
    def pts_seconds(self) -> Array:
        """(S, T) presentation times of the snippets' frames, in seconds."""
        return np.asarray(self.frames.pts_seconds[self.position])
