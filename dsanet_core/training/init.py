"""The network that a training begins with."""

from __future__ import annotations

import torch

from dsanet_core.checkpoints import load_imagenet, start_from
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.dsa import DSA
from dsanet_core.training.recipe import Recipe
from dsanet_core.zoo import build_model


def start_network(
    recipe: Recipe, classes: tuple[str, ...], *, seed: int
) -> tuple[VideoNetwork, str, frozenset[str]]:
    """The network of a recipe with the weights it starts from, where from in words, and the names
    of what begins anew beside them. Raises CheckpointError if there are no such weights or they do
    not fit."""
    torch.manual_seed(seed)
    network = build_model(recipe.spec(classes))
    if recipe.init == "random":
        return network, "random weights", frozenset()
    if recipe.init == "imagenet":
        return network, "ImageNet", frozenset(load_imagenet(network).fresh)
    start = start_from(network, recipe.init)
    new = frozenset(start.fresh)
    words = f"{recipe.init}: {len(start.copied)} tensors copied"
    if new:
        words += f", {len(new)} begin anew such as {start.fresh[0]}"
    if start.left:
        words += f", {len(start.left)} left out such as {start.left[0]}"
    if recipe.lean:
        for name, module in network.named_modules():
            if isinstance(module, DSA) and f"{name}.generate.0.weight" in new:
                module.init_as_shift()
    return network, words, new
