"""The catalogue: every row of the zoo with its cost and available weights, and the comparison of
costs with the papers' tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dsanet_core.counting import complexity
from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import ModelSpec, build_model, list_models, model_spec
from dsanet_core.zoo.paper_tables import CountedNetwork, PaperRow, paper_rows

TOLERANCE = 0.015
"""Relative tolerance of matching multiply-adds: counters differ in the operations counted besides
convolutions and linear layers."""


@dataclass(frozen=True)
class CatalogueRow:
    """A row of the zoo. params, macs: counted, of one view; views: of its test protocol; protocol:
    in words. weights: available files; accuracy: of the first of them, fractions, may be empty."""

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
        """Multiply-adds of a video, all views."""
        return self.macs * self.views


@dataclass(frozen=True)
class PaperComparison:
    """A row of a paper beside the counted cost; None if this package does not build it."""

    row: PaperRow
    params: int | None
    macs: int | None

    @property
    def params_equal(self) -> bool | None:
        """True if the parameters match to the last printed digit; None: not comparable."""
        if self.params is None or not self.row.params:
            return None
        digits = len(self.row.params.partition(".")[2])
        return f"{self.params / 1e6:.{digits}f}" == self.row.params

    @property
    def macs_error(self) -> float | None:
        """Relative deviation of the counted multiply-adds; None: not comparable."""
        if self.macs is None or not self.row.macs:
            return None
        return self.macs / (float(self.row.macs) * 1e9) - 1

    @property
    def is_matched(self) -> bool | None:
        """True if all printed figures match; None if there is nothing to compare."""
        error = self.macs_error
        verdicts = (self.params_equal, None if error is None else abs(error) <= TOLERANCE)
        known = [verdict for verdict in verdicts if verdict is not None]
        return all(known) if known else None


def catalogue_rows(manifest: Mapping[str, Mapping[str, Any]]) -> list[CatalogueRow]:
    """Every row of the zoo with its cost. manifest: as of `checkpoints.read_manifest`."""
    return [
        catalogue_row(
            name, model_spec(name), [e for e in manifest.values() if e["model"] == name]
        )
        for name in list_models()
    ]


def catalogue_row(name: str, spec: ModelSpec, weights: Sequence[Mapping[str, Any]]) -> CatalogueRow:
    """A spec under a name, with its cost. weights: entries of its available weights."""
    cost = complexity(_meta_network(spec))
    return CatalogueRow(
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


def compare_with_papers() -> list[PaperComparison]:
    """The papers' rows in their order, each beside the counted cost.

    The cost of an ensemble is the sum over its members.
    """
    costs: dict[str, tuple[int, int]] = {}  # many rows are the same network on the same input
    compared = []
    for row in paper_rows():
        members = []
        for network in row.networks:
            key = _cost_key(network)
            if key not in costs:
                costs[key] = _cost(network)
            members.append(costs[key])
        params = sum(params for params, _ in members) if members else None
        macs = sum(macs for _, macs in members) if members else None
        compared.append(PaperComparison(row, params, macs))
    return compared


def _cost_key(network: CountedNetwork) -> str:
    """Key that networks of equal cost share."""
    spec, shape = network
    return json.dumps([spec.build, spec.args, len(spec.classes), shape], sort_keys=True)


def _cost(network: CountedNetwork) -> tuple[int, int]:
    cost = complexity(_meta_network(network.spec), input_shape=network.input_shape)
    return cost.params, cost.macs


def _meta_network(spec: ModelSpec) -> VideoNetwork:
    """The network on the meta device; to be used outside of the context, which slows every call."""
    with torch.device("meta"):
        return build_model(spec)
