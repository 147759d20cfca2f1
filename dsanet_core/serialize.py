"""An `Analysis` as JSON, with an exact round trip and without torch, and its scores as CSV.

Scores and kernels stand as plain lists that any tool reads; a float32 is written with the fewest
digits that give the same float32 back. Thumbnails are zlib-compressed bytes in base64. Text that
is read back comes from anywhere: types, sizes and values are checked before a record is made.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import math
import zlib
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from dsanet_core.errors import RecordError
from dsanet_core.records import Analysis, Array, Kernel

FORMAT = "dsanet-lens analysis"
VERSION = 1
MAX_THUMBNAIL_BYTES = 64 * 2**20
_NUMBER_TYPES = ("float16", "float32", "float64", "int32", "int64")
_ARRAYS = ("frame_index", "pts_seconds", "snippet_scores", "video_scores")


def analysis_to_json(analysis: Analysis, *, thumbnails: bool = True) -> str:
    """The record as ASCII JSON, one line per field; `analysis_from_json` gives an equal one back.

    thumbnails=False leaves the pictures out; they come back as (snippets, frames, 0, 0, 3).
    """
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    for entry in fields(Analysis):
        value = getattr(analysis, entry.name)
        if entry.name in _ARRAYS:
            document[entry.name] = _pack_numbers(value)
        elif entry.name == "thumbnails":
            document[entry.name] = _pack_bytes(value) if thumbnails else None
        elif entry.name == "kernels":
            document[entry.name] = [
                {**_plain(kernel), "values": _pack_numbers(kernel.values)} for kernel in value
            ]
        else:
            document[entry.name] = _plain(value)
    lines = (f"{json.dumps(key)}: {_dumps(value)}" for key, value in document.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def analysis_from_json(text: str) -> Analysis:
    """Read what `analysis_to_json` wrote. Raises RecordError on anything else."""
    document = _load(text)
    try:
        hints = get_type_hints(Analysis)
        values = {entry.name: document.pop(entry.name) for entry in fields(Analysis)}
        if document:
            raise _nonsense(f"unknown field {sorted(document)[0]!r}")
        for name in _ARRAYS:
            values[name] = _unpack_numbers(values[name], name)
        values["thumbnails"] = _unpack_bytes(values["thumbnails"], values["frame_index"].shape)
        values["kernels"] = tuple(_unpack_kernel(kernel) for kernel in _list(values["kernels"]))
        for name in ("video", "model", "protocol", "familiarity", "seconds"):
            values[name] = _checked(hints[name], values[name], name)
        return Analysis(**values)
    except KeyError as error:
        raise _nonsense(f"field {error} is missing") from error
    except (ValueError, OverflowError) as error:
        raise _nonsense(str(error)) from error


def analysis_to_csv(analysis: Analysis) -> str:
    """Scores as a table: one row per snippet and a last one for the video, a column per category.

    start_seconds and end_seconds are the times of the first and the last frame that were seen.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["snippet", "start_seconds", "end_seconds", *analysis.model.classes])
    times = analysis.pts_seconds
    for index, scores in enumerate(analysis.snippet_scores):
        span = [f"{times[index].min():.3f}", f"{times[index].max():.3f}"]
        table.writerow([index + 1, *span, *map(str, scores)])
    span = [f"{times.min():.3f}", f"{times.max():.3f}"]
    table.writerow(["video", *span, *map(str, analysis.video_scores)])
    return out.getvalue()


def _nonsense(value: str) -> RecordError:
    return RecordError(
        f"not a readable analysis: {value}",
        f"JSON written by this program (format {FORMAT!r}, version {VERSION})",
        "Export the analysis again.",
    )


def _dumps(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _plain(value: Any) -> Any:
    """Dataclasses as dictionaries and tuples as lists, all the way down; arrays stay arrays."""
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _pack_numbers(array: Array) -> dict[str, Any]:
    shortest = array
    if array.dtype.kind == "f" and array.dtype != np.float64:
        shortest = np.array([float(str(x)) for x in array.ravel()]).reshape(array.shape)
    return {"dtype": str(array.dtype), "values": shortest.tolist()}


def _pack_bytes(array: Array) -> dict[str, Any]:
    packed = zlib.compress(np.ascontiguousarray(array).tobytes())
    text = base64.b64encode(packed).decode("ascii")
    return {"dtype": str(array.dtype), "shape": list(array.shape), "zlib_base64": text}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"number {name}")


def _load(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _nonsense(f"not JSON ({error})") from error
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise _nonsense("it does not name the format")
    if (version := document.pop("version", None)) != VERSION:
        raise _nonsense(f"version {version!r}")
    return document


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"a list is {type(value).__name__}")
    return value


def _entries(value: Any, names: set[str], where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise ValueError(f"{where} must have the fields {', '.join(sorted(names))}")
    return value


def _unpack_numbers(value: Any, where: str) -> Array:
    entries = _entries(value, {"dtype", "values"}, where)
    if entries["dtype"] not in _NUMBER_TYPES:
        raise ValueError(f"{where} has dtype {entries['dtype']!r}")
    array = np.asarray(entries["values"])
    if array.dtype.kind not in "if":
        raise ValueError(f"{where} holds something else than numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(entries["dtype"])
    if not np.isfinite(cast).all() or (cast.dtype.kind == "i" and (cast != array).any()):
        raise ValueError(f"{where} holds numbers that {entries['dtype']} cannot hold")
    return cast


def _unpack_kernel(value: Any) -> Kernel:
    entries = _entries(value, {entry.name for entry in fields(Kernel)}, "a kernel")
    return Kernel(
        block=_checked(str, entries["block"], "block"),
        values=_unpack_numbers(entries["values"], "kernel values"),
        channels_total=_checked(int, entries["channels_total"], "channels_total"),
    )


def _unpack_bytes(value: Any, frames: tuple[int, ...]) -> Array:
    """Thumbnails; `frames` is (snippets, frames). Never inflates past MAX_THUMBNAIL_BYTES."""
    if value is None:
        return np.zeros((*frames, 0, 0, 3), np.uint8)
    entries = _entries(value, {"dtype", "shape", "zlib_base64"}, "thumbnails")
    shape = _checked(tuple[int, ...], entries["shape"], "thumbnail shape")
    size = math.prod(shape)
    if entries["dtype"] != "uint8" or len(shape) != 5 or shape[-1] != 3 or min(shape) < 0:
        raise ValueError(f"thumbnails are {entries['dtype']!r} {shape}")
    if size > MAX_THUMBNAIL_BYTES:
        raise ValueError(f"thumbnails of {size} bytes, more than {MAX_THUMBNAIL_BYTES}")
    try:
        packed = base64.b64decode(entries["zlib_base64"], validate=True)
        data = zlib.decompressobj().decompress(packed, size + 1)
    except (binascii.Error, zlib.error, TypeError) as error:
        raise ValueError(f"thumbnails cannot be unpacked ({error})") from error
    if len(data) != size:
        raise ValueError(f"thumbnails of shape {shape} unpack to another size")
    return np.frombuffer(data, np.uint8).reshape(shape).copy()


def _checked(hint: Any, value: Any, where: str) -> Any:
    """`value` from JSON as the type that `hint` names; ValueError where it is another."""
    origin, choices = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        names = {entry.name for entry in fields(hint)}
        entries = _entries(value, names, where)
        hints = get_type_hints(hint)
        checked = {name: _checked(hints[name], entries[name], name) for name in names}
        return hint(**checked)  # type: ignore[operator]
    if origin is UnionType:
        rest = next(choice for choice in choices if choice is not NoneType)
        return None if value is None else _checked(rest, value, where)
    if origin is tuple:
        items = _list(value)
        if choices[-1] is not ... and len(items) != len(choices):
            raise ValueError(f"{where} has {len(items)} items; expected {len(choices)}")
        return tuple(_checked(choices[0], item, where) for item in items)
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {type(value).__name__}")
        return {key: _checked(choices[1], item, where) for key, item in value.items()}
    if origin is Literal:
        if value not in choices:
            raise ValueError(f"{where} is {value!r}; expected one of {choices}")
        return value
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"{where} is {type(value).__name__}; expected {hint.__name__}")
    return value
