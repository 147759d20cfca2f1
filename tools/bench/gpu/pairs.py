"""The networks that are measured, and their input."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import build_model, model_spec
from tools.bench.gpu.modes import Mode
from tools.bench.gpu.stage import Stage

I3D_SHAPE = (4, 3, 4, 224, 224)
TSN_SHAPE = (8, 3, 1, 224, 224)


class Pair(NamedTuple):
    """A network and the one it is an addition to; shape of one clip, (U, 3, T, H, W)."""

    network: str
    plain: str
    shape: tuple[int, ...]
    max_batch: int

    @property
    def rows(self) -> tuple[str, str]:
        return self.network, self.plain


PAIRS = (
    Pair("dsa_i3d_r50", "i3d_r50", I3D_SHAPE, 64),
    Pair("sda_tsn_r50", "tsn_r50", TSN_SHAPE, 128),
)
DSANET = PAIRS[0].network


def named(row: str, mode: Mode) -> str:
    return f"{row}, {mode.name}"


def build(stage: Stage, row: str) -> VideoNetwork:
    """A row with random weights, the same every time; in a dry run a small one of its kind."""
    spec = model_spec(row)
    if stage.dry:
        spec = replace(spec, args=spec.args | {"depth": 18, "width": 8})
    torch.manual_seed(0)
    return build_model(spec)


def clip_shape(stage: Stage, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:3], 32, 32) if stage.dry else shape


def draw(stage: Stage, batch: int, shape: tuple[int, ...]) -> Tensor:
    """Clips of normally distributed pixels, (batch, U, 3, T, H, W)."""
    generator = torch.Generator(stage.device).manual_seed(0)
    return torch.randn(batch, *shape, device=stage.device, generator=generator)
