"""Sanity check of attribution methods: a map has to change with the weights (Adebayo et al., 2018,
"Sanity Checks for Saliency Maps")."""

from __future__ import annotations

import numpy as np
import torch

from dsanet_core.analysis import protocol_of
from dsanet_core.inference import prepare
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array
from dsanet_core.zoo import build_model


def randomised(network: VideoNetwork, *, seed: int = 0) -> VideoNetwork:
    """The same network with random weights as before training, on the device and in the format of
    the network, prepared for inference."""
    protocol_of(network)
    weight = next(network.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        other = build_model(network.spec)
    return prepare(other.to(weight.device, weight.dtype))


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's, of two maps of one shape, place by place; 0 where one of them is flat."""
    from scipy.stats import spearmanr

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b, axis=None).statistic)
