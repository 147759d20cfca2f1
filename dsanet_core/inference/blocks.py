"""ResNets whose layers are fused; modules in the slots run between them, as in the plain ones."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.inference.conv_bn import conv_bn, is_hooked
from dsanet_core.models.resnet import BasicBlock, Bottleneck, VideoResNet


class FastBasicBlock(BasicBlock):
    def forward(self, x: Tensor) -> Tensor:
        layers = (self.conv1, self.bn1, self.conv2, self.bn2)
        if self.training or is_hooked(*layers, self.relu, *self.downsample):
            return super().forward(x)
        shortcut = _shortcut(self.downsample, x)
        x = self.before1(x)
        x = conv_bn(self.conv1, self.bn1, x, rectify=True)
        x = self.before2(x)
        if self.after2.inserted:
            x = self.after2(conv_bn(self.conv2, self.bn2, x))
            x = _rectified_sum(x, shortcut)
        else:
            x = conv_bn(self.conv2, self.bn2, x, added=shortcut, rectify=True)
        out: Tensor = self.after_sum(x)
        return out


class FastBottleneck(Bottleneck):
    def forward(self, x: Tensor) -> Tensor:
        layers = (self.conv1, self.bn1, self.conv2, self.bn2, self.conv3, self.bn3)
        if self.training or is_hooked(*layers, self.relu, *self.downsample):
            return super().forward(x)
        shortcut = _shortcut(self.downsample, x)
        x = self.before1(x)
        x = conv_bn(self.conv1, self.bn1, x, rectify=True)
        x = self.before2(x)
        if self.after2.inserted:
            x = self.relu(self.after2(conv_bn(self.conv2, self.bn2, x)))
        else:
            x = conv_bn(self.conv2, self.bn2, x, rectify=True)
        x = self.before3(x)
        if self.after3.inserted:
            x = self.after3(conv_bn(self.conv3, self.bn3, x))
            x = _rectified_sum(x, shortcut)
        else:
            x = conv_bn(self.conv3, self.bn3, x, added=shortcut, rectify=True)
        out: Tensor = self.after_sum(x)
        return out


class FastVideoResNet(VideoResNet):
    def stem(self, x: Tensor) -> Tensor:
        if self.training or is_hooked(self.conv1, self.bn1, self.relu):
            return super().stem(x)
        out: Tensor = self.maxpool(conv_bn(self.conv1, self.bn1, x, rectify=True))
        return out


def _shortcut(downsample: nn.Sequential, x: Tensor) -> Tensor:
    return conv_bn(downsample[0], downsample[1], x) if len(downsample) else x


def _rectified_sum(x: Tensor, shortcut: Tensor) -> Tensor:
    return functional.relu(x + shortcut, inplace=True)
