"""A network's test protocol and identity, and the similarity of a video to its training data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dsanet_core.records.base import Array, require
from dsanet_core.records.video import Sampling

SNIPPET_MIXING = {
    "average": "scores averaged",
    "dsa": "features joined by DSA, scores averaged",
    "4d": "features joined by 4D convolutions, scores averaged",
    "sda": "features gated by SDA over all frames, scores averaged",
    "shift": "features shifted between frames, scores averaged",
    "3d": "features joined by 3D convolutions over all frames, scores averaged",
}
"""Combination of a view's snippets into its scores; only with "average" are they independent."""
PRECISIONS = ("float32", "bfloat16", "float16")
"""Number formats of a network's computation; the 16-bit ones by autocast."""


@dataclass(frozen=True)
class Protocol:
    """Conversion of a video to network input: everything that a reported number depends on.

    group_size: snippets that one forward aggregates (U). With more snippets than that they form
    num_snippets / group_size interleaved groups (group i has snippets i, i+G, i+2G, ...), whose
    scores are averaged (DSANet, section 4.2: 8 snippets, groups of 4).
    resize: short side in pixels; crop: square side; num_crops: 1 (centre) or 3 along the long
    side; resolution: side of the network's input, to which the crops are resized (None: as they
    are); mean, std: per RGB channel on the 0-1 scale. precision: dtype the network ran in.
    """

    sampling: Sampling
    group_size: int
    num_crops: int
    resize: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    precision: str = "float32"
    resolution: int | None = None

    def __post_init__(self) -> None:
        count = self.sampling.num_snippets
        require(self.group_size >= 1, f"group_size is {self.group_size}")
        require(
            count % self.group_size == 0, f"{count} snippets do not divide by {self.group_size}"
        )
        require(self.num_crops in (1, 3), f"num_crops is {self.num_crops}; expected 1 or 3")
        require(0 < self.crop <= self.resize, f"crop {self.crop} of resize {self.resize}")
        require(self.side > 0, f"resolution {self.resolution}")
        require(
            self.precision in PRECISIONS, f"precision {self.precision!r}; one of {PRECISIONS}"
        )

    @property
    def side(self) -> int:
        """Height and width of the network's input, in pixels."""
        return self.crop if self.resolution is None else self.resolution

    @property
    def num_groups(self) -> int:
        return self.sampling.num_snippets // self.group_size

    @property
    def num_views(self) -> int:
        """Forwards per video: groups x crops."""
        return self.num_groups * self.num_crops

    @property
    def view_shape(self) -> tuple[int, int, int, int, int, int]:
        """(1, U, 3, T, H, W): network input of one view."""
        return (1, self.group_size, 3, self.sampling.frames_per_snippet, self.side, self.side)

    @property
    def snippet_word(self) -> str:
        """"snippet", or "frame" for snippets of a single frame."""
        return "frame" if self.sampling.frames_per_snippet == 1 else "snippet"

    @property
    def frames_per_view(self) -> int:
        """Frames that one forward sees."""
        return self.group_size * self.sampling.frames_per_snippet

    @property
    def snippet_of_view(self) -> Array:
        """(views, group_size) index of the snippet at each place; crops vary slowest."""
        groups = np.arange(self.sampling.num_snippets).reshape(self.group_size, -1).T
        return np.tile(groups, (self.num_crops, 1))

    def describe(self) -> str:
        """One line for captions: snippets x frames x stride, grouping, crops, size, precision."""
        s = self.sampling
        snippets = f"{s.num_snippets} snippet{'s' if s.num_snippets > 1 else ''}"
        shown = f"{snippets} x {s.frames_per_snippet} frames, stride {s.frame_stride}"
        if s.frames_per_snippet == 1:
            shown = f"{s.num_snippets} single frame{'s' if s.num_snippets > 1 else ''}"
        groups = f" in {self.num_groups} interleaved groups of {self.group_size}"
        return (
            f"{shown}{groups if 1 < self.group_size < s.num_snippets else ''}; "
            f"{'centre crop' if self.num_crops == 1 else '3 crops'} {self.crop}x{self.crop} of "
            f"short side {self.resize}"
            f"{f', resized to {self.side}x{self.side}' if self.side != self.crop else ''}; "
            f"{self.precision}"
        )


@dataclass(frozen=True)
class Model:
    """Identity of the network behind an analysis.

    weights: file name, or "random". trained_on: the training domain in words, "" if unknown.
    params: number of parameters; macs: multiply-adds of one view (group_size snippets, one crop).
    consensus: how snippets meet before their scores are averaged, a key of `SNIPPET_MIXING`.
    """

    name: str
    weights: str
    weights_sha256: str
    trained_on: str
    classes: tuple[str, ...]
    params: int
    macs: int
    consensus: str


@dataclass(frozen=True)
class Familiarity:
    """Similarity of a video to the training data of the weights.

    score: negative Mahalanobis-type or energy score, higher is more familiar; threshold: videos
    below it are marked. true_rate: fraction of validation videos at or above the threshold.
    """

    method: str
    score: float
    threshold: float
    true_rate: float

    @property
    def is_familiar(self) -> bool:
        return self.score >= self.threshold
