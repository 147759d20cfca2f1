"""Selective Dependency Aggregation: SDA (Tan et al., 2021), section 3, Eqs. 1-8 and Figure 2.

What the paper leaves open follows the authors' public code: the module stands after the second
normalisation of a block; responses are brought back to full size by adaptive average pooling, which
copies where the sizes divide; query and keys meet without scaling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.errors import ModelError
from dsanet_core.hooks import HookPoint, name_hook_points
from dsanet_core.models.base import WideSoftmax, convolution, size_of
from dsanet_core.models.dependencies import DEFAULT_DEPENDENCIES, Dependency
from dsanet_core.models.insert import ALL_STAGES, chosen_blocks, insert, norm_channels
from dsanet_core.records import Aggregation

MIN_CHANNELS = 16


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
        self.conv = convolution(channels, channels, dependency.conv)
        self.bn = nn.BatchNorm3d(channels)
        self.hook_response = HookPoint(
            "clip", "statistic", "frame", "row", "column", store=response_statistics
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', T, H, W) -> R (B, C', t, h, w)."""
        grid = self.dependency.grid(size_of(x))
        squeezed = functional.adaptive_avg_pool3d(x, grid)                   # A of Eq. 2
        response: Tensor = self.hook_response(functional.relu(self.bn(self.conv(squeezed))))
        return response


class SDA(nn.Module):
    """Reweights every element of a feature by a gate made of its dependencies.

    channels: C of the features. dependencies: texts for `Dependency.parse`. reduction: r_c; the
    dependencies are modelled on C' = max(C / r_c, 16) channels. aggregation: "avg" (Eq. 5) or
    "sec", query structured attention (Eqs. 6 and 7), which needs two dependencies at least.
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
        self.dependencies = tuple(dependencies)
        """Names, in the order of the weights."""
        reduced = max(channels // reduction, MIN_CHANNELS)
        self.down = convolution(channels, reduced)
        self.bn1 = nn.BatchNorm3d(reduced)
        self.mdm = nn.ModuleList(Excitation(reduced, dependency) for dependency in parsed)
        self.query: nn.Parameter | None
        query = nn.Parameter(torch.randn(reduced) / reduced**0.5) if aggregation == "sec" else None
        self.register_parameter("query", query)
        self.softmax = WideSoftmax()
        self.up = convolution(reduced, channels)
        self.bn2 = nn.BatchNorm3d(channels)
        self.hook_dependency_weights = HookPoint("clip", "dependency")
        self.hook_gate = HookPoint("clip", "frame", "row", "column", store=channel_mean)
        self.hook_average_gate = HookPoint("clip", "frame", "row", "column", store=channel_mean)

    def forward(self, x: Tensor) -> Tensor:
        """Y (B, C, T, H, W) -> Z of the same shape."""
        reduced = functional.relu(self.bn1(self.down(x)))                    # Y' (B, C', T, H, W)
        responses = [branch(reduced) for branch in self.mdm]                 # R_1 to R_M of Eq. 1
        full = [functional.adaptive_avg_pool3d(r, size_of(x)) for r in responses]
        values = torch.stack(full, 1)                                        # (B, M, C', T, H, W)
        weights = self.hook_dependency_weights(self.select(values))          # (B, M)
        if self.hook_average_gate.is_wanted and not self.training:
            equal = torch.full_like(weights, 1 / len(self.mdm))
            self.hook_average_gate(self.gate(values, equal))
        gate: Tensor = self.hook_gate(self.gate(values, weights))            # (B, C, T, H, W)
        return gate * x                                                      # Z of Eq. 8

    def select(self, values: Tensor) -> Tensor:
        """Eqs. 5 and 6: (B, M, C', T, H, W) -> (B, M) weights that sum to 1."""
        if self.query is None:
            return values.new_full(values.shape[:2], 1 / len(self.mdm))
        keys = values.mean((3, 4, 5))                                        # K (B, M, C')
        weights: Tensor = self.softmax(keys @ self.query.to(keys.dtype))     # Eq. 6
        return weights

    def gate(self, values: Tensor, weights: Tensor) -> Tensor:
        """Eqs. 7 and 8: the gate (B, C, T, H, W)."""
        shares = weights.to(values.dtype)[..., None, None, None, None]
        aggregated = (shares * values).sum(1)                                # R_sec of Eq. 7
        return torch.sigmoid(self.bn2(self.up(aggregated)))

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
        sda = SDA(norm_channels(block, 2), dependencies, reduction, aggregation)
        insert(block, "after2", "sda", sda)
    name_hook_points(network)
