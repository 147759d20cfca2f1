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
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.errors import ModelError
from dsanet_core.hooks import HookPoint, name_hook_points
from dsanet_core.models.folding import FoldedBatchNorm3d, FoldedConv3d, Size, normalised
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
SETTLED = ("LST", "LT", "LS", "S122")
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
    """Eq. 2: average pooling of (B, C, T, H, W) to (B, C, *grid).

    Along the axes as they lie in memory (`build_model`): up to ten times faster on a CPU, as is
    adding up slices where the sizes divide, against the pooling kernel that the others take.
    """
    whole = [axis for axis, places in enumerate(grid, 1) if places == 1 < x.shape[axis + 1]]
    last = x.permute(0, 2, 3, 4, 1)                                         # (B, T, H, W, C)
    if whole:
        last = last.mean(whole, keepdim=True)
    if any(full % places for full, places in zip(last.shape[1:4], grid, strict=True)):
        return functional.adaptive_avg_pool3d(last.permute(0, 4, 1, 2, 3), grid)
    for axis, places in enumerate(grid, 1):
        if (step := last.shape[axis] // places) > 1:
            first, *rest = (
                last[(slice(None),) * axis + (slice(at, None, step),)] for at in range(step)
            )
            last = first + rest[0]
            for more in rest[1:]:
                last = last.add_(more)
            last = last.div_(step)
    return last.permute(0, 4, 1, 2, 3)


def even(x: Tensor, size: Size) -> Tensor:
    """A response whose grid does not divide the full size, spread; any other as it is.

    What is left on its grid is spread by copying, so that its average is that at full size.
    """
    uneven = any(full % places for full, places in zip(size, x.shape[2:], strict=True))
    return spread(x, size) if uneven else x


def spread(x: Tensor, size: Size) -> Tensor:
    """A response of a grid at full size, except along axes of one place: those broadcast."""
    t, h, w = (1 if places == 1 else full for places, full in zip(x.shape[2:], size, strict=True))
    if any(full % places for full, places in zip((t, h, w), x.shape[2:], strict=True)):
        return functional.adaptive_avg_pool3d(x, (t, h, w))
    last = x.permute(0, 2, 3, 4, 1)                                         # (B, t, h, w, C)
    for axis, full in ((3, w), (2, h), (1, t)):  # the innermost while there is least to copy
        if full > last.shape[axis]:
            last = last.repeat_interleave(full // last.shape[axis], axis)
    return last.permute(0, 4, 1, 2, 3)


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

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, *grid)."""
        size = (x.shape[2], x.shape[3], x.shape[4])
        squeezed = squeeze(x, self.dependency.grid(size))
        response: Tensor = self.hook_response(functional.relu(normalised(self.conv, self.bn, squeezed)))
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
        dependencies: Sequence[str] = SETTLED,
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
        reduced = functional.relu(normalised(self.down, self.bn1, x), inplace=True)
        size = (x.shape[2], x.shape[3], x.shape[4])
        responses = [even(branch(reduced), size) for branch in self.branches]
        weights = self.hook_dependency_weights(self.select(responses))      # (B, M)
        if self.hook_average_gate.is_wanted and not self.training:
            equal = torch.full_like(weights, 1 / len(responses))
            self.hook_average_gate(self.gate(responses, equal, size))
        gate = self.gate(responses, weights, size)                          # (B, C, T, H, W)
        shown: Tensor = self.hook_gate(gate)
        if shown is gate and not torch.is_grad_enabled():
            return gate.mul_(x)  # ours alone and seen by nobody: no need of new memory
        return x * shown

    def select(self, responses: Sequence[Tensor]) -> Tensor:
        """Eqs. 5 and 6: (B, M) weights that sum to 1; responses as `even` leaves them."""
        if self.query is None:
            share = 1 / len(responses)
            return responses[0].new_full((len(responses[0]), len(responses)), share)
        keys = torch.stack([response.mean((2, 3, 4)) for response in responses], 1)  # (B, M, C')
        scores = keys @ self.query.to(keys.dtype)                           # (B, M)
        return torch.softmax(scores, -1, dtype=torch.promote_types(scores.dtype, torch.float32))

    def gate(self, responses: Sequence[Tensor], weights: Tensor, size: Size) -> Tensor:
        """Eqs. 7 and 8: responses (B, C', t, h, w) of their grids -> (B, C, T, H, W)."""
        shares = weights.to(responses[0].dtype).view(*weights.shape, 1, 1, 1, 1).unbind(1)
        weighted = list(map(torch.mul, responses, shares))                  # each (B, C', t, h, w)
        return torch.sigmoid_(normalised(self.up, self.bn2, self.mix(weighted, size)))

    @staticmethod
    def mix(responses: Sequence[Tensor], size: Size) -> Tensor:
        """The sum at full size. What has one place in space is added to a response on its small
        grid before that is spread, what has one frame after it: nothing is spread twice."""
        first, *rest = sorted(responses, key=lambda r: (r.shape[3] * r.shape[4] > 1, -r.shape[2]))
        mixed = first
        for response in rest:
            grids = zip(mixed.shape[2:], response.shape[2:], strict=True)
            if not all(a == b or 1 in (a, b) for a, b in grids):
                mixed, response = spread(mixed, size), spread(response, size)
            mixed = mixed + response
        return spread(mixed, size).expand(-1, -1, *size)

    def extra_repr(self) -> str:
        return f"{', '.join(self.dependencies)}, {self.down.in_channels} channels"


def insert_sda(
    network: nn.Module,
    *,
    dependencies: Sequence[str] = SETTLED,
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
