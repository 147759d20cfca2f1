"""Attributions of predictions, their reliability, and the effect of single blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import numpy as np

from dsanet_core.records.base import Array, Record, require
from dsanet_core.records.model import Model, Protocol
from dsanet_core.records.video import Video

Method = Literal["integrated_gradients", "grad_cam", "occlusion", "ablation"]
METHODS: tuple[Method, ...] = get_args(Method)
METHOD_NAMES: dict[Method, str] = {
    "integrated_gradients": "Integrated gradients",
    "grad_cam": "Grad-CAM",
    "occlusion": "Occlusion of space-time tubes",
    "ablation": "Ablation of snippets and frames",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Attribution(Record):
    """Contribution of every part of a network's input to a category's logit.

    Explained is the category's logit: at video level the mean over the views, or that of one
    snippet (its mean over the views that hold it).
    category: class index. snippet: index, None at video level.
    maps: (views, frames, h, w) float32, in logits: positive supports the category, negative
    opposes it. frames are all frames of a view in order (`Analysis.frames_of_view`); h x w covers
    the view's crop on the method's own grid (Grad-CAM: the features' own; ablation: 1 x 1).
    score, baseline_score: explained logit of the video, and of the same with everything absent
    (`baseline`: its description). seconds: wall time.
    """

    video: Video
    model: Model
    protocol: Protocol
    method: Method
    category: int
    snippet: int | None
    maps: Array
    score: float
    baseline_score: float
    baseline: str
    seconds: float

    def __post_init__(self) -> None:
        require(self.method in METHODS, f"method {self.method!r}")
        require(0 <= self.category < len(self.model.classes), f"category {self.category}")
        snippets = self.protocol.sampling.num_snippets
        require(self.snippet is None or 0 <= self.snippet < snippets, f"snippet {self.snippet}")
        expected = (self.protocol.num_views, self.protocol.frames_per_view)
        require(self.maps.ndim == 4 and self.maps.size > 0, f"maps {self.maps.shape}")
        require(self.maps.shape[:2] == expected, f"maps {self.maps.shape}; expected {expected}")
        require(bool(np.isfinite(self.maps).all()), "maps are not finite")

    @property
    def per_frame(self) -> Array:
        """(snippets, frames) share of each frame in the explained logit: its map summed, averaged
        over the crops of its view; of the views that do not see it nothing."""
        sampling = self.protocol.sampling
        sums = self.maps.sum((2, 3), dtype=np.float64)                      # (views, frames)
        sums = sums.reshape(len(sums), self.protocol.group_size, sampling.frames_per_snippet)
        shares = np.zeros((sampling.num_snippets, sampling.frames_per_snippet))
        np.add.at(shares, self.protocol.snippet_of_view, sums)
        explained = len(sums) if self.snippet is None else self.protocol.num_crops
        return np.asarray(shares / explained)

    @property
    def per_snippet(self) -> Array:
        """(snippets,) share of each snippet in the explained logit."""
        return np.asarray(self.per_frame.sum(1))

    @property
    def completeness_error(self) -> float:
        """|sum of all shares - (score - baseline_score)| over |score - baseline_score|; 0 for a
        method whose shares add up to the difference (Sundararajan et al., 2017, Proposition 1)."""
        difference = self.score - self.baseline_score
        return float(abs(self.per_frame.sum() - difference) / max(abs(difference), 1e-12))


@dataclass(frozen=True, eq=False, repr=False)
class Faithfulness(Record):
    """Insertion and deletion curves of an attribution (Petsiuk et al., 2018), random orders beside.

    shares: (steps,) of the parts that are absent (deletion) or present (insertion), 0 to 1.
    deletion, insertion: (steps,) probability of the category, most important parts first.
    random_deletion, random_insertion: (orders, steps) the same in random orders of the parts.
    parts: what was taken away or put back at once, in words.
    """

    shares: Array
    deletion: Array
    insertion: Array
    random_deletion: Array
    random_insertion: Array
    parts: str

    def __post_init__(self) -> None:
        steps = len(self.shares)
        require(steps > 1, f"{steps} steps")
        for name in ("deletion", "insertion"):
            require(getattr(self, name).shape == (steps,), f"{name} {getattr(self, name).shape}")
        for name in ("random_deletion", "random_insertion"):
            actual = getattr(self, name).shape
            require(len(actual) == 2 and actual[1] == steps, f"{name} {actual}")

    @property
    def gain(self) -> float:
        """Area under insertion minus area under deletion, -1 to 1: larger is better."""
        return float(np.trapezoid(self.insertion - self.deletion, self.shares))

    @property
    def random_gains(self) -> Array:
        """(orders,) the same of the random orders."""
        difference = self.random_insertion - self.random_deletion
        return np.asarray(np.trapezoid(difference, self.shares, axis=1))


class Rate(NamedTuple):
    """Success rate over a number of videos, and the rate by chance."""

    rate: float
    videos: int
    chance: float


@dataclass(frozen=True)
class Trust:
    """Reliability of a method's maps for a network, measured on videos with known truth.

    dataset: which. pointing: the map's highest place lies on an object of the class
    (pointing game, Zhang et al., 2018); chance: a random place. timing: the most important frame or
    snippet lies within an event of the category; chance: a random one. gain, random_gain: mean of
    `Faithfulness.gain` and of random orders. sanity: mean rank correlation of the map with that of
    the same network with random weights (Adebayo et al., 2018): near 0 is sound, 1 is a method
    that does not look at the network. None: not measurable (a 1 x 1 map points nowhere).
    """

    model: str
    weights_sha256: str
    method: Method
    dataset: str
    pointing: Rate | None
    timing: Rate | None
    gain: float
    random_gain: float
    gain_videos: int
    sanity: float
    sanity_videos: int

    @property
    def is_offered(self) -> bool:
        """Better than random orders: what is not is not offered."""
        return self.gain > self.random_gain


@dataclass(frozen=True, eq=False, repr=False)
class Effects(Record):
    """Block ablation of one prediction: probabilities of a category unchanged, and with each block
    neutral in turn.

    category: class index. before: probability with every block as it is. blocks: dotted names of
    the DSA or SDA modules, from the input on; changes: in words, what was done to each; after:
    (blocks,) probability then; answers: (blocks,) class index that is the best then.
    """

    category: int
    before: float
    blocks: tuple[str, ...]
    changes: tuple[str, ...]
    after: Array
    answers: Array

    def __post_init__(self) -> None:
        count = len(self.blocks)
        require(len(self.changes) == count, f"{len(self.changes)} changes of {count} blocks")
        for name in ("after", "answers"):
            require(getattr(self, name).shape == (count,), f"{name} {getattr(self, name).shape}")

    @property
    def drop(self) -> Array:
        """(blocks,) probability that the block adds; negative where it opposes the category."""
        return np.asarray(self.before - self.after)


@dataclass(frozen=True, eq=False, repr=False)
class RunEffects(Record):
    """Block ablation over the videos of a run, by category.

    blocks, changes: as of `Effects`. videos: (classes,) how many were tried. before: (classes,)
    accuracy with every block as it is; after: (classes, blocks) with that block made neutral;
    drop: (classes, blocks) mean fall of the true category's probability. NaN without videos.
    """

    blocks: tuple[str, ...]
    changes: tuple[str, ...]
    videos: Array
    before: Array
    after: Array
    drop: Array
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        classes, blocks = len(self.videos), len(self.blocks)
        require(self.before.shape == (classes,), f"before {self.before.shape}")
        for name in ("after", "drop"):
            actual = getattr(self, name).shape
            require(actual == (classes, blocks), f"{name} {actual}; expected {(classes, blocks)}")

    def over_videos(self, values: Array) -> Array:
        """(classes, ...) means per category -> (...) over all videos, each counted once."""
        known = np.flatnonzero(self.videos)  # a category without videos has no mean
        return np.asarray(self.videos[known] / self.videos.sum() @ values[known])
