"""Trainings that take a second: a tenth of an embedded network on sixteen drawn videos."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from dsanet_core.models.base import VideoNetwork
from dsanet_core.synthetic import CATEGORIES, label_of, make_video
from dsanet_core.training import RECIPES, Recipe, TrainingOptions, fit
from dsanet_core.training.data import RenderedVideos
from dsanet_core.zoo import build_model

TINY = replace(
    RECIPES["dsa_i3d_synth"], videos_per_step=8, epochs=2, warmup=0.5, precision="float32",
    changes={"width": 8},
)
EXACT = replace(TINY, norm="frozen", dropout=0.0, learning_rate=0.02)
"""In which a video's gradient depends on no other video: batches may be divided in any way."""
SIDE = 40
CROP = {"resize": SIDE, "crop": 32}


@cache
def videos(count: int = 16) -> RenderedVideos:
    pixels = np.stack([make_video(1, index, size=(SIDE, SIDE)).rgb for index in range(count)])
    labels = np.array([label_of(index) for index in range(count)])
    return RenderedVideos(pixels, labels, f"drawn {count}")


def network_of(recipe: Recipe, seed: int = 0) -> VideoNetwork:
    torch.manual_seed(seed)
    spec = recipe.spec(CATEGORIES)
    return build_model(replace(spec, protocol=replace(spec.protocol, **CROP)))


def trained(
    recipe: Recipe = TINY, source: Any = None, **how: Any
) -> tuple[VideoNetwork, list[float], list[str]]:
    """A network that was trained, the loss of every step, and what was said."""
    network = network_of(recipe)
    lines: list[str] = []
    losses = fit(recipe, network, source or videos(), TrainingOptions(**{"device": "cpu"} | how),
                 log=lines.append)
    return network, losses, lines
