"""Analyses and attributions as JSON and CSV, and analyses back from JSON.

The JSON is lossless and opens in this package without torch. Scores, times and kernels are numbers
that any tool reads; a float32 is written with the fewest digits that give the same float32 back.
Thumbnails, gates and responses are zlib-compressed bytes in base64. Text that is read back may come
from anywhere: types, sizes and values are checked before a record is made. Fields that have a
default may be absent, as in older exports.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np

from dsanet_core.errors import RecordError
from dsanet_core.json_values import parse_json, record_from
from dsanet_core.records import Analysis, Array, Attribution, Clips
from dsanet_core.text_format import (
    CsvTable as CsvTable,
)
from dsanet_core.text_format import (
    csv_text,
)

FORMAT = "dsanet-lens analysis"
VERSION = 1
MAX_THUMBNAIL_BYTES = 64 * 2**20
MAX_MAP_BYTES = 64 * 2**20
"""Of all gates and responses of a record together: SDA in ResNet-101 makes 10 MiB for 6 views."""
_NUMBER_TYPES = ("float16", "float32", "float64", "int32", "int64")
_MAP_TYPES = ("float16", "float32")


def analysis_to_json(analysis: Analysis, *, thumbnails: bool = True) -> str:
    """The record as ASCII JSON, one line per field; `analysis_from_json` gives an equal one back.

    thumbnails=False leaves the pictures out; they come back as (snippets, frames, 0, 0, 3).
    """
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    for entry in fields(Analysis):
        value = getattr(analysis, entry.name)
        if entry.name == "thumbnails" and not thumbnails:
            value = None
        document[entry.name] = msgspec.to_builtins(value, enc_hook=_pack)
    lines = (
        f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}"
        for key, value in document.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def analysis_from_json(text: str) -> Analysis:
    """The record that `analysis_to_json` wrote. Raises RecordError for anything else."""
    try:
        document = parse_json(text, object)
    except ValueError as error:
        raise _unreadable(f"not JSON ({error})") from error
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise _unreadable("it does not name the format")
    if (version := document.pop("version", None)) != VERSION:
        raise _unreadable(f"version {version!r}")
    arrays = _Arrays()
    try:
        if document.get("thumbnails", "") is None:
            frames = arrays.unpack(document.get("frame_index")).shape
            document["thumbnails"] = np.zeros((*frames, 0, 0, 3), np.uint8)
        return record_from(Analysis, document, unpack=arrays.unpack)
    except ValueError as error:
        raise _unreadable(str(error)) from error


def analysis_to_csv(analysis: Analysis) -> str:
    """Scores as a table: one row per snippet and a last one for the video, a column per class.

    start_seconds and end_seconds are the times of the first and the last frame that were seen.
    """
    names = [*map(str, range(1, len(analysis.snippet_scores) + 1)), "video"]
    times = [*analysis.pts_seconds, analysis.pts_seconds]
    scores = [*analysis.snippet_scores, analysis.video_scores]
    return csv_text(
        ["snippet", "start_seconds", "end_seconds", *analysis.model.classes],
        (
            [name, f"{seconds.min():.3f}", f"{seconds.max():.3f}", *map(str, row)]
            for name, seconds, row in zip(names, times, scores, strict=True)
        ),
    )


def kernels_to_csv(analysis: Analysis) -> str:
    """The kernels of every DSA block: one row per block, view and channel; a column per tap, named
    by the offset of its snippet."""
    taps = max((kernel.values.shape[-1] for kernel in analysis.kernels), default=0)
    return csv_text(
        ["block", "view", "channel", *(f"offset_{tap - taps // 2:+d}" for tap in range(taps))],
        (
            [kernel.block, view, channel, *map(str, weights)]
            for kernel in analysis.kernels
            for view, channels in enumerate(kernel.values)
            for channel, weights in enumerate(channels)
        ),
    )


def dependencies_to_csv(analysis: Analysis) -> str:
    """The selections of every SDA block: one row per block, view and dependency.

    centred_weight is the weight minus the equal share; gate and average_gate, means over the block,
    are the same in all rows of a block and view.
    """
    rows = []
    for selection in analysis.selections:
        gates = [g.mean((1, 2, 3), np.float64) for g in (selection.gate, selection.average_gate)]
        for view, weights in enumerate(selection.weights):
            centred, energy = selection.centred_weights[view], selection.energy[view]
            for place, name in enumerate(selection.dependencies):
                row = (weights[place], centred[place], energy[place], *(g[view] for g in gates))
                rows.append([selection.block, view, name, *map(str, row)])
    numbers = ("weight", "centred_weight", "energy", "gate", "average_gate")
    return csv_text(["block", "view", "dependency", *numbers], rows)


def attribution_to_csv(seen: Analysis | Clips, attribution: Attribution) -> str:
    """One row per frame of a snippet, with its share in the logit; snippets and frames count from
    1, video_frame from 0. seen: an analysis or the clips of the same video."""
    return csv_text(
        ["snippet", "frame", "video_frame", "seconds", "share_logit"],
        (
            [
                snippet + 1, frame + 1, int(seen.frame_index[snippet, frame]),
                f"{seen.pts_seconds[snippet, frame]:.4f}", f"{share:.6g}",
            ]
            for (snippet, frame), share in np.ndenumerate(attribution.per_frame)
        ),
    )


def attribution_to_dict(seen: Analysis | Clips, attribution: Attribution) -> dict[str, Any]:
    """JSON values without the maps: the explained logit, and shares per snippet and frame."""
    return {
        "video": {"name": attribution.video.name, "sha256": attribution.video.sha256},
        "model": attribution.model.name,
        "weights_sha256": attribution.model.weights_sha256,
        "protocol": attribution.protocol.describe(),
        "method": attribution.method,
        "category": attribution.model.classes[attribution.category],
        "snippet": None if attribution.snippet is None else attribution.snippet + 1,
        "logit": attribution.score,
        "baseline_logit": attribution.baseline_score,
        "baseline": attribution.baseline,
        "completeness_error": attribution.completeness_error,
        "seconds": attribution.seconds,
        "video_frame": seen.frame_index.tolist(),
        "pts_seconds": seen.pts_seconds.round(4).tolist(),
        "per_snippet": attribution.per_snippet.round(6).tolist(),
        "per_frame": attribution.per_frame.round(6).tolist(),
    }


def attribution_to_json(seen: Analysis | Clips, attribution: Attribution) -> str:
    """`attribution_to_dict` with the maps (views, frames, h, w), in logits."""
    maps = attribution.maps.astype(np.float64).round(6).tolist()
    return json.dumps({**attribution_to_dict(seen, attribution), "maps": maps}, allow_nan=False)


def _unreadable(value: str) -> RecordError:
    return RecordError(
        f"not a readable analysis: {value}",
        f"JSON written by this program (format {FORMAT!r}, version {VERSION})",
        "Export the analysis again.",
    )


def _pack(value: Any) -> Any:
    """An array as JSON values: pictures and maps, which have four dimensions or more, as bytes."""
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        raise NotImplementedError(type(value).__name__)
    if value.ndim >= 4:
        packed = zlib.compress(np.ascontiguousarray(value).tobytes())
        text = base64.b64encode(packed).decode("ascii")
        return {"dtype": str(value.dtype), "shape": list(value.shape), "zlib_base64": text}
    shortest = value
    if value.dtype.kind == "f" and value.dtype != np.float64:
        shortest = np.array([float(str(x)) for x in value.ravel()]).reshape(value.shape)
    return {"dtype": str(value.dtype), "values": shortest.tolist()}


class _Arrays:
    """Arrays of one document, of which no more is inflated than a record may hold."""

    def __init__(self) -> None:
        self._map_bytes_left = MAX_MAP_BYTES

    def unpack(self, value: Any) -> Array:
        """Inverse of `_pack`. Raises ValueError."""
        names = set(value) if isinstance(value, dict) else set()
        if names == {"dtype", "values"}:
            return _numbers(value["dtype"], value["values"])
        if names != {"dtype", "shape", "zlib_base64"}:
            raise ValueError(
                "an array must have the fields dtype and values, or dtype, shape and zlib_base64"
            )
        dtype, shape = value["dtype"], record_from(tuple[int, ...], value["shape"])
        is_map = dtype in _MAP_TYPES and len(shape) == 4
        is_picture = dtype == "uint8" and len(shape) == 5
        if not (is_map or is_picture) or min(shape) < 0:
            raise ValueError(f"bytes of type {dtype!r} and shape {shape}")
        array = _inflated(
            value["zlib_base64"], np.dtype(dtype), shape,
            self._map_bytes_left if is_map else MAX_THUMBNAIL_BYTES,
        )
        self._map_bytes_left -= array.nbytes if is_map else 0
        return array


def _numbers(dtype: Any, values: Any) -> Array:
    if dtype not in _NUMBER_TYPES:
        raise ValueError(f"numbers of dtype {dtype!r}")
    array = np.asarray(values)
    if array.dtype.kind not in "if":
        raise ValueError("something else than numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(dtype)
    if not np.isfinite(cast).all() or (cast.dtype.kind == "i" and (cast != array).any()):
        raise ValueError(f"numbers that {dtype} cannot hold")
    return cast


def _inflated(text: Any, dtype: np.dtype[Any], shape: tuple[int, ...], most: int) -> Array:
    """Never inflates past `most` bytes."""
    size = math.prod(shape) * dtype.itemsize
    if size > most:
        raise ValueError(f"{size} bytes, more than {most}")
    try:
        packed = base64.b64decode(text, validate=True)
        data = zlib.decompressobj().decompress(packed, size + 1)
    except (binascii.Error, zlib.error, TypeError) as error:
        raise ValueError(f"bytes that cannot be unpacked ({error})") from error
    if len(data) != size:
        raise ValueError(f"bytes of shape {shape} unpack to another size")
    return np.frombuffer(data, dtype).reshape(shape).copy()
