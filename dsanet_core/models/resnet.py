"""Slow-only I3D ResNets: DSANet (Wu et al., 2021), Table 1.

Time is never strided or pooled. Temporal kernels of 3 stand in res4 and res5 only: on both
convolutions of a basic block, on the first (1x1) convolution of a bottleneck. Parameter names are
those of torchvision's 2D ResNets, so that ImageNet weights fit after inflation.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.hooks import HookPoint, name_hook_points
from dsanet_core.models.base import STATISTICS, VideoNetwork, channel_statistics


def _conv(inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1) -> nn.Conv3d:
    """Convolution of kernel (time, space) that keeps T and strides space only."""
    time, space = kernel
    return nn.Conv3d(
        inputs,
        outputs,
        (time, space, space),
        stride=(1, stride, stride),
        padding=(time // 2, space // 2, space // 2),
        bias=False,
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (ResNet-18), each of temporal size `time`."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int, time: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, planes, (time, 3), stride)
        self.bn1 = nn.BatchNorm3d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(planes, planes, (time, 3))
        self.bn2 = nn.BatchNorm3d(planes)
        self.downsample = _shortcut(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        out: Tensor = self.relu(x + shortcut)
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions (ResNet-50), the first of temporal size `time`."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int, time: int) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.conv1 = _conv(inputs, planes, (time, 1))
        self.bn1 = nn.BatchNorm3d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(planes, planes, (1, 3), stride)
        self.bn2 = nn.BatchNorm3d(planes)
        self.conv3 = _conv(planes, outputs, (1, 1))
        self.bn3 = nn.BatchNorm3d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        out: Tensor = self.relu(x + shortcut)
        return out


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_conv(inputs, outputs, (1, 1), stride), nn.BatchNorm3d(outputs))


Block = type[BasicBlock] | type[Bottleneck]
BLOCKS: dict[int, tuple[Block, tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    50: (Bottleneck, (3, 4, 6, 3)),
}
STAGE_TIME = (1, 1, 3, 3)  # temporal kernel size in res2, res3, res4, res5


class I3DResNet(VideoNetwork):
    """Slow-only I3D ResNet of depth 18 or 50; width: channels of the stem (64 in the paper)."""

    appearance_points = ("hook_stem", "hook_res2", "hook_res3")

    def __init__(
        self, depth: int, num_classes: int, *, width: int = 64, dropout: float = 0.5
    ) -> None:
        if depth not in BLOCKS:
            raise ModelError(f"depth {depth}", f"one of {sorted(BLOCKS)}", "Choose a listed depth.")
        block, counts = BLOCKS[depth]
        super().__init__(width * 8 * block.expansion, num_classes, dropout)
        self.conv1 = _conv(3, width, (1, 7), stride=2)
        self.bn1 = nn.BatchNorm3d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        inputs = width
        for index, (count, time) in enumerate(zip(counts, STAGE_TIME, strict=True)):
            planes = width * 2**index
            strides = [1 if index == 0 else 2] + [1] * (count - 1)
            blocks = []
            for stride in strides:
                blocks.append(block(inputs, planes, stride, time))
                inputs = planes * block.expansion
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        for name in ("stem", "res2", "res3", "res4", "res5"):
            point = HookPoint("snippet", "channel", "statistic", store=channel_statistics)
            self.add_module(f"hook_{name}", point)
        self.appearance_size = len(STATISTICS) * width * (1 + 3 * block.expansion)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        name_hook_points(self)

    def encode(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N*U, width, T, H/4, W/4)
        x = self.get_submodule("hook_stem")(x)
        for index in range(4):
            x = self.get_submodule(f"layer{index + 1}")(x)    # (N*U, C, T, H/32, W/32) at last
            x = self.get_submodule(f"hook_res{index + 2}")(x)
        pooled: Tensor = self.avgpool(x)
        return pooled.flatten(1)


def inflate_imagenet(network: nn.Module, state_dict_2d: Mapping[str, Tensor]) -> None:
    """Load the weights of a 2D ResNet of torchvision's names into its 3D counterpart (I3D).

    A 2D kernel is repeated over the kt taps in time and divided by kt, so that a video of equal
    frames gives the features of the frame (away from the zero padding in time). The classifier
    `fc` and whatever the 2D network does not have (DSA modules) keep their values.
    Raises CheckpointError if a backbone tensor is missing or does not fit.
    """
    inflated = {}
    for key, target in network.state_dict().items():
        if key.startswith("fc.") or ".dsa." in key:
            continue
        source, wanted = state_dict_2d.get(key), target.shape
        if target.ndim == 5:
            wanted = wanted[:2] + wanted[3:]
        if source is None or source.shape != wanted:
            found = "missing" if source is None else f"of shape {tuple(source.shape)}"
            raise CheckpointError(
                f"2D tensor {key!r} is {found}",
                f"{tuple(wanted)}",
                "Give the state dict of a torchvision ResNet of the same depth.",
            )
        if target.ndim == 5:
            source = source[:, :, None].expand_as(target) / target.shape[2]
        inflated[key] = source
    with torch.no_grad():
        network.load_state_dict(inflated, strict=False)
