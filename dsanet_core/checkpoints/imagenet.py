"""Weights that torchvision publishes."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

import torch

from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.transfer import Start, transfer


def load_imagenet(network: VideoNetwork) -> Start:
    """Start a network of the papers from ImageNet: torchvision's ResNet of its depth, inflated.

    The weights are IMAGENET1K_V1, those of the papers' time; torch.hub fetches them once and keeps
    them in its folder. What the 2D network does not have keeps its values; returns what `transfer`
    does.
    Raises ModelError for a network that is no ResNet of full width, CheckpointError if the weights
    can be neither found nor fetched.
    """
    args = {} if network.spec is None else network.spec.args
    name, width = f"resnet{args.get('depth')}", args.get("width", 64)
    if name not in ("resnet18", "resnet50", "resnet101") or width != 64:
        raise ModelError(
            "a network without a spec" if network.spec is None
            else f"{network.spec.name}: {name} of width {width}",
            "a row of the zoo with a ResNet-18, 50 or 101 of width 64, as on ImageNet",
            "Take such a row, or load weights of your own.",
        )
    from torchvision.models import get_model_weights

    weights = get_model_weights(name).IMAGENET1K_V1
    try:
        state_dict = weights.get_state_dict(check_hash=True, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        reason = (str(error).splitlines() or [""])[0][:200]
        raise CheckpointError(
            f"{weights.url} could not be fetched or read ({type(error).__name__}: {reason})",
            f"a network connection, or an intact {Path(weights.url).name} in {folder}",
            "Put the file there, or give a state dict of your own to transfer().",
        ) from error
    return transfer(network, state_dict)
