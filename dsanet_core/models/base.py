"""What every network of the zoo has in common: snippets in, one answer per clip out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.hooks import HookPoint

STATISTICS = ("mean", "deviation", "change")


def _unrounded(device: torch.device) -> AbstractContextManager[object]:
    """No autocast, for what small differences decide."""
    known = torch.amp.is_autocast_available(device.type)  # not on "meta"
    return torch.autocast(device.type, enabled=False) if known else nullcontext()


def channel_statistics(x: Tensor) -> Tensor:
    """(S, C, T, H, W) -> (S, C, 3): mean and standard deviation over a snippet, and the mean
    absolute change from frame to frame (0 for a single frame)."""
    x = x.float()
    mean = average_places(x).mean(1)                                        # (S, C)
    apart = x - mean[:, :, None, None, None]
    deviation = average_places(apart.square_()).mean(1).sqrt_()
    change = torch.zeros_like(mean)
    if x.shape[2] > 1:
        change = average_places((x[:, :, 1:] - x[:, :, :-1]).abs_()).mean(1)
    return torch.stack([mean, deviation, change], -1)


def average_places(x: Tensor) -> Tensor:
    """(S, C, T, H, W) -> (S, T, C), in float32 at least."""
    return mean_of_rows(x.permute(0, 2, 3, 4, 1).flatten(2, 3))             # of (S, T, H*W, C)


def mean_of_rows(x: Tensor) -> Tensor:
    """(..., P, C) -> (..., C), in float32 at least, also under autocast.

    As a product with ones, which for rows that lie together is up to ten times faster than a mean
    on a CPU.
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    ones = x.new_full((*x.shape[:-2], 1, x.shape[-2]), 1 / x.shape[-2])
    with _unrounded(x.device):
        return (ones @ x).squeeze(-2)


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
        with _unrounded(clips.device):  # else rounding chooses between categories that are close
            scores = self.fc(self.dropout(features).to(self.fc.weight.dtype))
        scores = self.hook_snippet_scores(scores)                         # (N, U, classes)
        video_scores: Tensor = scores.mean(1)                             # (N, classes)
        return video_scores
