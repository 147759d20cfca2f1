"""One look at a network that somebody else trained: do its outputs live?

A wrong normalisation or a key in the wrong place leaves a network that loads and answers nonsense.
It cannot be told from a good one without videos, but the grossest faults can: outputs that do not
depend on what is shown, features that are zero, one answer for everything with all certainty.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dsanet_core.hooks import capture
from dsanet_core.models.base import VideoNetwork
from dsanet_core.synthetic import make_video

SIDE = 112
VIDEOS = 4
SATURATED = 0.9999
DEAD_SHARE = 0.5
SAME = 1e-4
"""Outputs that differ by less than this share of their size between videos depend on nothing."""


def look_at(network: VideoNetwork) -> tuple[str, list[str]]:
    """What was shown, and what is wrong with the outputs, in words; nothing where they live.

    The network is shown a few drawn videos, normalised as its protocol says.
    """
    shape = network.spec.protocol.view_shape
    clips = torch.cat([_clip(number, shape[1], shape[3]) for number in range(VIDEOS)])
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in
                 (network.spec.protocol.mean, network.spec.protocol.std))
    with torch.no_grad(), capture(["hook_features"]) as captured:
        scores = torch.cat([network(clip[None].sub(mean).div(std)) for clip in clips])
    shown = f"{VIDEOS} drawn videos, {shape[1]} x {shape[3]} frames of {SIDE}x{SIDE}"
    features = torch.as_tensor(captured["hook_features"]).flatten(0, -2)
    return shown, _faults(scores, features)


def _clip(number: int, snippets: int, frames: int) -> Tensor:
    """(1, U, 3, T, H, W) of 0 to 1: frames spread over a drawn video."""
    at = torch.linspace(0, 63, snippets * frames).long().numpy()
    rgb = make_video(0, number, size=(SIDE, SIDE)).rgb[at]
    pixels = torch.from_numpy(rgb).float().div(255).permute(3, 0, 1, 2)
    return pixels.view(3, snippets, frames, SIDE, SIDE).transpose(0, 1)[None]


def _faults(scores: Tensor, features: Tensor) -> list[str]:
    if not bool(scores.isfinite().all()):
        return ["outputs are not finite"]
    found = []
    if float(scores.std(0).max()) <= SAME * float(scores.abs().max()):
        found.append("outputs are dead: they are the same for every video shown")
    elif float(scores.softmax(-1).amax(-1).min()) > SATURATED:
        found.append("outputs are saturated: one category has all the probability for every video "
                     "shown; is the normalisation that of the training?")
    dead = float((features.amax(0) <= 0).float().mean())
    if dead > DEAD_SHARE:
        found.append(f"{dead:.0%} of the features are zero for every video shown")
    return found
