"""Clips to network input, as the protocol of the model says."""

from __future__ import annotations

import torch
from torch import Tensor

from dsanet_core.records import Clips, Protocol

MAX_ASPECT = 8
"""Pictures longer than this times their short side are cut to their middle before resizing."""


def to_tensor(clips: Clips, protocol: Protocol) -> Tensor:
    """Network input (views, U, 3, T, H, W), float32 and normalised; views as in
    `Protocol.snippet_of_view`: crops vary slowest, then the interleaved groups.

    Every distinct frame is resized (short side, antialiased bilinear), cropped (centre, or three
    squares along the long side: DSANet, section 4.2), resized again where the protocol has another
    resolution, and normalised once. Raises ValueError for clips that were sampled in another way
    than the protocol says.
    """
    from torchvision.transforms.v2 import functional as tv

    if clips.sampling != protocol.sampling:
        raise ValueError(f"clips of {clips.sampling}; the protocol expects {protocol.sampling}")
    frames = torch.from_numpy(clips.frames.rgb).permute(0, 3, 1, 2)  # (F, 3, h, w)
    frames = _cut_to_aspect(frames)
    frames = tv.resize(frames, [protocol.resize], antialias=True)
    crops = torch.stack(three_crops(frames, protocol.crop))  # (3, F, 3, H, W)
    if protocol.num_crops == 1:
        crops = crops[1:2]
    if protocol.side != protocol.crop:
        crops = tv.resize(crops, [protocol.side, protocol.side], antialias=True)
    pixels = crops.to(torch.float32) / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (protocol.mean, protocol.std))
    pixels = pixels.sub_(mean).div_(std)

    rows = torch.from_numpy(clips.position[protocol.snippet_of_view])  # (views, U, T)
    crop_index = torch.arange(protocol.num_views) // protocol.num_groups
    chosen = pixels[crop_index[:, None, None], rows]  # (views, U, T, 3, H, W)
    return chosen.transpose(2, 3).contiguous()


def three_crops(frames: Tensor, side: int) -> list[Tensor]:
    """Squares (..., side, side) at the start, middle and end of the long side of (..., h, w)."""
    height, width = frames.shape[-2:]
    places = []
    for part in (0.0, 0.5, 1.0):
        along = (0.5, part) if width >= height else (part, 0.5)
        top, left = int((height - side) * along[0]), int((width - side) * along[1])
        places.append(frames[..., top : top + side, left : left + side])
    return places


def _cut_to_aspect(frames: Tensor) -> Tensor:
    height, width = frames.shape[-2:]
    most = MAX_ASPECT * min(height, width)
    top, left = max(height - most, 0) // 2, max(width - most, 0) // 2
    return frames[..., top : top + most, left : left + most]
