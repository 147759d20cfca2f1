"""Golden logits: each row of the zoo with weights and input that no random generator can change.

    python -m tests.models.goldens     writes goldens.json again, after a change that is meant
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import create_model, list_models, model_spec

FILE = Path(__file__).with_name("goldens.json")
FIRST = 8
"""Logits kept: those of the first classes."""

_NOISE = np.random.RandomState(0).standard_normal(10007)  # RandomState's stream is frozen


def noise(key: str, shape: tuple[int, ...]) -> Tensor:
    """The fixed noise, wrapped into a shape, from a place that depends on the key."""
    start = zlib.crc32(key.encode()) % len(_NOISE)
    return torch.from_numpy(np.resize(np.roll(_NOISE, -start), shape)).double()


def fill(network: VideoNetwork) -> VideoNetwork:
    """Fixed float64 weights and statistics that keep activations near 1; evaluation mode."""
    network.double().eval()
    for key, value in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        filled = noise(key, tuple(value.shape))
        if value.ndim > 1:
            filled *= math.sqrt(2 / value[0].numel())
        elif key.endswith("running_var"):
            filled = 1 + filled.abs() / 2
        elif key.endswith("weight"):
            filled = 1 + filled / 10
        else:
            filled /= 10
        value.copy_(filled)
    return network


def golden_clips(name: str) -> Tensor:
    """One clip of noise in the shape that a row takes, (1, U, 3, T, 16, 24)."""
    protocol = model_spec(name).protocol
    frames = protocol.sampling.frames_per_snippet
    return noise("clips", (1, protocol.group_size, 3, frames, 16, 24))


def golden(name: str) -> list[float]:
    with torch.no_grad():
        logits = fill(create_model(name))(golden_clips(name))
    return [round(value, 8) for value in logits[:, :FIRST].flatten().tolist()]


if __name__ == "__main__":
    values = {name: golden(name) for name in list_models()}
    FILE.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
