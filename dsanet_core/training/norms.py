"""BatchNorm in training: synchronised, partial, frozen."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dsanet_core.errors import LensError
from dsanet_core.training.recipe import Norm
from dsanet_core.workers import Workers
from dsanet_core.zoo.spec import PARTS


def prepare_norms(
    network: nn.Module, norm: Norm, device: torch.device, workers: Workers
) -> None:
    """Make a network's BatchNorm learn as a recipe says, in place; after every `train()` of the
    network `keep_frozen` must follow.

    normal: each process by the videos of its own batch. synchronised: by those of all processes,
    which takes GPUs. partial: the backbone's first one alone, statistics, scale and shift, and
    those of inserted modules, which have no statistics yet (partialBN of TSN). frozen: none.
    Raises LensError for synchronised ones of several processes without GPUs.
    """
    if norm == "synchronised":
        if workers.count > 1 and device.type != "cuda":
            raise LensError(
                f"synchronised BatchNorm of {workers.count} processes on {device.type}", "GPUs",
                "Choose --norm normal, partial or frozen.",
            )
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    for module in _frozen(network, norm):
        for parameter in module.parameters():
            parameter.requires_grad_(False)


def keep_frozen(network: nn.Module, norm: Norm) -> None:
    """Let the BatchNorm of a network in training mode use its statistics where it is frozen."""
    for module in _frozen(network, norm):
        module.eval()


def is_norm(module: nn.Module) -> bool:
    """True for BatchNorm of any kind."""
    return isinstance(module, _BatchNorm)


def _norms(network: nn.Module) -> list[tuple[str, _BatchNorm]]:
    return [(name, part) for name, part in network.named_modules() if isinstance(part, _BatchNorm)]


def _frozen(network: nn.Module, norm: Norm) -> Iterator[_BatchNorm]:
    if norm not in ("partial", "frozen"):
        return
    norms = _norms(network)
    own = [part for name, part in norms if PARTS.keys().isdisjoint(name.split("."))]
    yield from own[1:] if norm == "partial" else [part for _, part in norms]
