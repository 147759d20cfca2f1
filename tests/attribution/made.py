"""Networks and clips in which the truth about an attribution is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dsanet_core.datasets import open_dataset
from dsanet_core.hooks import HookPoint, name_hook_points
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Clips
from dsanet_core.zoo import model_spec
from tests.weights import tiny_network

SNIPPET, FRAME = 1, 2
ROWS, COLUMNS = slice(16, 32), slice(32, 48)
"""What `Looking` looks at: this patch of frame FRAME of snippet SNIPPET of a view."""


class Looking(VideoNetwork):
    """Category 0 is the brightness of one patch of one frame, category 1 is never likely."""

    def __init__(self) -> None:
        super().__init__(1, 25, 0.0)
        self.hook_res5 = HookPoint("snippet", "channel", "frame", "row", "column")
        with torch.no_grad():
            self.fc.weight.zero_()
            self.fc.bias.zero_()
            self.fc.weight[0] = 40.0
        self.spec = replace(model_spec("dsa_i3d_synth"), name="looking")
        name_hook_points(self)

    def encode(self, clips: Tensor) -> Tensor:
        seen = torch.zeros_like(clips[:, :, :1])                         # (N, U, 1, T, H, W)
        place = (slice(None), SNIPPET, 0, FRAME, ROWS, COLUMNS)
        seen[place] = clips.mean(2)[:, SNIPPET, FRAME, ROWS, COLUMNS] + 1
        features = self.hook_res5(seen.flatten(0, 1)).unflatten(0, clips.shape[:2])
        return features.mean((3, 4, 5)) * 16


def small(row: str = "dsa_i3d_synth") -> VideoNetwork:
    """`tiny_network` on pictures of half the side: a quarter of the work."""
    network = tiny_network(row)
    protocol = replace(network.spec.protocol, resize=36, crop=32)
    network.spec = replace(network.spec, protocol=protocol)
    return network


def looking() -> VideoNetwork:
    return Looking().eval()


def clips_of(network: VideoNetwork, index: int = 0, seed: int = 5) -> Clips:
    """A benchmark video as the network samples it."""
    dataset = open_dataset(f"synth:seed={seed},n={index + 1}")
    return dataset.clips(index, network.spec.protocol.sampling)


def bright_clips(network: VideoNetwork) -> Clips:
    """Clips of one colour that is far from the mean colour."""
    clips = clips_of(network)
    rgb = np.full_like(clips.frames.rgb, 230)
    return replace(clips, frames=replace(clips.frames, rgb=rgb))
