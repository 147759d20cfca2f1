"""Selective Dependency Aggregation: SDA (Tan et al., 2021), section 3, Eqs. 1-8 and Figure 2.

What the paper leaves open follows the authors' public code: the module stands after the second
normalisation of a block; a pooled map has at least 2 places along an axis and is brought back to
full size by adaptive average pooling, which copies where the sizes divide; query and keys meet
without scaling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from math import prod
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.errors import ModelError
from dsanet_core.hooks import HookPoint, name_hook_points
from dsanet_core.models.base import mean_of_rows
from dsanet_core.models.folding import FoldedBatchNorm3d, FoldedConv3d, Size, normalised, rectified
from dsanet_core.models.insert import ALL_STAGES, chosen_blocks, insert_after, norms
from dsanet_core.records import Aggregation

MIN_CHANNELS = 16

_WHOLE = ("T", "H", "W")
_KERNELS = re.compile(r"(\d+|T)x(\d+|H)x(\d+|W)/(\d+)x(\d+)x(\d+)")
NAMED = {
    "LST": "TxHxW/1x1x1",
    "LT": "Tx1x1/1x3x3",
    "LS": "1xHxW/3x1x1",
    "S122": "1x2x2/3x1x1",
    "S144": "1x4x4/3x1x1",
    "S222": "2x2x2/1x1x1",
}
"""The dependencies that the paper names (Table 1), as pooling kernel / convolution kernel."""
DEFAULT_DEPENDENCIES = ("LST", "LT", "LS", "S122")
"""The four that the paper settles on (section 4.3)."""


@dataclass(frozen=True)
class Dependency:
    """A pooling kernel (None: the whole extent) and an odd convolution kernel, each (T, H, W)."""

    name: str
    pool: tuple[int | None, int | None, int | None]
    conv: Size

    @classmethod
    def parse(cls, text: str) -> Dependency:
        """A name of `NAMED`, or kernels such as "1x3x3/3x1x1". Raises ModelError."""
        match = _KERNELS.fullmatch(NAMED.get(text, text))
        sizes = [None if s in _WHOLE else int(s) for s in match.groups()] if match else []
        if not match or 0 in sizes or any(not s or s % 2 == 0 for s in sizes[3:]):
            raise ModelError(
                f"dependency {text!r}",
                f"one of {', '.join(NAMED)}, or kernels as in '1x2x2/3x1x1' (the second one odd)",
                "Name the pooling kernel, a slash, and the convolution kernel.",
            )
        pool, conv = sizes[:3], [size or 1 for size in sizes[3:]]
        return cls(text, (pool[0], pool[1], pool[2]), (conv[0], conv[1], conv[2]))

    def grid(self, size: Size) -> Size:
        """Places of the squeezed feature for a feature of (T, H, W)."""
        t, h, w = (
            1 if kernel is None else min(full, max(full // kernel, 2))
            for full, kernel in zip(size, self.pool, strict=True)
        )
        return t, h, w


def squeeze(x: Tensor, grid: Size) -> Tensor:
    """Eq. 2: average pooling of (B, C, T, H, W) to (B, C, *grid), adaptive as PyTorch's.

    Over space and then over time, each as a picture: on a CPU up to ten times faster than in three
    dimensions.
    """
    frames, places = x.shape[2], grid[1:]
    if places != x.shape[3:]:
        pictures = x.transpose(1, 2).flatten(0, 1)                          # (B*T, C, H, W)
        pictures = functional.adaptive_avg_pool2d(pictures, places)
        x = torch.unflatten(pictures, 0, (-1, frames)).transpose(1, 2)      # (B, C, T, h, w)
    if grid[0] == frames:
        return x
    if grid[0] > 1:
        rows = functional.adaptive_avg_pool2d(x.flatten(3), (grid[0], x[0, 0, 0].numel()))
        return torch.unflatten(rows, 3, places)
    last = x.permute(0, 2, 3, 4, 1)                                         # (B, T, h, w, C)
    mean = mean_of_rows(last.flatten(2)).to(x.dtype)                        # (B, h*w*C)
    return mean.view(len(x), 1, *last.shape[2:]).permute(0, 4, 1, 2, 3)


def spread(x: Tensor, size: Size) -> Tensor:
    """A response of a grid at full size, except along axes of one place: those broadcast."""
    t, h, w = (1 if places == 1 else full for places, full in zip(x.shape[2:], size, strict=True))
    return squeeze(x, (t, h, w))


def grid_of(x: Tensor) -> Size:
    return x.shape[2], x.shape[3], x.shape[4]


def divides(grid: Size, finer: Size) -> bool:
    """Whether every place of a grid is made of equally many of a finer one."""
    return not any(full % places for full, places in zip(finer, grid, strict=True))


@lru_cache(maxsize=256)
def squeezes(grids: tuple[Size, ...], size: Size) -> tuple[tuple[Size, Size], ...]:
    """How to come to these grids from a feature of this size: each grid, and the coarsest one
    before it that gives the same. So the feature itself is read once or twice for all of them."""
    steps: dict[Size, Size] = {}
    for grid in sorted(set(grids), key=prod, reverse=True):
        exact = [known for known in steps if divides(known, size) and divides(grid, known)]
        steps[grid] = min(exact, key=prod, default=size)
    return tuple(steps.items())


@lru_cache(maxsize=256)
def sums(grids: tuple[Size, ...]) -> tuple[tuple[int, ...], ...]:
    """Which of the responses on these grids are added up, from coarse to fine, so that no sum
    needs a finer grid than the finest of its terms."""
    groups: list[list[int]] = []
    for place in sorted(range(len(grids)), key=lambda at: prod(grids[at])):
        inside = [group for group in groups if divides(grids[group[-1]], grids[place])]
        groups = [group for group in groups if group not in inside]
        groups.append([*(at for group in inside for at in group), place])
    return tuple(map(tuple, groups))


def plus(a: Tensor, b: Tensor, size: Size) -> Tensor:
    """a + b of two grids that divide the size, on the finest that they need. Nothing is copied
    before it is added, but where along an axis neither's places divide the other's."""
    pairs = list(zip(grid_of(a), grid_of(b), strict=True))
    if any(m % n and n % m for m, n in pairs):
        a, b = spread(a, size), spread(b, size)
    elif not all(m == n or 1 in (m, n) for m, n in pairs):
        for axis, (m, n) in zip((4, 3, 2), reversed(pairs), strict=True):
            common = min(m, n) if 1 not in (m, n) else m * n
            a, b = (torch.unflatten(x, axis, (min(x.shape[axis], common), -1)) for x in (a, b))
        return (a + b).flatten(6, 7).flatten(4, 5).flatten(2, 3)  # places, places within them
    return a + b


def _sum(parts: Sequence[Tensor], size: Size) -> Tensor:
    even = (part if divides(grid_of(part), size) else spread(part, size) for part in parts)
    return reduce(partial(plus, size=size), even)


def response_statistics(x: Tensor) -> Tensor:
    """(B, C, t, h, w) -> (B, 2, t, h, w): mean and mean square over channels."""
    x = x.float()
    return torch.stack([x.mean(1), x.square().mean(1)], 1)


def channel_mean(x: Tensor) -> Tensor:
    """(B, C, T, H, W) -> (B, T, H, W)."""
    return x.mean(1, dtype=torch.float32)


class Excitation(nn.Module):
    """Eqs. 2 and 3 for one dependency: squeeze, convolution, normalisation, ReLU."""

    def __init__(self, channels: int, dependency: Dependency) -> None:
        super().__init__()
        self.dependency = dependency
        self.conv = FoldedConv3d(channels, channels, dependency.conv)
        self.bn = FoldedBatchNorm3d(channels)
        self.hook_response = HookPoint(
            "clip", "statistic", "frame", "row", "column", store=response_statistics
        )

    def forward(self, x: Tensor, grid: Size | None = None) -> Tensor:
        """(B, C, T, H, W) -> (B, C, *grid); grid: that of the dependency at full size, for an x
        that has been squeezed already."""
        x = squeeze(x, grid or self.dependency.grid(grid_of(x)))
        x = rectified(self.conv, self.bn, x)
        response: Tensor = self.hook_response(x)
        return response


class SDA(nn.Module):
    """Reweights every element of a feature by a gate made of its dependencies.

    channels: C of the features. dependencies: texts for `Dependency.parse`. reduction: r_c; the
    dependencies are modelled on max(C / r_c, 16) channels. aggregation: "avg" (Eq. 5) or "sec",
    query structured attention (Eqs. 6 and 7), which needs two dependencies at least.
    """

    def __init__(
        self,
        channels: int,
        dependencies: Sequence[str] = DEFAULT_DEPENDENCIES,
        reduction: int = 4,
        aggregation: Aggregation = "sec",
    ) -> None:
        super().__init__()
        if aggregation not in get_args(Aggregation):
            raise ModelError(f"aggregation {aggregation!r}", "'avg' or 'sec'", "Use 'sec'.")
        parsed = [Dependency.parse(text) for text in dependencies]
        few = len(parsed) < (2 if aggregation == "sec" else 1)
        if few or len(set(dependencies)) < len(parsed):
            raise ModelError(
                f"dependencies {', '.join(dependencies) or 'none'} for {aggregation}",
                "different ones; at least 2 to select among, 1 to average",
                "Name more dependencies, or choose 'avg'.",
            )
        reduced = max(channels // reduction, MIN_CHANNELS)
        self.down = FoldedConv3d(channels, reduced)
        self.bn1 = FoldedBatchNorm3d(reduced)
        self.mdm = nn.ModuleList(Excitation(reduced, dependency) for dependency in parsed)
        if aggregation == "sec":
            self.query = nn.Parameter(torch.randn(reduced) / reduced**0.5)
        else:
            self.register_parameter("query", None)
        self.up = FoldedConv3d(reduced, channels)
        self.bn2 = FoldedBatchNorm3d(channels)
        self.hook_dependency_weights = HookPoint("clip", "dependency")
        self.hook_gate = HookPoint("clip", "frame", "row", "column", store=channel_mean)
        self.hook_average_gate = HookPoint("clip", "frame", "row", "column", store=channel_mean)

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Names, in the order of the weights."""
        return tuple(branch.dependency.name for branch in self.branches)

    @property
    def branches(self) -> list[Excitation]:
        """One per dependency, in the order of the weights."""
        return [branch for branch in self.mdm if isinstance(branch, Excitation)]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) in and out: Eq. 8."""
        reduced = rectified(self.down, self.bn1, x)
        responses = self.excite(reduced)
        size = grid_of(x)
        weights = self.hook_dependency_weights(self.select(responses, size))  # (B, M)
        if self.hook_average_gate.is_wanted and not self.training:
            equal = torch.full_like(weights, 1 / len(responses))
            self.hook_average_gate(self.gate(responses, equal, size))
        gate = self.gate(responses, weights, size)                          # (B, C, T, H, W)
        shown: Tensor = self.hook_gate(gate)
        if shown is gate and 0 not in gate.stride() and not torch.is_grad_enabled():
            return gate.mul_(x)  # ours alone and seen by nobody: no need of new memory
        return x * shown

    def excite(self, x: Tensor) -> list[Tensor]:
        """(B, C', T, H, W) -> the response of every dependency, (B, C', *grid)."""
        size = grid_of(x)
        grids = tuple(branch.dependency.grid(size) for branch in self.branches)
        squeezed = {size: x}
        for grid, source in squeezes(grids, size):
            squeezed[grid] = squeeze(squeezed[source], grid)
        pairs = zip(self.branches, grids, strict=True)
        return [branch(squeezed[grid], grid) for branch, grid in pairs]

    def select(self, responses: Sequence[Tensor], size: Size) -> Tensor:
        """Eqs. 5 and 6: (B, M) weights that sum to 1, by the averages of the responses over their
        grids, or over the full size where the grid does not divide it."""
        if self.query is None:
            share = 1 / len(responses)
            return responses[0].new_full((len(responses[0]), len(responses)), share)
        even = (r if divides(grid_of(r), size) else spread(r, size) for r in responses)
        keys = torch.stack([response.mean((2, 3, 4)) for response in even], 1)  # (B, M, C')
        scores = keys @ self.query.to(keys.dtype)                           # (B, M)
        return torch.softmax(scores, -1, dtype=torch.promote_types(scores.dtype, torch.float32))

    def gate(self, responses: Sequence[Tensor], weights: Tensor, size: Size) -> Tensor:
        """Eqs. 7 and 8: responses (B, C', t, h, w) of their grids -> (B, C, T, H, W).

        In evaluation mode all that is linear is done on the grids of the responses, and only its
        sum at full size.
        """
        shares = weights.to(responses[0].dtype).view(*weights.shape, 1, 1, 1, 1).unbind(1)
        weighted = list(map(torch.mul, responses, shares))                  # each (B, C', t, h, w)
        groups = sums(tuple(map(grid_of, responses)))
        parts = [_sum([weighted[place] for place in group], size) for group in groups]
        if self.bn2.training:
            mixed = spread(_sum(parts, size), size).expand(-1, -1, *size)
            return torch.sigmoid_(normalised(self.up, self.bn2, mixed))
        first, *rest = parts
        lifted = [normalised(self.up, self.bn2, first)]
        lifted += [self.up.further_term(part, self.bn2) for part in rest]   # each (B, C, t, h, w)
        return torch.sigmoid_(spread(_sum(lifted, size), size)).expand(-1, -1, *size)

    def extra_repr(self) -> str:
        return f"{', '.join(self.dependencies)}, {self.down.in_channels} channels"


def insert_sda(
    network: nn.Module,
    *,
    dependencies: Sequence[str] = DEFAULT_DEPENDENCIES,
    reduction: int = 4,
    aggregation: Aggregation = "sec",
    stages: Iterable[int] = ALL_STAGES,
) -> None:
    """Put SDA into every residual block of the stages, in place, as `<block>.sda`.

    It stands after the second normalisation: in a bottleneck on the output of the 3x3 convolution,
    before its ReLU, as the authors'; in a basic block at the end of the residual branch.
    """
    for block in chosen_blocks(network, stages):
        norm = norms(block)[1]
        sda = SDA(norm.num_features, dependencies, reduction, aggregation)
        insert_after(block, norm, "sda", sda)
    name_hook_points(network)
