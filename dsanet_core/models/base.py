"""What every network of the zoo has in common: snippets in, one answer per clip out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.hooks import HookPoint

STATISTICS = ("mean", "deviation", "change")


def channel_statistics(x: Tensor) -> Tensor:
    """(S, C, T, H, W) -> (S, C, 3): mean and standard deviation over a snippet, and the mean
    absolute change from frame to frame (0 for a single frame)."""
    frames = x.float().permute(0, 2, 3, 4, 1).flatten(2, 3)                 # (S, T, H*W, C)
    mean = _average(frames)                                                 # (S, C)
    deviation = _average((frames - mean[:, None, None]).square_()).sqrt_()
    change = torch.zeros_like(mean)
    if frames.shape[1] > 1:
        change = _average((frames[:, 1:] - frames[:, :-1]).abs_())
    return torch.stack([mean, deviation, change], -1)


def _average(frames: Tensor) -> Tensor:
    """(S, T, P, C) -> (S, C), as a product with ones: ten times faster than a mean on a CPU."""
    places = frames.shape[2]
    ones = frames.new_full((*frames.shape[:2], 1, places), 1 / places)
    return (ones @ frames).mean((1, 2))


def _unrounded(device: torch.device) -> AbstractContextManager[object]:
    """No autocast: rounded logits would decide between categories that are close."""
    known = torch.amp.is_autocast_available(device.type)  # not on "meta"
    return torch.autocast(device.type, enabled=False) if known else nullcontext()


class VideoNetwork(nn.Module):
    """Scores each of the U snippets of a clip with shared weights and averages the scores (TSN).

    A subclass says in `encode` how each snippet becomes one feature vector; whatever lets snippets
    see each other (DSA, SDA, a temporal shift) happens in there.

    num_snippets: the U that aggregation modules inside were made for; None takes any U.
    appearance_points: hook points whose channel statistics tell how a video looks, whatever it
    shows; appearance_size: how many values they give together.
    spec: the zoo row this network was built from. weights: where its parameters came from.
    """

    num_snippets: int | None = None
    appearance_points: tuple[str, ...] = ()
    appearance_size: int = 0
    spec: Any = None
    weights: Any = None

    def __init__(self, feature_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(feature_channels, num_classes)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)
        self.hook_features = HookPoint("clip", "snippet", "channel")
        self.hook_snippet_scores = HookPoint("clip", "snippet", "class")

    def encode(self, clips: Tensor) -> Tensor:
        """(N, U, 3, T, H, W) -> (N, U, C) pooled features."""
        raise NotImplementedError

    def forward(self, clips: Tensor) -> Tensor:
        """(N, U, 3, T, H, W) -> (N, classes) video-level logits, the mean over snippets.

        Raises ModelError for another shape, or another U than the network aggregates.
        """
        if clips.ndim != 6 or clips.shape[2] != 3:
            raise ModelError(
                f"network input is {tuple(clips.shape)}",
                "(clips, snippets, 3, frames, height, width)",
                "Add the missing dimensions, e.g. clips[None] for a batch of one.",
            )
        num_snippets = clips.shape[1]
        if self.num_snippets not in (None, num_snippets):
            raise ModelError(
                f"a clip has {num_snippets} snippets",
                f"{self.num_snippets}, the number this network aggregates",
                "Group the snippets as the model's protocol says.",
            )
        features = self.hook_features(self.encode(clips))                   # (N, U, C)
        with _unrounded(clips.device):
            scores = self.fc(self.dropout(features).to(self.fc.weight.dtype))
        scores = self.hook_snippet_scores(scores)                         # (N, U, classes)
        video_scores: Tensor = scores.mean(1)                             # (N, classes)
        return video_scores
