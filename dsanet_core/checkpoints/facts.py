"""What the metadata of a checkpoint say of its network, checked: the description comes from the
file, so it may lie about anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from dsanet_core.checkpoints.contents import Contents, refusal
from dsanet_core.checkpoints.limits import CheckpointLimits
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
"""Of one argument of a network: the largest number, and how many a list or mapping may hold."""
MAX_FRAMES, MAX_STRIDE, MAX_PIXELS = 4096, 10_000, 2048
"""Of a protocol: frames of a video, frames between two of them, side of a picture."""
_SAVE = "Save the checkpoint again with save_checkpoint()."


@dataclass(frozen=True)
class Facts:
    """Everything that stands beside the tensors. familiarity: threshold and true_rate."""

    spec: ModelSpec
    trained_on: str
    recipe: dict[str, Any]
    seed: int | None
    accuracy: dict[str, Any]
    familiarity: dict[str, float] | None


def read_facts(contents: Contents, name: str) -> Facts:
    """Raises CheckpointError for metadata of another format or version, and for any value that is
    not of its kind or out of all proportion."""
    metadata = contents.metadata
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
    return Facts(
        _spec(_value(metadata, "spec", dict, name), name),
        trained_on,
        _value(metadata, "recipe", dict, name),
        _value(metadata, "seed", int | None, name),
        _accuracy(_value(metadata, "accuracy", dict, name), name),
        _familiarity(metadata, name),
    )


def facts_of(
    spec: ModelSpec, name: str, *, trained_on: str, recipe: Mapping[str, Any]
) -> Facts:
    """Facts about a file that does not have them itself, under the same rules; errors as
    `read_facts`."""
    return read_facts(Contents(metadata_of(spec, trained_on=trained_on, recipe=recipe), {}), name)


def metadata_of(
    spec: ModelSpec,
    *,
    trained_on: str,
    recipe: Mapping[str, Any] | None = None,
    seed: int | None = None,
    accuracy: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """What stands beside the tensors in a checkpoint of this package."""
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "spec": json.dumps(spec.to_dict()),
        "trained_on": trained_on,
        "recipe": json.dumps(dict(recipe or {})),
        "seed": json.dumps(seed),
        "accuracy": json.dumps(dict(accuracy or {})),
    }


def empty_network(spec: ModelSpec, name: str, limits: CheckpointLimits) -> VideoNetwork:
    """The network of a description, on the meta device: without memory for its parameters.

    Raises CheckpointError if there is no such network or it is larger than the limits.
    """
    try:
        with torch.device("meta"):
            network = build_model(spec)
    except LensError as error:
        raise refusal(name, f"describes no network ({error.value})", error.expected,
                      error.next_step) from error
    except Exception as error:  # layers refuse absurd sizes in their own ways
        reason = (str(error).splitlines() or [""])[0][:200]
        raise refusal(name, f"describes no network ({type(error).__name__}: {reason})",
                      "the arguments of a network of the zoo", _SAVE) from error
    wanted = sum(value.nbytes for value in network.state_dict().values())
    if wanted > limits.tensor_bytes:
        raise refusal(name, f"describes a network of {file_size(wanted)}",
                      f"at most {file_size(limits.tensor_bytes)}")
    return network


def _value(metadata: Mapping[str, str], key: str, kind: Any, name: str) -> Any:
    """JSON of a kind. Its texts are short and printable: they are shown."""
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
    """Raises ValueError or KeyError for what `ModelSpec.from_dict` takes on trust."""
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
    """Raises ValueError for arguments that no network needs and that would cost time to build."""
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
    """Raises ValueError for a protocol that would cost a server its memory, or numbers that are
    none."""
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
    """Shares by name, also one level down ("per_group"), and in words what they were measured on.
    """
    for key, value in values.items():
        parts = value.values() if isinstance(value, dict) else [value]
        for part in parts:
            is_share = type(part) in (int, float) and 0 <= part <= 1
            if not is_share and not (key == "dataset" and isinstance(part, str)):
                raise refusal(name, f"has accuracy {key[:40]!r}: {str(part)[:80]!r}",
                              "shares from 0 to 1 by name", _SAVE)
    return values


def _familiarity(metadata: Mapping[str, str], name: str) -> dict[str, float] | None:
    if "familiarity" not in metadata:
        return None
    numbers = _value(metadata, "familiarity", dict, name)
    wanted = ("threshold", "true_rate")
    if set(numbers) != set(wanted) or not all(type(n) in (int, float) for n in numbers.values()):
        raise refusal(name, "familiarity is not understood", " and ".join(wanted), _SAVE)
    return {key: float(numbers[key]) for key in wanted}
