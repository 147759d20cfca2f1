"""The analysis of one video by one model, with the kernels and gates captured on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from dsanet_core.records.base import Array, Record, best_of, require
from dsanet_core.records.model import Familiarity, Model, Protocol
from dsanet_core.records.video import Video

Aggregation = Literal["avg", "sec"]


@dataclass(frozen=True, eq=False, repr=False)
class Kernel(Record):
    """The dynamic kernels one DSA block made for a video (DSANet, Eq. 2).

    block: dotted name of the DSA module. values: (views, channels, taps), the taps of a channel
    sum to 1; tap l of L weighs the snippet at offset l - (L - 1) / 2 within its group.
    channels_total: channels of the block's features, of which the leading ones are aggregated.
    """

    block: str
    values: Array
    channels_total: int

    def __post_init__(self) -> None:
        require(self.values.ndim == 3, f"kernel values {self.values.shape}")
        off = float(np.abs(self.values.sum(-1) - 1).max())
        require(off < 1e-3, f"taps of {self.block} sum to 1 within {off:.2g}; expected 1e-3")

    @property
    def distance_to_identity(self) -> float:
        """Mean total-variation distance to the kernel that keeps every snippet as it is; 0 to 1."""
        identity = np.zeros(self.values.shape[-1])
        identity[len(identity) // 2] = 1
        return float(np.abs(self.values - identity).sum(-1).mean() / 2)

    @property
    def distance_to_average(self) -> float:
        """Mean total-variation distance to equal taps (plain averaging); 0 to 1 - 1/L."""
        return float(np.abs(self.values - 1 / self.values.shape[-1]).sum(-1).mean() / 2)


@dataclass(frozen=True, eq=False, repr=False)
class Selection(Record):
    """Dependency selection of one SDA block for a video, and the resulting gate (SDA, Eqs. 2 to 8).

    block: dotted name of the SDA module. dependencies: their names (M). aggregation: "avg" (Eq. 5)
    or "sec" (Eqs. 6 and 7). weights: (views, M), sum to 1. energy: (views, M) mean square of each
    dependency's response over its channels and its own grid.
    gate: (views, T, h, w) mean over channels of the factors of the block's feature, 0 to 1, T all
    frames of a view in order. average_gate: the gate of the same block and input under equal
    weights. responses: per dependency (views, t, h, w) mean over channels, on its own grid: 1x1x1
    for LST, 1 x h x w for LT, T x 1 x 1 for LS, T x h/2 x w/2 for S122.
    """

    block: str
    dependencies: tuple[str, ...]
    aggregation: Aggregation
    weights: Array
    energy: Array
    gate: Array
    average_gate: Array
    responses: tuple[Array, ...]

    def __post_init__(self) -> None:
        require(self.weights.ndim == 2 and self.weights.size > 0, f"weights {self.weights.shape}")
        views, count = self.weights.shape
        require(len(self.dependencies) == count, f"{count} weights of {self.dependencies}")
        require(self.aggregation in ("avg", "sec"), f"aggregation {self.aggregation!r}")
        low, off = float(self.weights.min()), float(np.abs(self.weights.sum(-1) - 1).max())
        require(low >= 0, f"weight {low:.2g} of {self.block}")
        require(off < 1e-3, f"weights of {self.block} sum to 1 within {off:.2g}; expected 1e-3")
        require(self.energy.shape == self.weights.shape, f"energy {self.energy.shape}")
        sound = bool((np.isfinite(self.energy) & (self.energy >= 0)).all())
        require(sound, f"energy of {self.block} is negative or not finite")
        require(self.gate.ndim == 4 and self.gate.size > 0, f"gate {self.gate.shape}")
        require(len(self.gate) == views, f"gates of {len(self.gate)} views; expected {views}")
        same = self.average_gate.shape == self.gate.shape
        require(same, f"average_gate {self.average_gate.shape}; expected {self.gate.shape}")
        for gate in (self.gate, self.average_gate):
            inside = bool(((gate >= 0) & (gate <= 1)).all())
            require(inside, f"gate of {self.block} outside 0..1")
        require(len(self.responses) == count, f"{len(self.responses)} responses of {count}")
        for name, response in zip(self.dependencies, self.responses, strict=True):
            fits = response.ndim == 4 and response.size > 0 and len(response) == views
            fits = fits and all(np.less_equal(response.shape, self.gate.shape))
            require(fits, f"response {response.shape} of {name} for a gate {self.gate.shape}")
            require(bool(np.isfinite(response).all()), f"response of {name} is not finite")

    @property
    def centred_weights(self) -> Array:
        """(views, M) weights minus their average 1/M, as SDA draws them (section 4.5, footnote 2):
        0 is the share that plain averaging gives."""
        return np.asarray(self.weights - 1 / self.weights.shape[-1])

    @property
    def gate_change(self) -> Array:
        """(views,) mean absolute difference that selecting makes to the gate, 0 to 1."""
        difference = self.gate.astype(np.float64) - self.average_gate
        return np.asarray(np.abs(difference).mean((1, 2, 3)))


@dataclass(frozen=True, eq=False, repr=False)
class Analysis(Record):
    """Prediction of one network for one video, with what was captured inside. Opens without torch.

    frame_index, pts_seconds: (snippets, frames) of the frames of each snippet.
    thumbnails: (snippets, frames, h, w, 3) uint8.
    snippet_scores: (snippets, classes) softmax of each snippet's own logits, averaged over crops.
    video_scores: (classes,) the prediction: softmax per view, averaged over views.
    seconds: wall time of the steps ("decode", "transform", "network").
    changes: edits of the video or the network, in words; none as a rule.
    """

    video: Video
    model: Model
    protocol: Protocol
    frame_index: Array
    pts_seconds: Array
    thumbnails: Array
    snippet_scores: Array
    video_scores: Array
    kernels: tuple[Kernel, ...] = ()
    familiarity: Familiarity | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    selections: tuple[Selection, ...] = ()
    changes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sampling = self.protocol.sampling
        frames = (sampling.num_snippets, sampling.frames_per_snippet)
        classes = len(self.model.classes)
        for name, shape in (
            ("frame_index", frames),
            ("pts_seconds", frames),
            ("snippet_scores", (sampling.num_snippets, classes)),
            ("video_scores", (classes,)),
        ):
            actual = getattr(self, name).shape
            require(actual == shape, f"{name} is {actual}; expected {shape}")
        shape, dtype = self.thumbnails.shape, self.thumbnails.dtype
        require(dtype == np.uint8, f"thumbnails are {dtype}; expected uint8")
        fits = len(shape) == 5 and shape[:2] == frames and shape[4] == 3
        require(fits, f"thumbnails are {shape}; expected {frames} pictures of RGB")
        scores = np.concatenate([self.snippet_scores.ravel(), self.video_scores])
        finite = bool(np.isfinite(scores).all())
        require(finite and scores.min() >= 0, "scores must be finite probabilities")
        expected = (self.protocol.num_views, self.protocol.frames_per_view)
        for selection in self.selections:
            actual = selection.gate.shape[:2]
            require(actual == expected, f"gate is {actual} in views and frames; not {expected}")

    def frames_of_view(self, per_snippet: Array, view: int) -> Array:
        """Frames in the order in which a view shows them to the network.

        per_snippet: (snippets, frames, ...), such as `thumbnails` or `pts_seconds`; (T, ...) comes
        back, T all frames of the view.
        """
        chosen = per_snippet[self.protocol.snippet_of_view[view]]
        return np.asarray(chosen.reshape(-1, *chosen.shape[2:]))

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k best (category, probability) of the video, best first."""
        return best_of(self.model.classes, self.video_scores, k)
