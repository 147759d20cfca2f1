"""Parts that the networks of the zoo share: the video-level network, layers, averages."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.hooks import HookPoint

Size = tuple[int, int, int]
"""Extents along (T, H, W)."""
STATISTICS = ("mean", "deviation", "change")


def size_of(x: Tensor) -> Size:
    """(T, H, W) of a feature (B, C, T, H, W)."""
    return x.shape[2], x.shape[3], x.shape[4]


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """No autocast, where small differences decide."""
    known = torch.amp.is_autocast_available(device.type)  # not on "meta"
    return torch.autocast(device.type, enabled=False) if known else nullcontext()


def wide(dtype: torch.dtype) -> torch.dtype:
    """The format to average and normalise in: float32 at least."""
    return torch.promote_types(dtype, torch.float32)


class WideSoftmax(nn.Softmax):
    """Softmax over the last axis in float32 at least: autocast on a CPU would round shares whose
    sum is 1."""

    def __init__(self) -> None:
        super().__init__(-1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, -1, dtype=wide(x.dtype))


def convolution(
    inputs: int, outputs: int, kernel: Size = (1, 1, 1), stride: int = 1
) -> nn.Conv3d:
    """A 3D convolution without bias that keeps T, and H, W with stride 1.

    kernel: odd extents. stride: of H and W.
    """
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), padding, bias=False)


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
    x = x.to(wide(x.dtype))
    ones = x.new_full((*x.shape[:-2], 1, x.shape[-2]), 1 / x.shape[-2])
    with without_autocast(x.device):
        return (ones @ x).squeeze(-2)


class VideoNetwork(nn.Module):
    """Scores each of the U snippets of a clip with shared weights and averages the scores (TSN).

    `encode` of a subclass turns each snippet into one feature vector; modules that let snippets
    see each other (DSA, SDA, a temporal shift) run in there.

    num_snippets: the U that aggregation modules inside were made for; None takes any U.
    appearance_points: hook points whose channel statistics describe the look of a video, whatever
    it shows; appearance_size: number of values they give together.
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
        with without_autocast(clips.device):  # rounding would choose between classes that are close
            scores = self.fc(self.dropout(features).to(self.fc.weight.dtype))
        scores = self.hook_snippet_scores(scores)                         # (N, U, classes)
        video_scores: Tensor = scores.mean(1)                             # (N, classes)
        return video_scores
