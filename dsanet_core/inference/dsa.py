"""DSA by multiply-adds of shifted views, in place where nobody else reads the input."""

from __future__ import annotations

import torch
from torch import Tensor

from dsanet_core.models.base import mean_of_rows
from dsanet_core.models.dsa import DSA


class FastDSA(DSA):
    """owns_input: the features that come in are read by nobody else, so that they are changed in
    place where no gradient is wanted."""

    owns_input = False

    def forward(self, x: Tensor) -> Tensor:
        """As of `DSA`: (N*U, C, *space) in and out."""
        self.require_snippets(x)
        is_eager = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
        in_place = self.owns_input and is_eager
        leading = x[:, : self.aggregated]
        if in_place or leading.stride(1) == 1:  # channels_last: gathered once for all that read it
            leading = leading.clone()
        leading = torch.unflatten(leading, 0, (-1, self.num_snippets))     # (N, U, C', *space)
        descriptor = self.hook_descriptor(self.squeeze(leading))           # (N, C', U)
        kernel = self.hook_kernel(self.kernel(descriptor)).to(x.dtype)     # (N, C', L)
        if in_place:
            out = torch.unflatten(x[:, : self.aggregated], 0, (-1, self.num_snippets))
            self.aggregate(leading, kernel, out=out)
            return x
        aggregated = self.aggregate(leading, kernel).flatten(0, 1)
        return torch.cat([aggregated, x[:, self.aggregated :]], dim=1)     # keeps channels_last

    @staticmethod
    def squeeze(x: Tensor) -> Tensor:
        """As of `DSA`: (N, U, C', *space) -> (N, C', U)."""
        if x.stride(2) == 1:  # channels_last
            return mean_of_rows(x.flatten(3).mT).transpose(1, 2)
        return DSA.squeeze(x)

    @staticmethod
    def aggregate(x: Tensor, kernel: Tensor, *, out: Tensor | None = None) -> Tensor:
        """As of `DSA`; out: where to write it. A grouped convolution takes ten times as long."""
        num_snippets, taps = x.shape[1], kernel.shape[-1]
        weights = kernel.movedim(-1, 0).unsqueeze(-1)                   # (L, N, C', 1)
        if x.stride(2) == 1:  # channels_last: as many in a row as the features have, side by side
            weights = weights.mT.repeat(1, 1, x.shape[-1], 1).mT        # (L, N, C', W)
        gaps = (None,) * (x.ndim - 4)
        weights = weights[(slice(None), slice(None), None, slice(None), *gaps)]
        centre = taps // 2
        out = torch.mul(x, weights[centre], out=out)                    # weights: (N, 1, C', *1)
        for tap in range(taps):
            shift = tap - centre
            reach = num_snippets - abs(shift)  # snippets that have a neighbour at this offset
            if shift == 0 or reach <= 0:
                continue
            source = x.narrow(1, max(shift, 0), reach)
            target = out.narrow(1, max(-shift, 0), reach)
            target.addcmul_(source, weights[tap])
        return out
