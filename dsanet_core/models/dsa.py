"""Dynamic Segment Aggregation: DSANet (Wu et al., 2021), section 3, Eqs. 2-4 and Figure 2.

What the paper leaves open follows the authors' public code: one MLP is shared by all channels of a
block; g, the MLP and the aggregation see the leading int(beta C) channels only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.hooks import HookPoint, name_hook_points
from dsanet_core.models.base import VideoNetwork, mean_of_rows
from dsanet_core.models.insert import (
    chosen_blocks,
    convolutions,
    insert_after,
    insert_before,
    norms,
)

Position = Literal["I", "II", "III", "IV"]
POSITIONS: tuple[Position, ...] = get_args(Position)
SHIFT_LOGIT = 4.0
"""By which the first tap's score is above the others' where a kernel leans: about 0.9 of it all."""


class _WideSoftmax(nn.Softmax):
    """Softmax in float32 at least: autocast on a CPU would round the taps, whose sum is 1."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, -1, dtype=torch.promote_types(x.dtype, torch.float32))


class DSA(nn.Module):
    """Aggregates the leading int(beta C) channels over neighbouring snippets with a dynamic kernel.

    channels: C of the features. num_snippets: U. kernel_size: L, odd. alpha: hidden width of the
    kernel MLP in units of U. beta: share of channels that are aggregated.
    owns_input: the features that come in are read by nobody else, so that where no gradient is
    wanted they are changed in place.
    """

    owns_input = False

    def __init__(
        self,
        channels: int,
        num_snippets: int = 4,
        kernel_size: int = 3,
        alpha: int = 2,
        beta: float = 1 / 8,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.num_snippets = num_snippets
        self.kernel_size = kernel_size
        self.aggregated = int(channels * beta)
        if not 1 <= self.aggregated <= channels:
            raise ModelError(
                f"beta {beta:g} of {channels} channels is {self.aggregated} channels",
                f"1 to {channels}",
                "Choose a beta between 1 / channels and 1.",
            )
        if kernel_size % 2 == 0:
            raise ModelError(f"kernel_size {kernel_size}", "an odd number", "Use 3, as the paper.")
        self.generate = nn.Sequential(
            nn.Linear(num_snippets, alpha * num_snippets, bias=False),
            nn.BatchNorm1d(alpha * num_snippets),
            nn.ReLU(),
            nn.Linear(alpha * num_snippets, kernel_size, bias=False),
            _WideSoftmax(-1),
        )
        self.hook_descriptor = HookPoint("clip", "channel", "snippet")
        self.hook_kernel = HookPoint("clip", "channel", "tap")

    def lean(self) -> None:
        """Begin with kernels that lean on the snippet before, for a module that is put into a
        trained network.

        Kernels as they are initialised are nearly even, and what is even tells the layers behind it
        nothing of the order; so leaning, the module begins much like TSM's shift (Lin et al., ICCV
        2019), by a snippet instead of a frame. On their features a trained network that had
        averaged its snippets can be taught the order at once; neither paper says how to begin.
        """
        norm, last = cast(nn.BatchNorm1d, self.generate[1]), cast(nn.Linear, self.generate[3])
        with torch.no_grad():
            norm.bias.fill_(1.0)  # hidden units that are on whatever comes
            last.weight[0] += SHIFT_LOGIT / last.in_features

    def forward(self, x: Tensor) -> Tensor:
        """x: (N*U, C, *space), n-major, where space is (T, H, W) or (H, W); same shape out."""
        if x.shape[0] % self.num_snippets or x.shape[1] != self.channels:
            raise ModelError(
                f"DSA input is {tuple(x.shape)}",
                f"a multiple of {self.num_snippets} snippets with {self.channels} channels",
                "Fold clips and snippets into the first dimension, clip by clip.",
            )
        is_eager = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
        in_place = self.owns_input and is_eager
        leading = x[:, : self.aggregated]
        if in_place or leading.stride(1) == 1:  # channels_last: gathered for all that read it here
            leading = leading.clone()
        leading = torch.unflatten(leading, 0, (-1, self.num_snippets))     # (N, U, C', *space)
        descriptor = self.hook_descriptor(self.squeeze(leading))           # (N, C', U)
        kernel = self.generate(descriptor.flatten(0, 1))                   # (N*C', L)
        kernel = torch.unflatten(kernel, 0, (-1, self.aggregated))         # (N, C', L)
        kernel = self.hook_kernel(kernel).to(x.dtype)
        if in_place:
            places = torch.unflatten(x[:, : self.aggregated], 0, (-1, self.num_snippets))
            self.aggregate(leading, kernel, out=places)
            return x
        aggregated = self.aggregate(leading, kernel).flatten(0, 1)
        return torch.cat([aggregated, x[:, self.aggregated :]], dim=1)     # keeps channels_last

    @staticmethod
    def squeeze(x: Tensor) -> Tensor:
        """g of Eq. 2: global average over T, H, W; (N, U, C', *space) -> (N, C', U).

        Half precision is averaged in float32: the kernel MLP reads small differences."""
        places = x.flatten(3)                                               # (N, U, C', P)
        if x.stride(2) == 1:  # channels_last
            return mean_of_rows(places.mT).transpose(1, 2)
        dtype = torch.promote_types(x.dtype, torch.float32)
        return places.mean(-1, dtype=dtype).transpose(1, 2)

    @staticmethod
    def aggregate(x: Tensor, kernel: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Eq. 3: out[u] = sum over l of kernel[l] x[u + l - (L - 1) / 2], zero outside 0..U-1.

        x: (N, U, C', *space); kernel: (N, C', L); out: where to write it. One multiply-add of a
        shifted view per tap: a grouped convolution does the same ten times slower.
        """
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

    def extra_repr(self) -> str:
        return (
            f"{self.channels} channels, {self.aggregated} aggregated over "
            f"{self.num_snippets} snippets, kernel_size={self.kernel_size}"
        )


def insert_dsa(
    network: nn.Module,
    *,
    stages: Iterable[int] = (3, 4),
    position: Position = "II",
    every: int = 2,
    num_snippets: int = 4,
    kernel_size: int = 3,
    alpha: int = 2,
    beta: float = 1 / 8,
) -> None:
    """Make DSA blocks of residual blocks of `network`, in place (DSANet, section 3.4, Fig. 2b).

    network: has stages `layer1`..`layer4` of residual blocks with `conv1`, `bn1`, `conv2`, ... as
    torchvision's ResNets and this package's have; it gets features (N*U, C, ...). Its parameter
    names stay; the DSA module of a block is `<block>.dsa`, on the residual branch.
    stages: of 2 to 5, for res2 to res5. every: 1 takes each block of a stage, 2 every second one
    (1, 3, ... counting from 0, as the authors').
    position: I before the first convolution, II before the second, III before the third, IV after
    the last normalisation, before the addition. A basic block has no third convolution: its III
    is its IV, after the second normalisation.
    Raises ModelError if no block fits or one has DSA already.
    """
    if position not in POSITIONS:
        raise ModelError(f"position {position!r}", f"one of {POSITIONS}", "Use II, as the paper.")
    index = POSITIONS.index(position)
    for block in chosen_blocks(network, stages, every):
        convs, bns = convolutions(block), norms(block)
        before = bns[min(index, len(bns)) - 1] if index else None
        channels = before.num_features if before else convs[0].in_channels
        dsa = DSA(channels, num_snippets, kernel_size, alpha, beta)
        dsa.owns_input = position != "I"  # where the shortcut reads it too
        if index < len(convs):
            insert_before(block, convs[index], "dsa", dsa)
        else:
            insert_after(block, bns[-1], "dsa", dsa)
    if isinstance(network, VideoNetwork):
        network.num_snippets = num_snippets
    name_hook_points(network)
