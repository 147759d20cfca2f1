"""Putting a module into a residual block, so that the block's parameter names stay as they are.

The module becomes a child of the block and runs from a forward (pre-)hook of the layer it stands
before or after. Hooks hold it as an attribute rather than in a closure, so that a deep copy of the
network runs its own copy of the module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from dsanet_core.errors import ModelError

ALL_STAGES = (2, 3, 4, 5)


@dataclass(frozen=True)
class _Before:
    """Forward pre-hook: the layer reads its input after `inserted`."""

    inserted: nn.Module

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, *tuple[Any, ...]]) -> Any:
        return self.inserted(inputs[0]), *inputs[1:]


@dataclass(frozen=True)
class _After:
    """Forward hook: what reads the layer's output gets it after `inserted`."""

    inserted: nn.Module

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return cast(Tensor, self.inserted(output))


def insert_before(block: nn.Module, layer: nn.Module, name: str, module: nn.Module) -> None:
    """Give `block` the child `name` that runs on the input of `layer`."""
    _adopt(block, name, module)
    layer.register_forward_pre_hook(_Before(module))


def insert_after(block: nn.Module, layer: nn.Module, name: str, module: nn.Module) -> None:
    """Give `block` the child `name` that runs on the output of `layer`."""
    _adopt(block, name, module)
    layer.register_forward_hook(_After(module))


def _adopt(block: nn.Module, name: str, module: nn.Module) -> None:
    if hasattr(block, name):
        raise ModelError(
            f"a block that has {name!r} already", "one without it", "Insert it once per block."
        )
    block.add_module(name, module)


def chosen_blocks(network: nn.Module, stages: Iterable[int], every: int = 1) -> Iterator[nn.Module]:
    """The residual blocks of stages (2 to 5, for res2 to res5) of a ResNet.

    every: 1 takes each block of a stage, 2 every second one (1, 3, ... counting from 0, as the
    authors of DSANet). Raises ModelError if a stage gives none.
    """
    for stage in stages:
        name = f"layer{stage - 1}"
        blocks = list(getattr(network, name, nn.Sequential()).children())[every - 1 :: every]
        if not blocks:
            raise ModelError(
                f"stage res{stage}, every {every}",
                f"residual blocks in {name!r}",
                "Choose stages from 2 to 5 that this network has, or a smaller `every`.",
            )
        yield from blocks


def convolutions(block: nn.Module) -> list[nn.Conv3d]:
    """The convolutions of a residual branch, in order."""
    return [cast(nn.Conv3d, m) for name, m in block.named_children() if name.startswith("conv")]


def norms(block: nn.Module) -> list[nn.BatchNorm3d]:
    """The normalisations of a residual branch, in order."""
    return [cast(nn.BatchNorm3d, m) for name, m in block.named_children() if name.startswith("bn")]
