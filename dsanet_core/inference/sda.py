"""SDA on the grids of its responses: full size only for the last step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from dsanet_core.inference.conv_bn import FastConv3d, conv_bn, is_hooked
from dsanet_core.inference.grids import even, pool_plan, pool_to, resize_to, sum_grids, sum_plan
from dsanet_core.models.base import Size, size_of
from dsanet_core.models.sda import SDA, Excitation


class FastExcitation(Excitation):
    def excite(self, squeezed: Tensor) -> Tensor:
        """Eq. 3: (B, C', t, h, w) in and out."""
        response: Tensor = self.hook_response(conv_bn(self.conv, self.bn, squeezed, rectify=True))
        return response


class FastSDA(SDA):
    def forward(self, x: Tensor) -> Tensor:
        """As of `SDA`: (B, C, T, H, W) in and out."""
        branches = [cast(FastExcitation, branch) for branch in self.mdm]
        layers = [layer for branch in branches for layer in (branch, branch.conv, branch.bn)]
        if self.training or is_hooked(self.down, self.bn1, self.up, self.bn2, *layers):
            return super().forward(x)
        size = size_of(x)
        reduced = conv_bn(self.down, self.bn1, x, rectify=True)             # (B, C', T, H, W)
        grids = tuple(branch.dependency.grid(size) for branch in branches)
        squeezed = {size: reduced}
        for grid, source in pool_plan(grids, size):
            squeezed[grid] = pool_to(squeezed[source], grid)
        responses = [
            branch.excite(squeezed[grid]) for branch, grid in zip(branches, grids, strict=True)
        ]                                                                   # each (B, C', *grid)
        weights = self.hook_dependency_weights(self.select_on(responses, size))  # (B, M)
        if self.hook_average_gate.is_wanted:
            equal = torch.full_like(weights, 1 / len(responses))
            self.hook_average_gate(self.gate_on(responses, equal, size))
        gate = self.gate_on(responses, weights, size)                       # (B, C, T, H, W)
        shown: Tensor = self.hook_gate(gate)
        if shown is gate and 0 not in gate.stride() and not torch.is_grad_enabled():
            return gate.mul_(x)  # this call's own: no need of new memory
        return x * shown

    def select_on(self, responses: Sequence[Tensor], size: Size) -> Tensor:
        """Eqs. 5 and 6: (B, M) weights that sum to 1, by the averages of the responses over their
        grids, or over the full size where the grid does not divide it."""
        if self.query is None:
            share = 1 / len(responses)
            return responses[0].new_full((len(responses[0]), len(responses)), share)
        keys = torch.stack([even(r, size).mean((2, 3, 4)) for r in responses], 1)  # (B, M, C')
        weights: Tensor = self.softmax(keys @ self.query.to(keys.dtype))
        return weights

    def gate_on(self, responses: Sequence[Tensor], weights: Tensor, size: Size) -> Tensor:
        """Eqs. 7 and 8: responses (B, C', t, h, w) of their grids -> (B, C, T, H, W).

        All that is linear is done on the grids of the responses, and only its sum at full size.
        """
        shares = weights.to(responses[0].dtype).view(*weights.shape, 1, 1, 1, 1).unbind(1)
        weighted = list(map(torch.mul, responses, shares))                  # each (B, C', t, h, w)
        groups = sum_plan(tuple(map(size_of, responses)))
        first, *rest = [sum_grids([weighted[place] for place in group], size) for group in groups]
        up = cast(FastConv3d, self.up)
        lifted = [conv_bn(up, self.bn2, first)]
        lifted += [up.further_term(part, self.bn2) for part in rest]        # each (B, C, t, h, w)
        return torch.sigmoid_(resize_to(sum_grids(lifted, size), size)).expand(-1, -1, *size)
