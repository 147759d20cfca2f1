"""ResNets over video: 2D (TSN), slow-only I3D (DSANet, Wu et al., 2021, Table 1) and C3D.

All work on (batch, C, T, H, W) and never stride or pool time; they differ in where their temporal
kernels of 3 stand. Parameter names are those of torchvision's 2D ResNets, so that ImageNet weights
fit after inflation. DSA, SDA and others are inserted afterwards, into the slots of blocks.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.hooks import HookPoint, name_hook_points
from dsanet_core.models.base import (
    STATISTICS,
    VideoNetwork,
    average_places,
    channel_statistics,
    convolution,
)
from dsanet_core.models.insert import Slot

Temporal = Literal["none", "i3d", "c3d"]
"""Where temporal kernels of 3 stand. none: nowhere, a 2D network. i3d: in res4 and res5, on both
convolutions of a basic block, on the first (1x1) one of a bottleneck. c3d: on every 3x3."""
Axis = Literal["snippet", "clip"]
"""Frames along which temporal modules work. snippet: the T frames of one snippet. clip: all U*T
frames of a clip in order, as in networks whose snippets are single frames (TSM, SDA)."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (ResNet-18), of temporal sizes `times`."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int, times: tuple[int, int]) -> None:
        super().__init__()
        self.before1, self.before2, self.after2, self.after_sum = Slot(), Slot(), Slot(), Slot()
        self.conv1 = convolution(inputs, planes, (times[0], 3, 3), stride)
        self.bn1 = nn.BatchNorm3d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = convolution(planes, planes, (times[1], 3, 3))
        self.bn2 = nn.BatchNorm3d(planes)
        self.downsample = _make_shortcut(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, planes, T, H / stride, W / stride)."""
        shortcut = self.downsample(x)
        x = self.before1(x)                                    # DSA at position I, temporal shift
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.before2(x)                                    # DSA at position II, SE
        x = self.bn2(self.conv2(x))
        x = self.after2(x)                                     # DSA at III and IV, SDA
        x = self.relu(x + shortcut)
        out: Tensor = self.after_sum(x)                        # 4D convolution
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions (ResNet-50), the first two of temporal sizes `times`."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int, times: tuple[int, int]) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.before1, self.before2, self.after2 = Slot(), Slot(), Slot()
        self.before3, self.after3, self.after_sum = Slot(), Slot(), Slot()
        self.conv1 = convolution(inputs, planes, (times[0], 1, 1))
        self.bn1 = nn.BatchNorm3d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = convolution(planes, planes, (times[1], 3, 3), stride)
        self.bn2 = nn.BatchNorm3d(planes)
        self.conv3 = convolution(planes, outputs)
        self.bn3 = nn.BatchNorm3d(outputs)
        self.downsample = _make_shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, 4 planes, T, H / stride, W / stride)."""
        shortcut = self.downsample(x)
        x = self.before1(x)                                    # DSA at position I, temporal shift
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.before2(x)                                    # DSA at position II, SE
        x = self.bn2(self.conv2(x))
        x = self.relu(self.after2(x))                          # SDA
        x = self.before3(x)                                    # DSA at position III
        x = self.bn3(self.conv3(x))
        x = self.after3(x)                                     # DSA at position IV
        x = self.relu(x + shortcut)
        out: Tensor = self.after_sum(x)                        # 4D convolution
        return out


def _make_shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    if stride == 1 and inputs == outputs:
        return nn.Sequential()
    return nn.Sequential(convolution(inputs, outputs, stride=stride), nn.BatchNorm3d(outputs))


Block = type[BasicBlock] | type[Bottleneck]
BLOCKS: dict[int, tuple[Block, tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}


def _times(temporal: Temporal, stage: int, block: Block) -> tuple[int, int]:
    """Temporal kernel sizes of the first two convolutions of the blocks of a stage, 2 to 5."""
    basic = block is BasicBlock
    if temporal == "c3d":
        return (3, 3) if basic else (1, 3)
    if temporal == "i3d" and stage >= 4:
        return (3, 3) if basic else (3, 1)
    return 1, 1


class VideoResNet(VideoNetwork):
    """A ResNet over video. depth: 18, 50 or 101; width: channels of the stem (64 in the papers).

    temporal: where temporal kernels stand. axis: the frames they and inserted modules look along.
    """

    appearance_points = ("hook_stem", "hook_res2", "hook_res3")

    def __init__(
        self,
        depth: int,
        num_classes: int,
        *,
        temporal: Temporal,
        axis: Axis = "snippet",
        width: int = 64,
        dropout: float = 0.5,
    ) -> None:
        for name, value, known in (
            ("depth", depth, tuple(BLOCKS)),
            ("temporal", temporal, get_args(Temporal)),
            ("axis", axis, get_args(Axis)),
        ):
            if value not in known:
                raise ModelError(f"{name} {value!r}", f"one of {known}", "Choose a listed one.")
        block, counts = BLOCKS[depth]
        super().__init__(width * 8 * block.expansion, num_classes, dropout)
        self.axis = axis
        self.conv1 = convolution(3, width, (1, 7, 7), stride=2)
        self.bn1 = nn.BatchNorm3d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        inputs = width
        for index, count in enumerate(counts):
            planes = width * 2**index
            strides = [1 if index == 0 else 2] + [1] * (count - 1)
            times = _times(temporal, index + 2, block)
            blocks = []
            for stride in strides:
                blocks.append(block(inputs, planes, stride, times))
                inputs = planes * block.expansion
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
        for name in ("stem", "res2", "res3", "res4", "res5"):
            point = HookPoint("snippet", "channel", "statistic", store=channel_statistics)
            self.add_module(f"hook_{name}", point)
        self.appearance_size = len(STATISTICS) * width * (1 + 3 * block.expansion)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        name_hook_points(self)

    def encode(self, clips: Tensor) -> Tensor:
        num_clips, num_snippets = clips.shape[:2]
        whole = self.axis == "clip"  # (N, 3, U*T, H, W), else (N*U, 3, T, H, W)
        x = clips.transpose(1, 2).flatten(2, 3) if whole else clips.flatten(0, 1)
        x = self.stem(x)                                      # (B, width, frames, H/4, W/4)
        x = self.get_submodule("hook_stem")(x)
        for index in range(4):
            x = self.get_submodule(f"layer{index + 1}")(x)    # (B, C, frames, H/32, W/32) at last
            x = self.get_submodule(f"hook_res{index + 2}")(x)
        x = average_places(x)                                 # (B, frames, C)
        features: Tensor = x.reshape(num_clips, num_snippets, -1, x.shape[-1]).mean(2)
        return features

    def stem(self, x: Tensor) -> Tensor:
        """(B, 3, frames, H, W) -> (B, width, frames, H/4, W/4)."""
        out: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return out
