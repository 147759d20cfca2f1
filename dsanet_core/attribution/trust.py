"""Measured reliability of attribution methods, and the comparison with random weights (Adebayo et
al., 2018, "Sanity Checks for Saliency Maps")."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from dsanet_core import atomic
from dsanet_core.analysis import protocol_of
from dsanet_core.checkpoints import FOLDER
from dsanet_core.inference import prepare
from dsanet_core.json_values import parse_json, record_from
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import METHODS, Array, Method, Trust
from dsanet_core.zoo import build_model

FILE = FOLDER / "trust.json"
"""Written by `python -m tools.trust`."""


def trust_of(weights_sha256: str) -> dict[Method, Trust]:
    """Measured reliability of each method for the network with these weights; empty if not
    measured."""
    return {
        trust.method: trust for trust in _measured() if trust.weights_sha256 == weights_sha256
    }


def offered(weights_sha256: str) -> tuple[Method, ...]:
    """Methods whose maps are better than random orders; all where that was not measured."""
    trust = trust_of(weights_sha256)
    return tuple(each for each in METHODS if each not in trust or trust[each].is_offered)


@lru_cache(1)
def _measured() -> tuple[Trust, ...]:
    return read_trust(FILE)


def read_trust(path: Path) -> tuple[Trust, ...]:
    """Records that `write_trust` wrote; none without a file."""
    if not path.is_file():
        return ()
    return record_from(tuple[Trust, ...], parse_json(path.read_text(encoding="utf-8"), list))


def write_trust(path: Path, measured: Iterable[Trust]) -> None:
    """One line per network and method; the file appears whole or not at all."""
    lines = (json.dumps(asdict(trust)) for trust in measured)
    atomic.write_text(path, "[\n" + ",\n".join(lines) + "\n]\n")


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
