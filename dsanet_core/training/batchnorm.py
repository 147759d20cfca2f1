"""Training modes of BatchNorm: normal, synchronised, partial and frozen."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dsanet_core.errors import LensError
from dsanet_core.training.recipe import BatchNormMode
from dsanet_core.workers import Workers
from dsanet_core.zoo.spec import PARTS


def configure_batchnorm(
    network: nn.Module, norm: BatchNormMode, device: torch.device, workers: Workers
) -> None:
    """Configure a network's BatchNorm for training, in place; call `freeze_statistics` after every
    `train()` of the network.

    normal: statistics of the process's own batch. synchronised: of the batches of all processes,
    requires GPUs. partial: only the first layer of the backbone learns, and those of inserted
    modules, which have no statistics yet (partialBN of TSN). frozen: none learns.
    Raises LensError for several synchronised processes without GPUs.
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


def freeze_statistics(network: nn.Module, norm: BatchNormMode) -> None:
    """Switch frozen BatchNorm layers of a network in training mode to their running statistics."""
    for module in _frozen(network, norm):
        module.eval()


def is_batchnorm(module: nn.Module) -> bool:
    """True for BatchNorm of any kind."""
    return isinstance(module, _BatchNorm)


def _norms(network: nn.Module) -> list[tuple[str, _BatchNorm]]:
    return [(name, part) for name, part in network.named_modules() if isinstance(part, _BatchNorm)]


def _frozen(network: nn.Module, norm: BatchNormMode) -> Iterator[_BatchNorm]:
    if norm not in ("partial", "frozen"):
        return
    norms = _norms(network)
    own = [part for name, part in norms if PARTS.keys().isdisjoint(name.split("."))]
    yield from own[1:] if norm == "partial" else [part for _, part in norms]
