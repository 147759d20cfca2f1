"""Squeeze-and-Excitation (Hu et al., CVPR 2018) on video, the comparison of DSANet, Table 2h."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from dsanet_core.models.insert import chosen_blocks, convolutions, insert_before, norms


class SqueezeExcitation(nn.Module):
    """Rescales every channel by a gate made of the channels' global averages over (T, H, W)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.excite = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) in and out."""
        gate: Tensor = self.excite(x.mean((2, 3, 4)))  # (B, C)
        return x * gate[:, :, None, None, None]


def insert_se(
    network: nn.Module, *, stages: Iterable[int] = (3, 4), every: int = 2, reduction: int = 16
) -> None:
    """Put SE where DSA stands by default, before the second convolution of every second block of
    res3 and res4, in place: "SE module to replace the DSA module" (DSANet, Table 2h)."""
    for block in chosen_blocks(network, stages, every):
        se = SqueezeExcitation(norms(block)[0].num_features, reduction)
        insert_before(block, convolutions(block)[1], "se", se)
