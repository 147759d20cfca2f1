"""Grouped spatial-temporal aggregation: GST (Luo and Yuille, ICCV 2019), a baseline of SDA's
Tables 3 to 5."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.models.insert import ALL_STAGES, chosen_blocks
from dsanet_core.models.resnet import Bottleneck


class GroupedConvolution(nn.Module):
    """A 3x3 convolution split in two groups: the first half of the input channels gives 3/4 of the
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
