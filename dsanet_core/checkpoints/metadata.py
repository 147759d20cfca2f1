"""Metadata of a checkpoint, validated: they come from the file and may hold anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from dsanet_core.checkpoints import CheckpointLimits
from dsanet_core.checkpoints.header import Header, refusal
from dsanet_core.errors import CheckpointError, LensError
from dsanet_core.json_values import parse_json, require_plain
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Protocol
from dsanet_core.text_format import file_size
from dsanet_core.zoo import ModelSpec, build_model

FORMAT = "dsanet-lens checkpoint"
VERSION = 1

MAX_CLASSES, MAX_CLASS_NAME, MAX_WORDS = 50_000, 200, 1000
MAX_NUMBER, MAX_PARTS = 65_536, 64
"""Limits of one builder argument: largest number, most elements of a list or mapping."""
MAX_FRAMES, MAX_STRIDE, MAX_PIXELS = 4096, 10_000, 2048
"""Limits of a protocol: frames of a video, frame stride, side of a frame."""
_SAVE = "Save the checkpoint again with save_checkpoint()."


@dataclass(frozen=True)
class CheckpointMetadata:
    """Everything in a checkpoint but its tensors. familiarity: threshold and true_rate."""

    spec: ModelSpec
    trained_on: str
    recipe: dict[str, Any]
    seed: int | None
    accuracy: dict[str, Any]
    familiarity: dict[str, float] | None


def read_metadata(header: Header, name: str) -> CheckpointMetadata:
    """Validated metadata of a file. Raises CheckpointError for another format or version, and for a
    value of another type or beyond its limits."""
    metadata = header.metadata
    version = metadata.get("version", "")
    if metadata.get("format") != FORMAT or not version.isdecimal() or int(version[:9]) > VERSION:
        raise refusal(
            name, f"says format {metadata.get('format', 'none')[:80]!r}, version {version[:9]!r}",
            f"{FORMAT!r}, version {VERSION} or lower",
            "Load it into create_model(...) with load_weights(), or update this package.",
        )
    trained_on = metadata.get("trained_on", "")
    if len(trained_on) > MAX_WORDS or not trained_on.isprintable():
        raise refusal(name, f"was trained on {trained_on[:80]!r}",
                      f"at most {MAX_WORDS} printable characters", _SAVE)
    return CheckpointMetadata(
        _spec(_value(metadata, "spec", dict, name), name),
        trained_on,
        _value(metadata, "recipe", dict, name),
        _value(metadata, "seed", int | None, name),
        _accuracy(_value(metadata, "accuracy", dict, name), name),
        _familiarity(metadata, name),
    )


def metadata_for(
    spec: ModelSpec, name: str, *, trained_on: str, recipe: Mapping[str, Any]
) -> CheckpointMetadata:
    """Metadata for a file that has none, validated as by `read_metadata`."""
    strings = metadata_strings(spec, trained_on=trained_on, recipe=recipe)
    return read_metadata(Header(strings, {}), name)


def metadata_strings(
    spec: ModelSpec,
    *,
    trained_on: str,
    recipe: Mapping[str, Any] | None = None,
    seed: int | None = None,
    accuracy: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Metadata as stored in a checkpoint: JSON strings by name."""
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "spec": json.dumps(spec.to_dict()),
        "trained_on": trained_on,
        "recipe": json.dumps(dict(recipe or {})),
        "seed": json.dumps(seed),
        "accuracy": json.dumps(dict(accuracy or {})),
    }


def build_on_meta(spec: ModelSpec, name: str, limits: CheckpointLimits) -> VideoNetwork:
    """The network of a spec on the meta device, without memory for its parameters.

    Raises CheckpointError if there is no such network or it exceeds the limits.
    """
    try:
        with torch.device("meta"):
            network = build_model(spec)
    except LensError as error:
        raise refusal(name, f"describes no network ({error.value})", error.expected,
                      error.next_step) from error
    except Exception as error:  # layers raise different errors for absurd sizes
        reason = (str(error).splitlines() or [""])[0][:200]
        raise refusal(name, f"describes no network ({type(error).__name__}: {reason})",
                      "the arguments of a network of the zoo", _SAVE) from error
    total = sum(value.nbytes for value in network.state_dict().values())
    if total > limits.tensor_bytes:
        raise refusal(name, f"describes a network of {file_size(total)}",
                      f"at most {file_size(limits.tensor_bytes)}")
    return network


def _value(metadata: Mapping[str, str], key: str, kind: Any, name: str) -> Any:
    """A JSON value of a type, with short and printable strings, since they are displayed."""
    text = metadata.get(key, "")
    try:
        value = parse_json(text, kind)
        require_plain(value)
    except ValueError as error:
        raise refusal(name, f"has {key} {text[:80]!r} ({error})",
                      f"JSON of type {getattr(kind, '__name__', kind)}", _SAVE) from error
    return value


def _spec(values: dict[str, Any], name: str) -> ModelSpec:
    try:
        _require_kinds(values)
        spec = ModelSpec.from_dict(values)
        _require_protocol(spec.protocol)
    except (ValueError, TypeError, KeyError) as error:
        raise refusal(name, f"model spec is not understood ({error})",
                      "the fields of ModelSpec as to_dict() writes them", _SAVE) from error
    except CheckpointError as error:
        raise refusal(name, error.value, error.expected,
                      error.next_step) from error
    return spec


def _require_kinds(values: dict[str, Any]) -> None:
    """Raises ValueError or KeyError for values that `ModelSpec.from_dict` does not check."""
    for key in ("name", "build", "description", "reference"):
        text = values.get(key, "") if key in ("description", "reference") else values[key]
        if not isinstance(text, str) or len(text) > MAX_WORDS:
            raise ValueError(f"{key} {str(text)[:80]!r}")
    if not 0 < len(values["name"]) <= MAX_CLASS_NAME:
        raise ValueError(f"a name of {len(values['name'])} characters")
    classes = values["classes"]
    if not isinstance(classes, list) or not 0 < len(classes) <= MAX_CLASSES:
        count = len(classes) if isinstance(classes, list) else classes
        raise ValueError(f"{str(count)[:40]} classes; expected names, 1 to {MAX_CLASSES}")
    for each in classes:
        if not isinstance(each, str) or not 0 < len(each) <= MAX_CLASS_NAME:
            raise ValueError(f"a class named {str(each)[:80]!r}; expected 1 to {MAX_CLASS_NAME} "
                             "characters")
    if not isinstance(values.get("args", {}), dict):
        raise ValueError("args that are no mapping")
    _require_modest(values.get("args", {}), "args")


def _require_modest(value: Any, where: str) -> None:
    """Raises ValueError for builder arguments that are larger than any network needs."""
    if isinstance(value, dict | list):
        if len(value) > MAX_PARTS:
            raise ValueError(f"{len(value)} parts in {where}; expected at most {MAX_PARTS}")
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in pairs:
            _require_modest(part, f"{where}.{str(key)[:40]}")
    elif isinstance(value, str) and len(value) > MAX_PARTS:
        raise ValueError(f"{where} of {len(value)} characters")
    elif isinstance(value, int | float) and not 0 <= value <= MAX_NUMBER:
        raise ValueError(f"{where} = {value}; expected 0 to {MAX_NUMBER}")


def _require_protocol(protocol: Protocol) -> None:
    """Raises ValueError for a protocol that would exhaust memory, or values that are no numbers."""
    sampling = protocol.sampling
    counts = {
        "num_snippets": (sampling.num_snippets, MAX_FRAMES),
        "frames_per_snippet": (sampling.frames_per_snippet, MAX_FRAMES),
        "frame_stride": (sampling.frame_stride, MAX_STRIDE),
        "group_size": (protocol.group_size, MAX_FRAMES),
        "num_crops": (protocol.num_crops, 3),
        "resize": (protocol.resize, MAX_PIXELS),
        "crop": (protocol.crop, MAX_PIXELS),
        "resolution": (protocol.side, MAX_PIXELS),
    }
    for key, (count, most) in counts.items():
        if type(count) is not int or count > most:
            raise ValueError(f"{key} {count}; expected at most {most}")
    if sampling.num_snippets * sampling.frames_per_snippet > MAX_FRAMES:
        raise ValueError(f"{sampling.num_snippets} x {sampling.frames_per_snippet} frames; "
                         f"expected at most {MAX_FRAMES}")
    for key, numbers in (("mean", protocol.mean), ("std", protocol.std)):
        if len(numbers) != 3 or not all(type(n) in (int, float) for n in numbers):
            raise ValueError(f"{key} {numbers}; expected three numbers")
    if not all(abs(n) <= MAX_NUMBER for n in protocol.mean) or min(protocol.std) < 1e-6:
        raise ValueError(f"mean {protocol.mean}, std {protocol.std}; expected std above zero")


def _accuracy(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Fractions by name, also one level down ("per_group"), and the name of the dataset."""
    for key, value in values.items():
        parts = value.values() if isinstance(value, dict) else [value]
        for part in parts:
            is_fraction = type(part) in (int, float) and 0 <= part <= 1
            if not is_fraction and not (key == "dataset" and isinstance(part, str)):
                raise refusal(name, f"has accuracy {key[:40]!r}: {str(part)[:80]!r}",
                              "fractions from 0 to 1 by name", _SAVE)
    return values


def _familiarity(metadata: Mapping[str, str], name: str) -> dict[str, float] | None:
    if "familiarity" not in metadata:
        return None
    numbers = _value(metadata, "familiarity", dict, name)
    keys = ("threshold", "true_rate")
    if set(numbers) != set(keys) or not all(type(n) in (int, float) for n in numbers.values()):
        raise refusal(name, "familiarity is not understood", " and ".join(keys), _SAVE)
    return {key: float(numbers[key]) for key in keys}
