"""What is known of networks before any of them runs: every row of the zoo with its cost and the
weights that are here, and the papers' printed figures beside ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dsanet_core.counting import complexity
from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import ModelSpec, build_model, list_models, model_spec
from dsanet_core.zoo.paper_tables import Counted, Published, published_rows

TOLERANCE = 0.015
"""Multiply-adds match within this share of the printed figure: counters differ in what they count
beside convolutions and linear layers."""


@dataclass(frozen=True)
class Network:
    """One row of the zoo. params, macs: of one view, counted; views: of its own test protocol, in
    words in `protocol`. weights: files here; accuracy: what was measured with the first of them, as
    fractions, empty without."""

    name: str
    description: str
    reference: str
    params: int
    macs: int
    views: int
    classes: int
    protocol: str
    weights: tuple[str, ...]
    accuracy: Mapping[str, Any]

    @property
    def video_macs(self) -> int:
        """Multiply-adds of a whole video."""
        return self.macs * self.views


@dataclass(frozen=True)
class Comparison:
    """A printed row and what is counted here; None where this package does not build it."""

    row: Published
    params: int | None
    macs: int | None

    @property
    def params_equal(self) -> bool | None:
        """Whether parameters are those printed, to the last printed digit; None: not printed."""
        if self.params is None or not self.row.params:
            return None
        digits = len(self.row.params.partition(".")[2])
        return f"{self.params / 1e6:.{digits}f}" == self.row.params

    @property
    def macs_error(self) -> float | None:
        """Our multiply-adds over the printed ones, minus 1; None: not printed."""
        if self.macs is None or not self.row.macs:
            return None
        return self.macs / (float(self.row.macs) * 1e9) - 1

    @property
    def is_matched(self) -> bool | None:
        """Whether all that is printed is met; None if there is nothing to compare."""
        error = self.macs_error
        verdicts = (self.params_equal, None if error is None else abs(error) <= TOLERANCE)
        known = [verdict for verdict in verdicts if verdict is not None]
        return all(known) if known else None


def list_networks(manifest: Mapping[str, Mapping[str, Any]]) -> list[Network]:
    """Every row of the zoo, its cost counted, its weights and their accuracy from the manifest
    (`checkpoints.read_manifest`)."""
    return [
        network_of(
            name, model_spec(name), [e for e in manifest.values() if e["model"] == name]
        )
        for name in list_models()
    ]


def network_of(name: str, spec: ModelSpec, weights: Sequence[Mapping[str, Any]]) -> Network:
    """What a row says under a name, its cost counted. weights: entries of those that are here."""
    cost = complexity(_shapes_of(spec))
    return Network(
        name=name,
        description=spec.description,
        reference=spec.reference,
        params=cost.params,
        macs=cost.macs,
        views=spec.protocol.num_views,
        classes=len(spec.classes),
        protocol=spec.protocol.describe(),
        weights=tuple(entry["file"] for entry in weights),
        accuracy=weights[0]["accuracy"] if weights else {},
    )


def compare_with_papers() -> list[Comparison]:
    """The papers' rows in their order, each beside what is counted here.

    An ensemble has the parameters and multiply-adds of its members together.
    """
    costs: dict[str, tuple[int, int]] = {}  # many rows are the same network on the same input
    compared = []
    for row in published_rows():
        members = []
        for network in row.networks:
            key = _key(network)
            if key not in costs:
                costs[key] = _cost(network)
            members.append(costs[key])
        params = sum(params for params, _ in members) if members else None
        macs = sum(macs for _, macs in members) if members else None
        compared.append(Comparison(row, params, macs))
    return compared


def _key(network: Counted) -> str:
    """The same for what costs the same."""
    spec, shape = network
    return json.dumps([spec.build, spec.args, len(spec.classes), shape], sort_keys=True)


def _cost(network: Counted) -> tuple[int, int]:
    cost = complexity(_shapes_of(network.spec), input_shape=network.input_shape)
    return cost.params, cost.macs


def _shapes_of(spec: ModelSpec) -> VideoNetwork:
    """A network without values. It is counted outside of the context, which slows every call."""
    with torch.device("meta"):
        return build_model(spec)
