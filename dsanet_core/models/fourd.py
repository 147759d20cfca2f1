"""Residual 4D convolution: V4D (Zhang et al., ICLR 2020), the video-level network that DSANet is
measured against (Tables 2a, 2i, 3 to 6)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.insert import chosen_blocks, insert_after, norms


class FourDConvolution(nn.Module):
    """x + BN(conv(x)) with a convolution over snippets and frames, kernel (U, T, H, W) 3x3x1x1.

    The normalisation starts at zero: a network with ImageNet weights starts as it would be without.
    """

    def __init__(self, channels: int, num_snippets: int = 4) -> None:
        super().__init__()
        self.num_snippets = num_snippets
        # (U, T, H*W) are the three axes of a 3D convolution whose kernel is 1 on the last.
        self.conv = nn.Conv3d(channels, channels, (3, 3, 1), padding=(1, 1, 0), bias=False)
        self.bn = nn.BatchNorm3d(channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.bn.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N*U, C, T, H, W), n-major, in and out."""
        if x.shape[0] % self.num_snippets:
            raise ModelError(
                f"4D convolution on {x.shape[0]} snippets",
                f"a multiple of {self.num_snippets}",
                "Fold clips and snippets into the first dimension, clip by clip.",
            )
        folded = torch.unflatten(x, 0, (-1, self.num_snippets))     # (N, U, C, T, H, W)
        folded = folded.transpose(1, 2).flatten(4)                  # (N, C, U, T, H*W)
        mixed: Tensor = self.bn(self.conv(folded))
        return x + mixed.transpose(1, 2).reshape(x.shape)


def insert_4d(
    network: VideoNetwork, *, stages: Iterable[int] = (3, 4), num_snippets: int = 4
) -> None:
    """Put one residual 4D convolution after each of the stages, in place: `<last block>.fourd`."""
    for stage in stages:
        last = list(chosen_blocks(network, [stage]))[-1]
        channels = norms(last)[-1].num_features
        insert_after(last, last, "fourd", FourDConvolution(channels, num_snippets))
    network.num_snippets = num_snippets
