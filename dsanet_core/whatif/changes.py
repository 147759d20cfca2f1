"""Changes to what a network is shown, or to what one of its blocks does: values with a short text
that can stand on a command line and in an address, and a sentence for people."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from dsanet_core.errors import ModelError, printable
from dsanet_core.hooks import Intervention
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from dsanet_core.records import Analysis, Array, Kernel

Module = TypeVar("Module", bound=nn.Module)


class Change(ABC):
    """One thing that is done. form: its text, fields in braces."""

    form: ClassVar[str]

    @property
    def text(self) -> str:
        """The short form; `parse_change` gives an equal change back."""
        return self.form.format(**vars(self))

    @abstractmethod
    def describe(self) -> str:
        """In words."""


@dataclass(frozen=True)
class Shown:
    """Content of the snippets. position: (snippets, frames) as of `Clips`; absent: (snippets,)
    bool, those that show the training mean colour instead."""

    position: Array
    absent: Array

    def taking(self, order: Array) -> Shown:
        """The same snippets in another order, some perhaps more than once."""
        return Shown(self.position[order], self.absent[order])


class InputChange(Change):
    """A change to what the network is shown. Snippets are counted from 1, in the order in which
    they stand when it is their turn: changes are made one after the other."""

    @abstractmethod
    def apply(self, shown: Shown) -> Shown:
        """The content after the change. Raises ModelError for a snippet that does not exist."""


class BlockChange(Change):
    """A change to what one DSA or SDA block does. block: dotted name of the module."""

    block: str

    @abstractmethod
    def intervention(self, network: nn.Module, num_views: int) -> tuple[str, Intervention]:
        """The hook point, and what is done there in one run over all views of a video.
        Raises ModelError if the network has no such block or the change does not fit it."""


@dataclass(frozen=True)
class Drop(InputChange):
    """A snippet is taken out."""

    snippet: int
    form = "drop:{snippet}"

    def describe(self) -> str:
        return f"snippet {self.snippet} shows the training mean colour (zero after normalisation)"

    def apply(self, shown: Shown) -> Shown:
        absent = shown.absent.copy()
        absent[_place(self.snippet, shown)] = True
        return Shown(shown.position, absent)


@dataclass(frozen=True)
class Repeat(InputChange):
    """The snippet before stands in for one; for the first one the second."""

    snippet: int
    form = "repeat:{snippet}"

    def describe(self) -> str:
        neighbour = self.snippet - 1 if self.snippet > 1 else 2
        return f"snippet {self.snippet} shows snippet {neighbour} again"

    def apply(self, shown: Shown) -> Shown:
        place, count = _place(self.snippet, shown), len(shown.position)
        order = np.arange(count)
        order[place] = place - 1 if place else min(1, count - 1)
        return shown.taking(order)


@dataclass(frozen=True)
class Reverse(InputChange):
    """Snippets from last to first, each as it was."""

    form = "reverse"

    def describe(self) -> str:
        return "snippets in reverse order, the frames of each as they were"

    def apply(self, shown: Shown) -> Shown:
        return shown.taking(np.arange(len(shown.position))[::-1])


@dataclass(frozen=True)
class ReverseTime(InputChange):
    """Everything from the last frame to the first."""

    form = "reverse_time"

    def describe(self) -> str:
        return "time backwards: snippets and the frames of each in reverse order"

    def apply(self, shown: Shown) -> Shown:
        return Shown(shown.position[::-1, ::-1], shown.absent[::-1])


@dataclass(frozen=True)
class SwapHalves(InputChange):
    """The second half of the snippets, then the first."""

    form = "swap_halves"

    def describe(self) -> str:
        return "the two halves change places, the snippets of each in their order"

    def apply(self, shown: Shown) -> Shown:
        count = len(shown.position)
        return shown.taking(np.roll(np.arange(count), count // 2))


@dataclass(frozen=True)
class Shuffle(InputChange):
    """Snippets in a random order, the same for the same seed."""

    seed: int
    form = "shuffle:{seed}"

    def describe(self) -> str:
        return f"snippets in random order (seed {self.seed})"

    def apply(self, shown: Shown) -> Shown:
        # Python promises the numbers of random() for all versions to come, not those of shuffle().
        draw = Random(self.seed)
        return shown.taking(np.argsort([draw.random() for _ in shown.absent]))


@dataclass(frozen=True)
class Freeze(InputChange):
    """Nothing moves within a snippet."""

    form = "freeze"

    def describe(self) -> str:
        return "every snippet shows its middle frame throughout"

    def apply(self, shown: Shown) -> Shown:
        frames = shown.position.shape[1]
        middle = shown.position[:, frames // 2, None]
        return Shown(np.repeat(middle, frames, axis=1), shown.absent)


@dataclass(frozen=True)
class IdentityKernel(BlockChange):
    """A DSA block leaves every snippet as it is: neutral, as if it had no DSA."""

    block: str
    form = "identity:{block}"

    def describe(self) -> str:
        return f"{self.block}: identity kernel, no snippet sees another"

    def intervention(self, network: nn.Module, num_views: int) -> tuple[str, Intervention]:
        dsa = _module(network, self.block, DSA)

        def identity(kernel: Tensor) -> Tensor:                             # (N, C', L)
            out = torch.zeros_like(kernel)
            out[..., dsa.kernel_size // 2] = 1
            return out

        return f"{self.block}.hook_kernel", identity


@dataclass(frozen=True)
class AverageKernel(BlockChange):
    """A DSA block averages neighbouring snippets."""

    block: str
    form = "average:{block}"

    def describe(self) -> str:
        return f"{self.block}: equal taps, plain averaging of neighbouring snippets"

    def intervention(self, network: nn.Module, num_views: int) -> tuple[str, Intervention]:
        share = 1 / _module(network, self.block, DSA).kernel_size
        return f"{self.block}.hook_kernel", lambda kernel: torch.full_like(kernel, share)


@dataclass(frozen=True)
class OtherKernel(BlockChange):
    """A DSA block uses the kernel that it made for another video.

    source: what the other video is called. kernel: what the same block of the same network made
    for it; None until somebody has looked it up (`of`), which a parsed text leaves to the caller:
    it may come from anywhere.
    """

    source: str
    block: str
    kernel: Kernel | None = field(default=None, compare=False, repr=False)
    form = "kernel={source}:{block}"

    def of(self, other: Analysis) -> OtherKernel:
        """The same with the kernel of an analysis of the other video."""
        found = next((kernel for kernel in other.kernels if kernel.block == self.block), None)
        if found is None:
            raise _no_block(self.block, "DSA", [kernel.block for kernel in other.kernels])
        return replace(self, kernel=found)

    def describe(self) -> str:
        return f"{self.block}: the kernel that it made for {printable(self.source)}"

    def intervention(self, network: nn.Module, num_views: int) -> tuple[str, Intervention]:
        dsa = _module(network, self.block, DSA)
        if self.kernel is None:
            raise ModelError(
                f"{self.text!r} without the kernel", "the kernel itself",
                "Analyse the other video with the same network, and give its analysis to of().",
            )
        expected = (num_views, dsa.aggregated, dsa.kernel_size)
        if self.kernel.values.shape != expected:
            raise ModelError(
                f"{self.text!r}: a kernel of {self.kernel.values.shape}",
                f"{expected} (views, channels, taps)",
                "Analyse the other video with the same network and the same protocol.",
            )
        return f"{self.block}.hook_kernel", _in_turn(torch.from_numpy(self.kernel.values))


@dataclass(frozen=True)
class EqualWeights(BlockChange):
    """An SDA block takes all its dependencies alike (AVG; SDA, Eq. 5)."""

    block: str
    form = "equal:{block}"

    def describe(self) -> str:
        return f"{self.block}: equal weights of all dependencies (AVG)"

    def intervention(self, network: nn.Module, num_views: int) -> tuple[str, Intervention]:
        share = 1 / len(_module(network, self.block, SDA).dependencies)
        point = f"{self.block}.hook_dependency_weights"
        return point, lambda weights: torch.full_like(weights, share)


@dataclass(frozen=True)
class OneDependency(BlockChange):
    """An SDA block takes one of its dependencies alone."""

    dependency: str
    block: str
    form = "only={dependency}:{block}"

    def describe(self) -> str:
        return f"{self.block}: {self.dependency} alone, weight 1"

    def intervention(self, network: nn.Module, num_views: int) -> tuple[str, Intervention]:
        known = _module(network, self.block, SDA).dependencies
        if self.dependency not in known:
            raise ModelError(
                f"dependency {self.dependency!r} of {self.block}", f"one of {', '.join(known)}",
                "Choose one that this block models.",
            )
        place = known.index(self.dependency)

        def alone(weights: Tensor) -> Tensor:                               # (B, M)
            out = torch.zeros_like(weights)
            out[:, place] = 1
            return out

        return f"{self.block}.hook_dependency_weights", alone


@dataclass(frozen=True)
class GateOff(BlockChange):
    """An SDA block lets its feature pass as it is: neutral, as if it had no SDA."""

    block: str
    form = "gate_off:{block}"

    def describe(self) -> str:
        return f"{self.block}: gate off, features pass as they are"

    def intervention(self, network: nn.Module, num_views: int) -> tuple[str, Intervention]:
        _module(network, self.block, SDA)
        return f"{self.block}.hook_gate", torch.ones_like


KINDS: tuple[type[Change], ...] = (
    Drop, Repeat, Reverse, ReverseTime, SwapHalves, Shuffle, Freeze,
    IdentityKernel, AverageKernel, OtherKernel, EqualWeights, OneDependency, GateOff,
)  # fmt: skip
_FIELDS = {
    "snippet": "[1-9][0-9]{0,5}",
    "seed": "0|[1-9][0-9]{0,8}",
    "block": "[A-Za-z0-9_.]+",
    "dependency": "[A-Za-z0-9/]+",
    "source": ".+",
}
_FIELD = re.compile(r"\{(\w+)\}")
_PATTERNS = {
    kind: re.compile(_FIELD.sub(lambda field: f"(?P<{field[1]}>{_FIELDS[field[1]]})", kind.form))
    for kind in KINDS
}


def parse_change(text: str) -> Change:
    """The change that a text stands for. Raises ModelError."""
    for kind, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(text):
            numbers = ("snippet", "seed")
            return kind(**{k: int(v) if k in numbers else v for k, v in match.groupdict().items()})
    raise ModelError(
        f"change {text!r}",
        "one of " + ", ".join(_FIELD.sub(lambda field: field[1].upper(), k.form) for k in KINDS),
        "For example: reverse, drop:3, identity:layer2.1.dsa, only=LT:layer3.0.sda",
    )


def _place(snippet: int, shown: Shown) -> int:
    count = len(shown.position)
    if not 1 <= snippet <= count:
        raise ModelError(
            f"snippet {snippet}", f"1 to {count}", "Choose one that the network is shown."
        )
    return snippet - 1


def _module(network: nn.Module, block: str, kind: type[Module]) -> Module:
    known = {name: m for name, m in network.named_modules() if isinstance(m, kind)}
    if block not in known:
        raise _no_block(block, kind.__name__, list(known))
    return known[block]


def _no_block(block: str, kind: str, known: list[str]) -> ModelError:
    return ModelError(
        f"{kind} block {block!r}",
        f"one of {', '.join(known)}" if known else f"a network with {kind} blocks",
        "Choose a block of this network.",
    )


def _in_turn(values: Tensor) -> Callable[[Tensor], Tensor]:
    """Gives the rows of `values` to one batch of views after the other."""
    at = 0

    def next_rows(value: Tensor) -> Tensor:
        nonlocal at
        rows = values[at : at + len(value)]
        at += len(value)
        return rows.to(value)

    return next_rows
