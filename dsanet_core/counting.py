"""Parameters and multiply-adds of a network, counted on shapes alone (no data, no weights).

Convolutions, linear layers and the aggregation of DSA are counted; normalisation, pooling and
activations are not, so totals lie about 0.5 % under counters that add those.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.dsa import DSA


class Complexity(NamedTuple):
    """params: parameters, dsa_params of them in DSA modules. macs: multiply-adds of one forward
    ("FLOPs" in the papers), dsa_macs of them in DSA modules (kernel MLP, squeeze, aggregation).
    input_shape: (clips, snippets, 3, frames, height, width) of that forward."""

    params: int
    macs: int
    dsa_params: int
    dsa_macs: int
    input_shape: tuple[int, ...]


def complexity(network: VideoNetwork, *, input_shape: tuple[int, ...] | None = None) -> Complexity:
    """Count a network; input_shape: (N, U, 3, T, H, W), None for one view of its own protocol."""
    if input_shape is None:
        input_shape = _view_shape(network)
    shadow = copy.deepcopy(network).to("meta").eval()
    macs: dict[str, int] = {}
    for name, module in shadow.named_modules():
        module.register_forward_hook(_counter(name, macs))
    with torch.no_grad():
        shadow(torch.empty(input_shape, device="meta"))
    modules = [(name, m) for name, m in shadow.named_modules() if isinstance(m, DSA)]
    inside = tuple(f"{name}." for name, _ in modules)
    return Complexity(
        params=_params(shadow),
        macs=sum(macs.values()),
        dsa_params=sum(_params(module) for _, module in modules),
        dsa_macs=sum(count for name, count in macs.items() if f"{name}.".startswith(inside)),
        input_shape=tuple(input_shape),
    )


def _view_shape(network: VideoNetwork) -> tuple[int, ...]:
    if network.spec is None:
        raise ModelError(
            "a network without a spec", "an input shape to count", "Give input_shape=(N, U, ...)."
        )
    protocol = network.spec.protocol
    frames, side = protocol.sampling.frames_per_snippet, protocol.side
    return (1, protocol.group_size, 3, frames, side, side)


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _counter(name: str, macs: dict[str, int]) -> Callable[[nn.Module, Any, Tensor], None]:
    """A forward hook that adds a module's own multiply-adds under its name."""

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        macs[name] = macs.get(name, 0) + _own_macs(module, output)

    return count


def _own_macs(module: nn.Module, output: Tensor) -> int:
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return output.numel() * (module.in_channels // module.groups) * prod(module.kernel_size)
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    if isinstance(module, DSA):  # one addition per value to squeeze, L multiply-adds to aggregate
        values = output.numel() // module.channels * module.aggregated
        return values * (1 + module.kernel_size)
    return 0
