"""Modules that the papers compare with: SE, V4D's 4D convolution, GST's grouped convolution.

Temporal shift: TSM (Lin et al., ICCV 2019), the 2D backbone of both papers.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.insert import ALL_STAGES, chosen_blocks, insert, norm_channels
from dsanet_core.models.resnet import Bottleneck


class SqueezeExcitation(nn.Module):
    """Squeeze-and-Excitation (Hu et al., CVPR 2018) on video: rescales every channel by a gate made
    of the channels' global averages over (T, H, W). The comparison of DSANet, Table 2h."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.excite = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) in and out."""
        gate: Tensor = self.excite(x.mean((2, 3, 4)))  # (B, C)
        return x * gate[:, :, None, None, None]


def insert_se(
    network: nn.Module, *, stages: Iterable[int] = (3, 4), every: int = 2, reduction: int = 16
) -> None:
    """Put SE where DSA stands by default, before the second convolution of every second block of
    res3 and res4, in place: "SE module to replace the DSA module" (DSANet, Table 2h)."""
    for block in chosen_blocks(network, stages, every):
        insert(block, "before2", "se", SqueezeExcitation(norm_channels(block, 1), reduction))


class FourDConvolution(nn.Module):
    """Residual 4D convolution of V4D (Zhang et al., ICLR 2020; DSANet, Tables 2a, 2i, 3 to 6):
    x + BN(conv(x)) with a convolution over snippets and frames, kernel (U, T, H, W) 3x3x1x1.

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
        channels = norm_channels(last, 3 if isinstance(last, Bottleneck) else 2)
        insert(last, "after_sum", "fourd", FourDConvolution(channels, num_snippets))
    network.num_snippets = num_snippets


class GroupedConvolution(nn.Module):
    """Grouped spatial-temporal aggregation, GST (Luo and Yuille, ICCV 2019; SDA, Tables 3 to 5): a
    3x3 convolution split in two groups. The first half of the input channels gives 3/4 of the
    output with a 1x3x3 kernel, the second half 1/4 with a 3x3x3 kernel."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.split = half
        steps = (1, stride, stride)
        self.spatial = nn.Conv3d(
            half, channels - quarter, (1, 3, 3), steps, padding=(0, 1, 1), bias=False
        )
        self.temporal = nn.Conv3d(half, quarter, 3, steps, padding=1, bias=False)
        for conv in (self.spatial, self.temporal):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, T, H / stride, W / stride)."""
        static = self.spatial(x[:, : self.split])
        return torch.cat([static, self.temporal(x[:, self.split :])], dim=1)


def group_convolutions(network: nn.Module) -> None:
    """Replace the 3x3 convolution of every bottleneck by a grouped one, in place."""
    for block in chosen_blocks(network, ALL_STAGES):
        if not isinstance(block, Bottleneck) or not isinstance(block.conv2, nn.Conv3d):
            raise ModelError(
                f"GST in a {type(block).__name__}", "a plain bottleneck", "Use depth 50 or 101."
            )
        conv = block.conv2
        block.add_module("conv2", GroupedConvolution(conv.out_channels, conv.stride[-1]))


class TemporalShift(nn.Module):
    """Moves the first C // div channels one frame back in time, the next C // div one frame forth.

    (B, C, T, H, W) in and out; what comes from outside the T frames is zero. No parameters.
    """

    def __init__(self, div: int = 8) -> None:
        super().__init__()
        if div < 2:
            raise ModelError(f"div {div}", "at least 2", "Use 8, as the paper.")
        self.div = div

    def forward(self, x: Tensor) -> Tensor:
        fold = x.shape[1] // self.div
        out = x.clone()
        out[:, : 2 * fold] = 0
        out[:, :fold, :-1] = x[:, :fold, 1:]
        out[:, fold : 2 * fold, 1:] = x[:, fold : 2 * fold, :-1]
        return out

    def extra_repr(self) -> str:
        return f"1/{self.div} of the channels each way"


def insert_shift(network: nn.Module, *, div: int = 8) -> None:
    """Shift the input of the residual branch of every block ("residual shift"), in place.

    Networks with 23 blocks or more in res4 (ResNet-101) shift every second block of each stage,
    the first one included (`n_round` of the authors' code).
    """
    deep = len(list(chosen_blocks(network, [4]))) >= 23
    for stage in ALL_STAGES:
        blocks = list(chosen_blocks(network, [stage]))
        for block in blocks[:: 2 if deep else 1]:
            insert(block, "before1", "shift", TemporalShift(div))
