"""What one network says of one video."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dsanet_core.records.base import Array, Record, best_of, require
from dsanet_core.records.captures import Kernel, Selection
from dsanet_core.records.model import Familiarity, Model, Protocol
from dsanet_core.records.video import Video


@dataclass(frozen=True, eq=False, repr=False)
class Analysis(Record):
    """What one network says of one video, and on what grounds. Opens without torch.

    frame_index, pts_seconds: (snippets, frames) of what each snippet saw.
    thumbnails: (snippets, frames, h, w, 3) uint8.
    snippet_scores: (snippets, classes) softmax of each snippet's own logits, averaged over crops.
    video_scores: (classes,) the network's answer: softmax per view, averaged over views.
    seconds: wall time of the steps ("decode", "transform", "network").
    changes: what was done to video or network for this answer, in words; none as a rule.
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
