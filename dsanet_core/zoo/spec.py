"""Rows of the zoo, and building a network from one.

A model is a row, not a branch: builder and arguments, the protocol that turns a video into its
input, and its class names, all that must travel with weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch

from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.json_values import record_from
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.baselines import (
    group_convolutions,
    insert_4d,
    insert_se,
    insert_shift,
)
from dsanet_core.models.dsa import insert_dsa
from dsanet_core.models.resnet import Axis, Temporal, VideoResNet
from dsanet_core.models.sda import insert_sda
from dsanet_core.records import Protocol


@dataclass(frozen=True)
class ModelSpec:
    """One network: its builder, its test protocol and the names of its classes.

    build: key of `BUILDERS`; args: the builder's keyword arguments, JSON values only.
    protocol: the test protocol; its group_size is the U of one forward.
    """

    name: str
    build: str
    protocol: Protocol
    classes: tuple[str, ...]
    args: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    reference: str = ""

    @property
    def consensus(self) -> str:
        """The part that mixes snippets before scores are averaged: a key of
        `records.SNIPPET_MIXING`."""
        if "dsa" in self.args or "fourd" in self.args:
            return "dsa" if "dsa" in self.args else "4d"
        if self.args.get("axis") != "clip":
            return "average"
        inside = [part for part in ("sda", "shift") if part in self.args]
        three = self.build != "tsn_resnet" or "gst" in self.args
        return inside[0] if inside else "3d" if three else "average"

    def to_dict(self) -> dict[str, Any]:
        """JSON values, as stored in a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelSpec:
        """Inverse of `to_dict`, also after a trip through JSON. Raises CheckpointError."""
        try:
            return record_from(cls, dict(values))
        except ValueError as error:
            raise CheckpointError(
                f"model spec is not understood ({error})",
                "the fields of ModelSpec as to_dict() writes them",
                "Save the checkpoint again with this version.",
            ) from error


PARTS: dict[str, Callable[..., None]] = {
    "gst": group_convolutions,
    "shift": insert_shift,
    "dsa": insert_dsa,
    "se": insert_se,
    "sda": insert_sda,
    "fourd": insert_4d,
}
"""Modules that a backbone takes: argument of a row -> function that inserts them."""


def _resnet(
    num_classes: int,
    *,
    temporal: Temporal,
    depth: int,
    axis: Axis = "snippet",
    width: int = 64,
    dropout: float = 0.5,
    **parts: Mapping[str, Any],
) -> VideoResNet:
    """parts: for each of `PARTS` that stands in the network its keyword arguments."""
    if unknown := set(parts) - set(PARTS):
        raise TypeError(f"unexpected argument {sorted(unknown)[0]!r}")
    network = VideoResNet(
        depth, num_classes, temporal=temporal, axis=axis, width=width, dropout=dropout
    )
    for name, put in PARTS.items():
        if name in parts:
            put(network, **parts[name])
    return network


BUILDERS: dict[str, Callable[..., VideoNetwork]] = {
    "tsn_resnet": partial(_resnet, temporal="none"),
    "i3d_resnet": partial(_resnet, temporal="i3d"),
    "c3d_resnet": partial(_resnet, temporal="c3d"),
}


def build_model(spec: ModelSpec) -> VideoNetwork:
    """The network of a row with random weights, in training mode, `.spec` set.

    Its convolutions lie channels-last in memory, in which large networks take about a quarter less
    time on a CPU.
    """
    try:
        network = BUILDERS[spec.build](len(spec.classes), **spec.args)
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"builder {spec.build!r} with {spec.args} ({error})",
            f"one of {sorted(BUILDERS)} and arguments it takes",
            "Was this spec written by a newer version?",
        ) from error
    network.spec = spec
    return network.to(memory_format=torch.channels_last_3d)
