"""Small networks with weights on disk, for tests that go through a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from dsanet_core.checkpoints import save_checkpoint
from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import build_model, model_spec


def tiny_network(row: str = "dsa_i3d_synth", *, seed: int = 0) -> VideoNetwork:
    """A zoo row of the embedded benchmark at a quarter of its width, random weights."""
    spec = model_spec(row)
    torch.manual_seed(seed)
    network = build_model(replace(spec, name=f"tiny_{row}", args=spec.args | {"width": 4}))
    with torch.no_grad():
        network.fc.weight.mul_(30)  # random features hardly differ: make their scores differ
    return network.eval()


def preferring(best: list[int], row: str = "dsa_i3d_synth") -> VideoNetwork:
    """A network that ranks these classes best, in this order, whatever it sees."""
    network = tiny_network(row)
    with torch.no_grad():
        network.fc.weight.zero_()
        network.fc.bias.zero_()
        for rank, index in enumerate(best):
            network.fc.bias[index] = len(best) - rank
    return network


def save_tiny(folder: Path, row: str = "dsa_i3d_synth", *, seed: int = 0) -> Path:
    """A checkpoint file of `tiny_network`."""
    path = folder / f"tiny_{row}.safetensors"
    save_checkpoint(path, tiny_network(row, seed=seed), trained_on="nothing: random weights")
    return path
