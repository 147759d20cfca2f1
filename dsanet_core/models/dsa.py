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
from dsanet_core.models.base import VideoNetwork, WideSoftmax, wide
from dsanet_core.models.insert import chosen_blocks, insert, norm_channels

Position = Literal["I", "II", "III", "IV"]
POSITIONS: tuple[Position, ...] = get_args(Position)
SHIFT_LOGIT = 4.0
"""Lead of the first tap's score in `init_as_shift`; it then takes about 0.9 of the whole kernel."""


class DSA(nn.Module):
    """Aggregates the leading int(beta C) channels over neighbouring snippets with a dynamic kernel.

    channels: C of the features. num_snippets: U. kernel_size: L, odd. alpha: hidden width of the
    kernel MLP in units of U. beta: share of channels that are aggregated.
    """

    def __init__(
        self, channels: int, num_snippets: int = 4, kernel_size: int = 3, alpha: int = 2,
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
        self.generate = nn.Sequential(  # Softmax and F of Eq. 2
            nn.Linear(num_snippets, alpha * num_snippets, bias=False),
            nn.BatchNorm1d(alpha * num_snippets),
            nn.ReLU(),
            nn.Linear(alpha * num_snippets, kernel_size, bias=False),
            WideSoftmax(),
        )
        self.hook_descriptor = HookPoint("clip", "channel", "snippet")
        self.hook_kernel = HookPoint("clip", "channel", "tap")

    def forward(self, x: Tensor) -> Tensor:
        """x: (N*U, C, *space), n-major, where space is (T, H, W) or (H, W); same shape out."""
        self.require_snippets(x)
        v1, v2 = torch.tensor_split(x, [self.aggregated], dim=1)           # V1, V2 of Eq. 4
        v1 = torch.unflatten(v1, 0, (-1, self.num_snippets))               # (N, U, C', *space)
        descriptor = self.hook_descriptor(self.squeeze(v1))                # (N, C', U)
        kernel = self.hook_kernel(self.kernel(descriptor))                 # (N, C', L)
        aggregated = self.aggregate(v1, kernel.to(x.dtype)).flatten(0, 1)  # (N*U, C', *space)
        return torch.cat([aggregated, v2], dim=1)                          # Eq. 4

    @staticmethod
    def squeeze(x: Tensor) -> Tensor:
        """g of Eq. 2: global average over T, H, W; (N, U, C', *space) -> (N, C', U).

        Half precision is averaged in float32: the kernel MLP reads small differences."""
        return x.flatten(3).mean(-1, dtype=wide(x.dtype)).transpose(1, 2)

    def kernel(self, descriptor: Tensor) -> Tensor:
        """Eq. 2: (N, C', U) -> (N, C', L), taps sum to 1."""
        taps = self.generate(descriptor.flatten(0, 1))                     # (N*C', L)
        return torch.unflatten(taps, 0, (-1, self.aggregated))

    @staticmethod
    def aggregate(x: Tensor, kernel: Tensor) -> Tensor:
        """Eq. 3: out[u] = sum over l of kernel[l] x[u + l - (L - 1) / 2], zero outside 0..U-1.

        x: (N, U, C', *space); kernel: (N, C', L)."""
        taps = kernel.shape[-1]
        outside = x.new_zeros(len(x), taps // 2, *x.shape[2:])
        padded = torch.cat([outside, x, outside], dim=1)                   # (N, U + L - 1, C', ..)
        neighbours = padded.unfold(1, taps, 1)                             # (N, U, C', *space, L)
        weights = kernel.reshape(len(x), 1, -1, *[1] * (x.ndim - 3), taps)
        return (neighbours * weights).sum(-1)

    def require_snippets(self, x: Tensor) -> None:
        """Raises ModelError for features that are not whole clips of this module's channels."""
        if x.shape[0] % self.num_snippets or x.shape[1] != self.channels:
            raise ModelError(
                f"DSA input is {tuple(x.shape)}",
                f"a multiple of {self.num_snippets} snippets with {self.channels} channels",
                "Fold clips and snippets into the first dimension, clip by clip.",
            )

    def init_as_shift(self) -> None:
        """Begin with kernels that mostly take the snippet before, for a module that is put into a
        trained network: much like TSM's shift (Lin et al., ICCV 2019), by a snippet. From even
        kernels, as they are initialised, the layers behind learn nothing of the order of snippets.
        """
        norm, last = cast(nn.BatchNorm1d, self.generate[1]), cast(nn.Linear, self.generate[3])
        with torch.no_grad():
            norm.bias.fill_(1.0)  # hidden units that are on whatever comes
            last.weight[0] += SHIFT_LOGIT / last.in_features

    def extra_repr(self) -> str:
        aggregated = f"{self.aggregated} aggregated over {self.num_snippets} snippets"
        return f"{self.channels} channels, {aggregated}, kernel_size={self.kernel_size}"


def insert_dsa(
    network: nn.Module,
    *,
    stages: Iterable[int] = (3, 4), position: Position = "II", every: int = 2,
    num_snippets: int = 4, kernel_size: int = 3, alpha: int = 2, beta: float = 1 / 8,
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
    for block in chosen_blocks(network, stages, every):
        convolutions = 3 if hasattr(block, "conv3") else 2
        done = min(POSITIONS.index(position), convolutions)  # convolutions before it
        place = f"before{done + 1}" if done < convolutions else f"after{done}"
        channels = norm_channels(block, done) if done else cast(nn.Conv3d, block.conv1).in_channels
        insert(block, place, "dsa", DSA(channels, num_snippets, kernel_size, alpha, beta))
    if isinstance(network, VideoNetwork):
        network.num_snippets = num_snippets
    name_hook_points(network)
