"""Fast forms of the networks in `models`, for everything but training.

`prepare` turns a network into its fast form once, when it is loaded. Every module keeps its
parameters, buffers, names and hook points and takes the class of its fast form, a subclass of its
own: a prepared network is saved, copied, moved to a device and captured like a plain one. Fast
forms fold normalisation into convolutions, convolve in two dimensions where that is the same, run
DSA in place and SDA on the grids of its responses, and use packed weights in bfloat16.

Folded weights are made at the first forward and kept; a forward after a parameter or statistic has
changed makes them anew, and one with gradients enabled, which reach every parameter, keeps none. In
training mode, and where forward hooks stand on layers that would be fused, the plain forward runs.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from dsanet_core.inference.blocks import FastBasicBlock, FastBottleneck, FastVideoResNet
from dsanet_core.inference.conv_bn import FastConv3d
from dsanet_core.inference.dsa import FastDSA
from dsanet_core.inference.sda import FastExcitation, FastSDA
from dsanet_core.models.dsa import DSA
from dsanet_core.models.insert import Slot
from dsanet_core.models.resnet import BasicBlock, Bottleneck, VideoResNet
from dsanet_core.models.sda import SDA, Excitation

__all__ = ["prepare"]

Network = TypeVar("Network", bound=nn.Module)

FAST: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv3d: FastConv3d,
    BasicBlock: FastBasicBlock,
    Bottleneck: FastBottleneck,
    VideoResNet: FastVideoResNet,
    DSA: FastDSA,
    Excitation: FastExcitation,
    SDA: FastSDA,
}
"""Plain class -> its fast form."""


def prepare(network: Network) -> Network:
    """The network itself, in evaluation mode and in its fast form, channels-last in memory.

    Preparing twice changes nothing more. Modules without a fast form stay as they are.
    """
    for module in list(network.modules()):
        fast = FAST.get(type(module))
        if fast is not None and (type(module) is not nn.Conv3d or FastConv3d.fits(module)):
            module.__class__ = fast
    for block in network.modules():
        for name, slot in block.named_children():
            if isinstance(slot, Slot) and name not in ("before1", "after_sum"):
                for module in slot.inserted:
                    if isinstance(module, FastDSA):
                        module.owns_input = True  # at before1 the shortcut reads it too
    return network.to(memory_format=torch.channels_last_3d).eval()
