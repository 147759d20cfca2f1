"""The values the rooms hand to each other: frozen, numpy only, refusing nonsense when made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
ShortVideoPolicy = Literal["repeat_last", "loop"]
Aggregation = Literal["avg", "sec"]

CONSENSUS = {
    "average": "scores averaged",
    "dsa": "features joined by DSA, scores averaged",
    "4d": "features joined by 4D convolutions, scores averaged",
    "sda": "features gated by SDA over all frames, scores averaged",
    "shift": "features shifted between frames, scores averaged",
    "3d": "features joined by 3D convolutions over all frames, scores averaged",
}
"""How the snippets of a view become its scores; only with "average" does each stand alone."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


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
        _require(self.width > 0 and self.height > 0, f"video size {self.width}x{self.height}")
        _require(self.fps > 0 and np.isfinite(self.fps), f"fps {self.fps}")
        _require(self.num_frames > 0, f"{self.num_frames} frames")
        _require(self.duration_seconds >= 0, f"duration {self.duration_seconds} s")


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video a network is shown at test time.

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
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; expected >= 1")
        _require(self.policy in ("repeat_last", "loop"), f"unknown policy {self.policy!r}")


@dataclass(frozen=True)
class Frames:
    """Decoded frames. rgb: (F, H, W, 3) uint8; frame_index: (F,) places on the video's timeline,
    strictly increasing; pts_seconds: (F,) presentation times."""

    video: Video
    rgb: Array
    frame_index: Array
    pts_seconds: Array

    def __post_init__(self) -> None:
        _require(self.rgb.ndim == 4 and self.rgb.shape[-1] == 3, f"rgb is {self.rgb.shape}")
        _require(self.rgb.dtype == np.uint8, f"rgb is {self.rgb.dtype}; expected uint8")
        count = len(self.rgb)
        _require(count > 0, "no frames")
        _require(self.frame_index.shape == (count,), f"frame_index {self.frame_index.shape}")
        _require(self.pts_seconds.shape == (count,), f"pts_seconds {self.pts_seconds.shape}")
        _require(bool((np.diff(self.frame_index) > 0).all()), "frame_index must increase")


@dataclass(frozen=True)
class Clips:
    """The snippets of one video: `position` (S, T) points into `frames` (row of `frames.rgb`)."""

    frames: Frames
    sampling: Sampling
    position: Array

    def __post_init__(self) -> None:
        expected = (self.sampling.num_snippets, self.sampling.frames_per_snippet)
        _require(self.position.shape == expected, f"position {self.position.shape} not {expected}")
        last = len(self.frames.rgb) - 1
        inside = self.position.min() >= 0 and self.position.max() <= last
        _require(bool(inside), f"position outside 0..{last}")

    @property
    def frame_index(self) -> Array:
        """(S, T) places of the snippets' frames on the video's timeline."""
        return np.asarray(self.frames.frame_index[self.position])

    @property
    def pts_seconds(self) -> Array:
        """(S, T) presentation times of the snippets' frames, in seconds."""
        return np.asarray(self.frames.pts_seconds[self.position])


@dataclass(frozen=True)
class Protocol:
    """How a video became network input: everything that has to stand beside a number.

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
        _require(self.group_size >= 1, f"group_size is {self.group_size}")
        _require(
            count % self.group_size == 0, f"{count} snippets do not divide by {self.group_size}"
        )
        _require(self.num_crops in (1, 3), f"num_crops is {self.num_crops}; expected 1 or 3")
        _require(0 < self.crop <= self.resize, f"crop {self.crop} of resize {self.resize}")
        _require(self.side > 0, f"resolution {self.resolution}")

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
    consensus: how snippets meet before their scores are averaged, a key of `CONSENSUS`.
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
class Kernel:
    """The dynamic kernels one DSA block made for a video (DSANet, Eq. 2).

    block: dotted name of the DSA module. values: (views, channels, taps), the taps of a channel
    sum to 1; tap l of L weighs the snippet at offset l - (L - 1) / 2 within its group.
    channels_total: channels of the block's features, of which the leading ones are aggregated.
    """

    block: str
    values: Array
    channels_total: int

    def __post_init__(self) -> None:
        _require(self.values.ndim == 3, f"kernel values {self.values.shape}")
        off = float(np.abs(self.values.sum(-1) - 1).max())
        _require(off < 1e-3, f"taps of {self.block} sum to 1 within {off:.2g}; expected 1e-3")

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


@dataclass(frozen=True)
class Selection:
    """What one SDA block selected for a video, and the gate it made of it (SDA, Eqs. 2 to 8).

    block: dotted name of the SDA module. dependencies: their names (M). aggregation: "avg" (Eq. 5)
    or "sec" (Eqs. 6 and 7). weights: (views, M), sum to 1. energy: (views, M) mean square of each
    dependency's response over its channels and its own grid.
    gate: (views, T, h, w) mean over channels of what multiplies the block's feature, 0 to 1, T all
    frames of a view in order. average_gate: what the same block makes of the same input with equal
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
        _require(self.weights.ndim == 2 and self.weights.size > 0, f"weights {self.weights.shape}")
        views, count = self.weights.shape
        _require(len(self.dependencies) == count, f"{count} weights of {self.dependencies}")
        _require(self.aggregation in ("avg", "sec"), f"aggregation {self.aggregation!r}")
        low, off = float(self.weights.min()), float(np.abs(self.weights.sum(-1) - 1).max())
        _require(low >= 0, f"weight {low:.2g} of {self.block}")
        _require(off < 1e-3, f"weights of {self.block} sum to 1 within {off:.2g}; expected 1e-3")
        _require(self.energy.shape == self.weights.shape, f"energy {self.energy.shape}")
        sound = bool((np.isfinite(self.energy) & (self.energy >= 0)).all())
        _require(sound, f"energy of {self.block} is negative or not finite")
        _require(self.gate.ndim == 4 and self.gate.size > 0, f"gate {self.gate.shape}")
        _require(len(self.gate) == views, f"gates of {len(self.gate)} views; expected {views}")
        same = self.average_gate.shape == self.gate.shape
        _require(same, f"average_gate {self.average_gate.shape}; expected {self.gate.shape}")
        for gate in (self.gate, self.average_gate):
            inside = bool(((gate >= 0) & (gate <= 1)).all())
            _require(inside, f"gate of {self.block} outside 0..1")
        _require(len(self.responses) == count, f"{len(self.responses)} responses of {count}")
        for name, response in zip(self.dependencies, self.responses, strict=True):
            fits = response.ndim == 4 and response.size > 0 and len(response) == views
            fits = fits and all(np.less_equal(response.shape, self.gate.shape))
            _require(fits, f"response {response.shape} of {name} for a gate {self.gate.shape}")
            _require(bool(np.isfinite(response).all()), f"response of {name} is not finite")

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


@dataclass(frozen=True)
class Familiarity:
    """How much a video looks like the training data of the weights.

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


@dataclass(frozen=True)
class Analysis:
    """What one network says of one video, and on what grounds. Opens without torch.

    frame_index, pts_seconds: (snippets, frames) of what each snippet saw.
    thumbnails: (snippets, frames, h, w, 3) uint8.
    snippet_scores: (snippets, classes) softmax of each snippet's own logits, averaged over crops.
    video_scores: (classes,) the network's answer: softmax per view, averaged over views.
    seconds: wall time of the steps ("decode", "transform", "network").
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
            _require(actual == shape, f"{name} is {actual}; expected {shape}")
        _require(self.thumbnails.shape[:2] == frames, f"thumbnails {self.thumbnails.shape}")
        scores = np.concatenate([self.snippet_scores.ravel(), self.video_scores])
        finite = bool(np.isfinite(scores).all())
        _require(finite and scores.min() >= 0, "scores must be finite probabilities")
        expected = (self.protocol.num_views, self.protocol.frames_per_view)
        for selection in self.selections:
            actual = selection.gate.shape[:2]
            _require(actual == expected, f"gate is {actual} in views and frames; not {expected}")

    def frames_of_view(self, per_snippet: Array, view: int) -> Array:
        """Frames in the order in which a view shows them to the network.

        per_snippet: (snippets, frames, ...), such as `thumbnails` or `pts_seconds`; (T, ...) comes
        back, T all frames of the view.
        """
        chosen = per_snippet[self.protocol.snippet_of_view[view]]
        return np.asarray(chosen.reshape(-1, *chosen.shape[2:]))

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k best (category, probability) of the video, best first."""
        order = np.argsort(-self.video_scores, kind="stable")[:k]
        return [(self.model.classes[i], float(self.video_scores[i])) for i in order]
