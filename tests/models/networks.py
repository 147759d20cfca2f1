"""Small networks for tests, with batch statistics that are not those of initialisation."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import build_model, model_spec


def tiny(
    name: str = "dsa_i3d_synth", *, seed: int = 0, width: int = 8, **args: object
) -> VideoNetwork:
    """A row of the zoo at another width, in evaluation mode."""
    torch.manual_seed(seed)
    spec = model_spec(name)
    network = build_model(replace(spec, args={**spec.args, "width": width, **args}))
    stir(network)
    return network.eval()


def stir(network: nn.Module) -> None:
    """Random affine parameters and running statistics, so that no normalisation is an identity
    and classifier outputs differ."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.5)
