"""ImageNet weights of torchvision's 2D ResNets for the networks of the papers, by inflation (I3D,
Carreira and Zisserman, 2017)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dsanet_core.errors import CheckpointError

INSERTED = frozenset({"dsa", "sda", "se", "fourd"})
"""Names of inserted modules: their parameters, and the classifier's, are not ImageNet's."""


def inflate_imagenet(network: nn.Module, state_dict_2d: Mapping[str, Tensor]) -> None:
    """Load the weights of a 2D ResNet of torchvision's names into its counterpart over video.

    A 2D kernel is repeated over the kt taps in time and divided by kt, so that a video of equal
    frames gives the features of the frame (away from the zero padding in time). GST's groups take
    their slices of the 2D kernel. The classifier `fc` and whatever the 2D network does not have
    (DSA, SDA, SE, 4D convolutions) keep their values.
    Raises CheckpointError if a backbone tensor is missing or does not fit.
    """
    inflated = {}
    for key, target in network.state_dict().items():
        if key.startswith("fc.") or INSERTED.intersection(key.split(".")):
            continue
        source, wanted = _source(key, target, state_dict_2d), target.shape
        if target.ndim == 5:
            wanted = wanted[:2] + wanted[3:]
        if source is None or source.shape != wanted:
            found = "missing" if source is None else f"of shape {tuple(source.shape)}"
            raise CheckpointError(
                f"2D tensor {key!r} is {found}",
                f"{tuple(wanted)}",
                "Give the state dict of a torchvision ResNet of the same depth.",
            )
        if target.ndim == 5:
            source = source[:, :, None].expand_as(target) / target.shape[2]
        inflated[key] = source
    with torch.no_grad():
        network.load_state_dict(inflated, strict=False)


def _source(key: str, target: Tensor, state_dict_2d: Mapping[str, Tensor]) -> Tensor | None:
    """The 2D tensor behind a key; of GST's `conv2.spatial` and `conv2.temporal`, their share."""
    block, _, group = key.removesuffix(".weight").rpartition(".")
    if group not in ("spatial", "temporal"):
        return state_dict_2d.get(key)
    whole = state_dict_2d.get(f"{block}.weight")
    if whole is None or group == "spatial":
        return whole if whole is None else whole[: target.shape[0], : target.shape[1]]
    return whole[-target.shape[0] :, -target.shape[1] :]
