"""What stands where something is absent: the mean colour, or a picture that was there before."""

from __future__ import annotations

import torch
from torch import Tensor

MEAN_COLOUR = "the training mean colour, which is zero after normalisation"
NO_FEATURES = "features of zero after the last stage"
STILL = "the frame before it, as if time stood still"


def without_patches(view: Tensor, present: Tensor) -> Tensor:
    """(U, 3, T, H, W) and (n, U, t, rows, columns) bool -> (n, U, 3, T, H, W): cells that are not
    present in the mean colour. t: T, or 1 where cells last a whole snippet."""
    rows, columns = (
        torch.arange(size, device=view.device) * cells // size
        for size, cells in zip(view.shape[-2:], present.shape[-2:], strict=True)
    )
    return view * present.unsqueeze(2)[..., rows[:, None], columns]


def without_frames(view: Tensor, present: Tensor) -> Tensor:
    """(U, 3, T, H, W) and (n, U*T) bool -> (n, U, 3, T, H, W): a frame that is not present shows
    the last one before it that is; before the first of them the first; with none frame 0."""
    frames = view.transpose(1, 2).flatten(0, 1)                          # (U*T, 3, H, W)
    shown = torch.arange(len(frames), device=view.device).where(present, -1).cummax(1).values
    shown = shown.where(shown >= 0, present.int().argmax(1, keepdim=True))   # (n, U*T)
    pictures = torch.unflatten(frames[shown], 1, (view.shape[0], view.shape[2]))
    return pictures.transpose(2, 3)
