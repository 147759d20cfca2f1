"""Temporal shift: TSM (Lin et al., ICCV 2019), the 2D backbone of both papers."""

from __future__ import annotations

from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.models.insert import ALL_STAGES, chosen_blocks, insert


class TemporalShift(nn.Module):
    """Moves the first C // div channels one frame back in time, the next C // div one frame forth.

    (B, C, T, H, W) in and out; what comes from outside the T frames is zero. No parameters.
    """

    def __init__(self, div: int = 8) -> None:
        super().__init__()
        if div < 2:
            raise ModelError(f"div {div}", "at least 2", "Use 8, as the paper.")
        self.div = div

    def forward(self, x: Tensor) -> Tensor:
        fold = x.shape[1] // self.div
        out = x.clone()
        out[:, : 2 * fold] = 0
        out[:, :fold, :-1] = x[:, :fold, 1:]
        out[:, fold : 2 * fold, 1:] = x[:, fold : 2 * fold, :-1]
        return out

    def extra_repr(self) -> str:
        return f"1/{self.div} of the channels each way"


def insert_shift(network: nn.Module, *, div: int = 8) -> None:
    """Shift the input of the residual branch of every block ("residual shift"), in place.

    Networks with 23 blocks or more in res4 (ResNet-101) shift every second block of each stage,
    the first one included (`n_round` of the authors' code).
    """
    deep = len(list(chosen_blocks(network, [4]))) >= 23
    for stage in ALL_STAGES:
        blocks = list(chosen_blocks(network, [stage]))
        for block in blocks[:: 2 if deep else 1]:
            insert(block, "before1", "shift", TemporalShift(div))
