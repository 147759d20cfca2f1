"""A network that starts from the weights of another: of the same backbone without what was inserted
(DSA, SDA, ...), or of the 2D one, by inflation (I3D, Carreira and Zisserman, 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dsanet_core.errors import CheckpointError

INSERTED = frozenset({"dsa", "sda", "se", "fourd"})
"""Names of inserted modules."""
COUNTER = "num_batches_tracked"


class Start(NamedTuple):
    """Names of tensors: copied into the network, its own that kept their values, and those of the
    source that it has no place for."""

    copied: tuple[str, ...]
    fresh: tuple[str, ...]
    left: tuple[str, ...]


def transfer(
    network: nn.Module, tensors: Mapping[str, Tensor], *, classifier: bool = False
) -> Start:
    """Load into a network what it shares with another ResNet of the same depth.

    tensors: by the names of torchvision's ResNets and of this package, kernels of two or three
    dimensions. A kernel without an extent in time is repeated over the kt taps and divided by kt,
    so that a video of equal frames gives the features of the frame (away from the zero padding in
    time). GST's groups take their slices of the whole kernel. Inserted modules are copied where
    the source has the same ones and else keep their values, as does the classifier `fc` unless
    classifier says that its outputs mean the same.
    Raises CheckpointError if a backbone tensor is missing or does not fit.
    """
    copied: dict[str, Tensor] = {}
    used: set[str] = set()
    for key, target in network.state_dict().items():
        of_classifier = key.startswith("fc.")
        source_key, source = _source(key, target, tensors)
        fitted = None if source is None else _fitted(source, target)
        if of_classifier or INSERTED.intersection(key.split(".")):
            if fitted is None or (of_classifier and not classifier):
                continue
        elif fitted is None and key.endswith(COUNTER):
            continue
        elif fitted is None:
            found = "missing" if source is None else f"of shape {tuple(source.shape)}"
            raise CheckpointError(
                f"tensor {key!r} is {found}",
                f"{tuple(target.shape)}",
                "Start from a ResNet of the same depth and width.",
            )
        assert fitted is not None
        copied[key] = fitted
        used.add(source_key)
    with torch.no_grad():
        network.load_state_dict(copied, strict=False)
    return Start(
        tuple(copied),
        tuple(key for key in network.state_dict() if key not in copied),
        tuple(key for key in tensors if key not in used),
    )


def _fitted(source: Tensor, target: Tensor) -> Tensor | None:
    """The source as the target is laid out; None if it does not fit."""
    if source.ndim == 4 and target.ndim == 5:
        source = source[:, :, None]
    if source.ndim == target.ndim == 5 and source.shape[2] == 1:
        inflated = (*target.shape[:2], 1, *target.shape[3:])
        if source.shape == inflated:
            return source.expand_as(target) / target.shape[2]
    return source if source.shape == target.shape else None


def _source(
    key: str, target: Tensor, tensors: Mapping[str, Tensor]
) -> tuple[str, Tensor | None]:
    """The name and tensor behind a key; of GST's `conv2.spatial` and `conv2.temporal`, their
    share."""
    block, _, group = key.removesuffix(".weight").rpartition(".")
    if group not in ("spatial", "temporal") or key in tensors:
        return key, tensors.get(key)
    whole = tensors.get(f"{block}.weight")
    if whole is None or group == "spatial":
        part = whole if whole is None else whole[: target.shape[0], : target.shape[1]]
    else:
        part = whole[-target.shape[0] :, -target.shape[1] :]
    return f"{block}.weight", part
