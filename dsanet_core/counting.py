"""Parameters and multiply-adds of a network, counted on shapes alone (no data, no weights).

Convolutions and linear layers are counted, and what DSA, SDA and SE do to the features that they
squeeze, join and rescale; normalisation, pooling and activations are not, so totals lie about 0.5%
under counters that add those.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork, size_of
from dsanet_core.models.baselines import SqueezeExcitation
from dsanet_core.models.dependencies import Dependency
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA


class Complexity(NamedTuple):
    """params: parameters, dsa_params of them in DSA modules and sda_params in SDA modules.
    macs: multiply-adds of one forward ("FLOPs" in the papers), dsa_macs of them in DSA modules
    (kernel MLP, squeeze, aggregation), sda_macs in SDA modules (convolutions, squeezes, weighted
    sum, gate). input_shape: (clips, snippets, 3, frames, height, width) of that forward."""

    params: int
    macs: int
    dsa_params: int
    dsa_macs: int
    sda_params: int
    sda_macs: int
    input_shape: tuple[int, ...]


def complexity(network: VideoNetwork, *, input_shape: tuple[int, ...] | None = None) -> Complexity:
    """Count a network; input_shape: (N, U, 3, T, H, W), None for one view of its own protocol."""
    if input_shape is None:
        input_shape = _view_shape(network)
    has_values = any(not parameter.is_meta for parameter in network.parameters())
    shadow = copy.deepcopy(network).to("meta") if has_values else network
    was_training, macs = shadow.training, dict[str, int]()
    shadow.eval()
    with torch.inference_mode(), ExitStack() as hooks:
        for name, module in shadow.named_modules():
            hooks.callback(module.register_forward_hook(_counter(name, macs)).remove)
        shadow(torch.empty(input_shape, dtype=next(shadow.parameters()).dtype, device="meta"))
    shadow.train(was_training)
    dsa_params, dsa_macs = _share(shadow, DSA, macs)
    sda_params, sda_macs = _share(shadow, SDA, macs)
    return Complexity(
        params=_params(shadow),
        macs=sum(macs.values()),
        dsa_params=dsa_params,
        dsa_macs=dsa_macs,
        sda_params=sda_params,
        sda_macs=sda_macs,
        input_shape=tuple(input_shape),
    )


def _share(
    network: nn.Module, kind: type[nn.Module], macs: Mapping[str, int]
) -> tuple[int, int]:
    """Parameters and multiply-adds inside the modules of a kind."""
    modules = [(name, each) for name, each in network.named_modules() if isinstance(each, kind)]
    inside = tuple(f"{name}." for name, _ in modules)
    return (
        sum(_params(module) for _, module in modules),
        sum(count for name, count in macs.items() if f"{name}.".startswith(inside)),
    )


def _view_shape(network: VideoNetwork) -> tuple[int, ...]:
    if network.spec is None:
        raise ModelError(
            "a network without a spec", "an input shape to count", "Give input_shape=(N, U, ...)."
        )
    shape: tuple[int, ...] = network.spec.protocol.view_shape
    return shape


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
    if isinstance(module, SDA):
        return _sda_macs(module, output)
    if isinstance(module, SqueezeExcitation):  # per value one addition, one product with the gate
        return 2 * output.numel()
    return 0


def _sda_macs(module: SDA, output: Tensor) -> int:
    """Multiply-adds of SDA beside its convolutions: per value one addition to squeeze for a
    dependency, one to join the responses and one product with the gate; per value of a response, on
    its own grid, one product with its weight and, with QSA, one addition for its key."""
    size = size_of(output)
    places = prod(size)
    values = places
    for dependency in map(Dependency.parse, module.dependencies):
        grid = dependency.grid(size)
        values += places if grid != size else 0
        values += prod(grid) * (1 if module.query is None else 2)
    return len(output) * module.down.out_channels * values + output.numel()
