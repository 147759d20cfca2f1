"""Slots of residual blocks, and putting modules into them.

An inserted module is a child of its block, so that its parameters are saved under
`<block>.<name>` and those of the block keep their names. Our own blocks call it from a `Slot` that
stands in their `forward`; blocks of other packages from a forward hook.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from torch import Tensor, nn

from dsanet_core.errors import ModelError

ALL_STAGES = (2, 3, 4, 5)


class Slot(nn.Module):
    """A place in a block: runs what was inserted there, in that order; at first nothing.

    It refers to children of the block, which hold their parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inserted: tuple[nn.Module, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        for module in self.inserted:
            x = module(x)
        return x

    def extra_repr(self) -> str:
        return ", ".join(type(module).__name__ for module in self.inserted)


def insert(block: nn.Module, place: str, name: str, module: nn.Module) -> None:
    """Give `block` the child `name`, which runs at `place`.

    block: of this package, or with layers `conv1`, `bn1`, `conv2`, ... as torchvision's.
    place: "before1": the input of the first convolution, on the residual branch; "after2": the
    output of the second normalisation, before its ReLU; and so on. "after_sum": the output of the
    block, of this package alone.
    Raises ModelError if it has a child of that name.
    """
    if hasattr(block, name):
        raise ModelError(
            f"a block that has {name!r} already", "one without it", "Insert it once per block."
        )
    block.add_module(name, module)
    slot = getattr(block, place, None)
    if isinstance(slot, Slot):
        slot.inserted = (*slot.inserted, module)
    elif place.startswith("before"):
        _guard_hooks()
        block.get_submodule(f"conv{place[-1]}").register_forward_pre_hook(_Before(module))
    else:
        _guard_hooks()
        block.get_submodule(f"bn{place[-1]}").register_forward_hook(_After(module))


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


def norm_channels(block: nn.Module, number: int) -> int:
    """Channels behind normalisation 1, 2 or 3 of a block."""
    return cast(nn.BatchNorm3d, block.get_submodule(f"bn{number}")).num_features


@dataclass(frozen=True)
class _Before:
    """Forward pre-hook: the layer reads its input after `inserted`.

    An attribute rather than a closure, so that a deep copy of the network runs its own copy."""

    inserted: nn.Module

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, *tuple[Any, ...]]) -> Any:
        return self.inserted(inputs[0]), *inputs[1:]


@dataclass(frozen=True)
class _After:
    """Forward hook: what reads the layer's output gets it after `inserted`."""

    inserted: nn.Module

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return cast(Tensor, self.inserted(output))


def _guard_hooks() -> None:
    """Make torch.compile tell networks apart that differ in forward hooks alone.

    By default it does not check hooks: a network that shares its layers with one compiled before
    would run that one's code, without the inserted modules and without a word. What was compiled
    without such checks is forgotten."""
    dynamo: Any = import_module("torch._dynamo")
    if getattr(dynamo.config, "skip_nnmodule_hook_guards", False):
        dynamo.config.skip_nnmodule_hook_guards = False
        dynamo.reset()
