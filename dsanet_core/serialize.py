"""An `Analysis` as JSON, with an exact round trip and without torch, and its scores as CSV.

Scores, kernels and dependency weights stand as plain lists that any tool reads; a float32 is
written with the fewest digits that give the same float32 back. Thumbnails, gates and responses are
zlib-compressed bytes in base64. Text that is read back comes from anywhere: types, sizes and values
are checked before a record is made. Fields that have a default may be absent: older exports do not
know them.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import math
import zlib
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TextIO, get_args, get_origin, get_type_hints

import numpy as np

from dsanet_core.errors import RecordError
from dsanet_core.records import Aggregation, Analysis, Array, Kernel, Selection

FORMAT = "dsanet-lens analysis"
VERSION = 1
MAX_THUMBNAIL_BYTES = 64 * 2**20
MAX_MAP_BYTES = 64 * 2**20
"""Of all gates and responses of a record together: SDA in ResNet-101 makes 10 MiB for 6 views."""
_NUMBER_TYPES = ("float16", "float32", "float64", "int32", "int64")
_MAP_TYPES = ("float16", "float32")
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
        elif entry.name == "selections":
            document[entry.name] = [_pack_selection(selection) for selection in value]
        else:
            document[entry.name] = _plain(value)
    lines = (f"{json.dumps(key)}: {_dumps(value)}" for key, value in document.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def analysis_from_json(text: str) -> Analysis:
    """Read what `analysis_to_json` wrote. Raises RecordError on anything else."""
    document = _load(text)
    try:
        hints = get_type_hints(Analysis)
        values = _entries(document, Analysis, "an analysis")
        for name in _ARRAYS:
            values[name] = _unpack_numbers(values[name], name)
        values["thumbnails"] = _unpack_thumbnails(values["thumbnails"], values["frame_index"].shape)
        if "kernels" in values:
            values["kernels"] = tuple(map(_unpack_kernel, _list(values["kernels"])))
        if "selections" in values:
            values["selections"] = _unpack_selections(values["selections"])
        plain = ("video", "model", "protocol", "familiarity", "seconds", "changes")
        for name in set(plain) & set(values):
            values[name] = _checked(hints[name], values[name], name)
        return Analysis(**values)
    except (ValueError, OverflowError) as error:
        raise _nonsense(str(error)) from error


class CsvTable:
    """Writes rows of CSV in which no text is a formula: a spreadsheet would compute a category
    named `=1+1`, so an apostrophe goes before text that begins like one. Numbers stay as they are.
    """

    def __init__(self, out: TextIO) -> None:
        self._rows = csv.writer(out, lineterminator="\n")

    def writerow(self, cells: Iterable[object]) -> None:
        # Python 3.11 writes a carriage return without quotes, as if the row ended there.
        texts = (cell.replace("\r", " ") if isinstance(cell, str) else cell for cell in cells)
        self._rows.writerow([f"'{cell}" if _is_formula(cell) else cell for cell in texts])

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        for cells in rows:
            self.writerow(cells)


def _is_formula(cell: object) -> bool:
    if not isinstance(cell, str) or not cell.startswith(("=", "+", "-", "@", "\t")):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def analysis_to_csv(analysis: Analysis) -> str:
    """Scores as a table: one row per snippet and a last one for the video, a column per category.

    start_seconds and end_seconds are the times of the first and the last frame that were seen.
    """
    out = io.StringIO()
    table = CsvTable(out)
    table.writerow(["snippet", "start_seconds", "end_seconds", *analysis.model.classes])
    times = analysis.pts_seconds
    for index, scores in enumerate(analysis.snippet_scores):
        span = [f"{times[index].min():.3f}", f"{times[index].max():.3f}"]
        table.writerow([index + 1, *span, *map(str, scores)])
    span = [f"{times.min():.3f}", f"{times.max():.3f}"]
    table.writerow(["video", *span, *map(str, analysis.video_scores)])
    return out.getvalue()


def dependencies_to_csv(analysis: Analysis) -> str:
    """What every SDA block selected: one row per block, view and dependency.

    centred_weight is the weight minus the equal share; gate and average_gate, means over the block,
    are the same in all rows of a block and view.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    numbers = ("weight", "centred_weight", "energy", "gate", "average_gate")
    table.writerow(["block", "view", "dependency", *numbers])
    for selection in analysis.selections:
        gates = [g.mean((1, 2, 3), np.float64) for g in (selection.gate, selection.average_gate)]
        for view, weights in enumerate(selection.weights):
            centred, energy = selection.centred_weights[view], selection.energy[view]
            for place, name in enumerate(selection.dependencies):
                row = (weights[place], centred[place], energy[place], *(g[view] for g in gates))
                table.writerow([selection.block, view, name, *map(str, row)])
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


def _entries(value: Any, record: Any, where: str) -> dict[str, Any]:
    """`value` if it has the fields of a record; those with a default may be absent."""
    needed = {entry.name for entry in fields(record) if not _has_default(entry)}
    known = {entry.name for entry in fields(record)}
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {type(value).__name__}")
    if missing := sorted(needed - set(value)):
        raise ValueError(f"field {missing[0]!r} of {where} is missing")
    if unknown := sorted(set(value) - known):
        raise ValueError(f"unknown field {unknown[0]!r} of {where}")
    return value


def _has_default(entry: Field[Any]) -> bool:
    return entry.default is not MISSING or entry.default_factory is not MISSING


def _exactly(value: Any, names: set[str], where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise ValueError(f"{where} must have the fields {', '.join(sorted(names))}")
    return value


def _unpack_numbers(value: Any, where: str) -> Array:
    entries = _exactly(value, {"dtype", "values"}, where)
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
    entries = _entries(value, Kernel, "a kernel")
    return Kernel(
        block=_checked(str, entries["block"], "block"),
        values=_unpack_numbers(entries["values"], "kernel values"),
        channels_total=_checked(int, entries["channels_total"], "channels_total"),
    )


def _pack_selection(selection: Selection) -> dict[str, Any]:
    return {
        **_plain(selection),
        "weights": _pack_numbers(selection.weights),
        "energy": _pack_numbers(selection.energy),
        "gate": _pack_bytes(selection.gate),
        "average_gate": _pack_bytes(selection.average_gate),
        "responses": [_pack_bytes(response) for response in selection.responses],
    }


def _unpack_selections(value: Any) -> tuple[Selection, ...]:
    """Never inflates more than MAX_MAP_BYTES in all."""
    room = MAX_MAP_BYTES
    selections = []
    for item in _list(value):
        entries = dict(_entries(item, Selection, "a selection"))
        packed = [entries["gate"], entries["average_gate"], *_list(entries["responses"])]
        maps = []
        for each in packed:
            maps.append(_unpack_bytes(each, "a map", 4, _MAP_TYPES, room))
            room -= maps[-1].nbytes
        gate, average_gate, *responses = maps
        selections.append(
            Selection(
                block=_checked(str, entries["block"], "block"),
                dependencies=_checked(tuple[str, ...], entries["dependencies"], "dependencies"),
                aggregation=_checked(Aggregation, entries["aggregation"], "aggregation"),
                weights=_unpack_numbers(entries["weights"], "dependency weights"),
                energy=_unpack_numbers(entries["energy"], "energy"),
                gate=gate,
                average_gate=average_gate,
                responses=tuple(responses),
            )
        )
    return tuple(selections)


def _unpack_thumbnails(value: Any, frames: tuple[int, ...]) -> Array:
    """`frames` is (snippets, frames)."""
    if value is None:
        return np.zeros((*frames, 0, 0, 3), np.uint8)
    thumbnails = _unpack_bytes(value, "thumbnails", 5, ("uint8",), MAX_THUMBNAIL_BYTES)
    if thumbnails.shape[-1] != 3:
        raise ValueError(f"thumbnails are {thumbnails.shape}")
    return thumbnails


def _unpack_bytes(value: Any, where: str, ndim: int, dtypes: tuple[str, ...], most: int) -> Array:
    """An array of `ndim` dimensions and one of `dtypes`. Never inflates past `most` bytes."""
    entries = _exactly(value, {"dtype", "shape", "zlib_base64"}, where)
    shape = _checked(tuple[int, ...], entries["shape"], f"shape of {where}")
    if entries["dtype"] not in dtypes or len(shape) != ndim or min(shape) < 0:
        raise ValueError(f"{where} of type {entries['dtype']!r} and shape {shape}")
    dtype = np.dtype(entries["dtype"])
    size = math.prod(shape) * dtype.itemsize
    if size > most:
        raise ValueError(f"{where} of {size} bytes, more than {most}")
    try:
        packed = base64.b64decode(entries["zlib_base64"], validate=True)
        data = zlib.decompressobj().decompress(packed, size + 1)
    except (binascii.Error, zlib.error, TypeError) as error:
        raise ValueError(f"{where} cannot be unpacked ({error})") from error
    if len(data) != size:
        raise ValueError(f"{where} of shape {shape} unpacks to another size")
    return np.frombuffer(data, dtype).reshape(shape).copy()


def _checked(hint: Any, value: Any, where: str) -> Any:
    """`value` from JSON as the type that `hint` names; ValueError where it is another."""
    origin, choices = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        entries = _entries(value, hint, where)
        hints = get_type_hints(hint)
        checked = {name: _checked(hints[name], item, name) for name, item in entries.items()}
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
