"""The zoo: a table of networks, each row with everything that belongs to its weights.

References: DSANet (Wu et al., 2021), SDA (Tan et al., 2021).
"""

from __future__ import annotations

import copy
from dataclasses import replace
from difflib import get_close_matches
from functools import cache

from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import PRECISIONS, SNIPPET_MIXING, Protocol
from dsanet_core.zoo.rows import ENSEMBLES, TEST_PROTOCOLS, all_rows, placeholder_classes
from dsanet_core.zoo.spec import BUILDERS, ModelSpec, build_model

__all__ = [
    "BUILDERS",
    "ENSEMBLES",
    "SNIPPET_MIXING",
    "TEST_PROTOCOLS",
    "ModelSpec",
    "build_model",
    "create_model",
    "list_models",
    "model_spec",
    "with_protocol",
]


@cache
def _table() -> dict[str, ModelSpec]:
    return {spec.name: spec for spec in all_rows()}


def list_models() -> list[str]:
    """Names of all rows of the zoo."""
    return list(_table())


def model_spec(name: str) -> ModelSpec:
    """The row of a name. Raises ModelError, with the closest names, if there is none."""
    table = _table()
    if name not in table:
        close = get_close_matches(name, table, n=3, cutoff=0) or list(table)
        raise ModelError(f"no model {name!r}", "a name of the zoo", f"Close: {', '.join(close)}.")
    return table[name]


def create_model(name: str, num_classes: int | None = None) -> VideoNetwork:
    """The network of a zoo row with random weights.

    num_classes: number of outputs, if not that of the row; they are called "class 0", ...
    """
    spec = model_spec(name)
    if num_classes is not None and num_classes != len(spec.classes):
        spec = replace(spec, classes=placeholder_classes(num_classes))
    return build_model(spec)


def with_protocol(
    network: VideoNetwork,
    protocol: str | Protocol | None = None,
    *,
    clips: int | None = None,
    crops: int | None = None,
    precision: str | None = None,
) -> VideoNetwork:
    """A network under another test protocol. It shares its parameters with the given one, whose own
    protocol does not change.

    protocol: a name of `TEST_PROTOCOLS`; None: the network's own. clips: groups of group_size
    snippets; crops: 1 or 3; precision: "float32", or "bfloat16" or "float16" by autocast; each
    None: that of the protocol.
    Raises ModelError for an unknown protocol, and one that does not fit the network: another number
    of frames per snippet, of snippets per clip where the network mixes them, another input size or
    normalisation.
    """
    if network.spec is None:
        raise ModelError("a network without a spec", "one of the zoo", "Use create_model().")
    own: Protocol = network.spec.protocol
    if isinstance(protocol, str):
        if protocol not in TEST_PROTOCOLS:
            raise ModelError(
                f"no protocol {protocol!r}", f"one of {', '.join(TEST_PROTOCOLS)}",
                "Choose one of them, or change clips and crops of the network's own.",
            )
        name, chosen = protocol, TEST_PROTOCOLS[protocol]
    else:
        name, chosen = "of one's own", protocol or own
    if mismatch := _mismatch(network, chosen):
        raise ModelError(
            f"protocol {name} for {network.spec.name}: {mismatch[0]}", mismatch[1],
            "Choose a protocol of this network's papers, or change clips and crops of its own.",
        )
    try:
        if clips is not None:
            sampling = replace(chosen.sampling, num_snippets=clips * chosen.group_size)
            chosen = replace(chosen, sampling=sampling)
        if crops is not None:
            chosen = replace(chosen, num_crops=crops)
        if precision is not None:
            chosen = replace(chosen, precision=precision)
    except ValueError as error:
        raise ModelError(
            f"{clips} clips, {crops} crops and precision {precision} ({error})",
            f"at least 1 clip, 1 or 3 crops, one of {', '.join(PRECISIONS)}", "Choose such.",
        ) from error
    view = copy.copy(network)  # of the module alone: its parts and parameters are the same objects
    view.spec = replace(network.spec, protocol=chosen)
    return view


def _mismatch(network: VideoNetwork, protocol: Protocol) -> tuple[str, str] | None:
    """(property of the protocol, expected value) that does not fit the network; None if it fits."""
    own: Protocol = network.spec.protocol
    frames, expected = (p.sampling.frames_per_snippet for p in (protocol, own))
    if frames != expected:
        return f"{frames} frames per snippet", f"{expected}"
    if network.spec.consensus != "average" and protocol.group_size != own.group_size:
        return f"{protocol.group_size} snippets in a clip", f"{own.group_size}"
    if protocol.side != own.side:
        return f"input of {protocol.side} pixels", f"{own.side}"
    if (protocol.mean, protocol.std) != (own.mean, own.std):
        return f"mean {protocol.mean}, std {protocol.std}", f"{own.mean}, {own.std}"
    return None
