"""The header of a checkpoint, checked: metadata and the location of every tensor.

Reads that of a .safetensors file; `torch_files` reads those of .pth files.

https://huggingface.co/docs/safetensors, section "Format": eight bytes of length, JSON, tensor data.
The tests compare what is read here with the safetensors library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import FileIO
from typing import Any

import torch

from dsanet_core.checkpoints import CheckpointLimits
from dsanet_core.errors import CheckpointError, printable
from dsanet_core.json_values import parse_json
from dsanet_core.text_format import file_size

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64)
"""Data types of weights; int64 is that of BatchNorm's step counter."""
MAX_KEY, MAX_DIMENSIONS = 256, 8


@dataclass(frozen=True)
class TensorLocation:
    """A contiguous tensor in a file. start: byte offset. crc32: of its bytes, None if unknown."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    crc32: int | None = None

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Header:
    """Checked header of a file: metadata strings and the location of every tensor by name.

    info: plain values beside the tensors of a foreign checkpoint (`torch_tensors`). non_tensors:
    names of entries of its state dict that are no tensors.
    """

    metadata: Mapping[str, str]
    places: Mapping[str, TensorLocation]
    info: Mapping[str, Any] = field(default_factory=dict)
    non_tensors: tuple[str, ...] = ()


def refusal(
    name: str,
    reason: str,
    expected: str = "a file written by save_checkpoint()",
    next_step: str = "Is it complete, and a checkpoint of this package?",
) -> CheckpointError:
    """The error for a file. name: of the file; reason: a predicate ("holds no tensors")."""
    return CheckpointError(f"{name} {printable(reason)}", expected, next_step)


def checked_header(
    name: str, metadata: object, places: Mapping[str, TensorLocation], limits: CheckpointLimits
) -> Header:
    """The header, valid for every format. Raises CheckpointError for the first violation."""
    if not isinstance(metadata, dict) or not all(
        isinstance(text, str) for pair in metadata.items() for text in pair
    ):
        raise refusal(name, "cannot be read (its metadata are not texts by name)")
    if len(places) > limits.num_tensors:
        raise refusal(name, f"holds {len(places)} tensors", f"at most {limits.num_tensors}")
    for key, place in places.items():
        if len(key) > MAX_KEY or not key.isprintable():
            raise refusal(name, f"has a tensor named {key[:MAX_KEY]!r}",
                          f"at most {MAX_KEY} characters that can be printed")
        if place.dtype not in DTYPES:
            kind = str(place.dtype).removeprefix("torch.")
            raise refusal(name, f"holds {key!r} as {kind}",
                          "numbers as " + ", ".join(str(each)[6:] for each in DTYPES),
                          "Save it with plain weights, neither quantised nor complex.")
        if len(place.shape) > MAX_DIMENSIONS or 0 in place.shape:
            raise refusal(name, f"holds {key!r} of shape {place.shape[:MAX_DIMENSIONS + 1]}",
                          f"1 to {MAX_DIMENSIONS} sizes above zero")
    total = sum(place.nbytes for place in places.values())
    if total > limits.tensor_bytes:
        raise refusal(name, f"holds tensors of {file_size(total)}",
                      f"at most {file_size(limits.tensor_bytes)}")
    return Header(metadata, places)


_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool, "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip
_LENGTH = 8
_PARTS_PER_TENSOR, _PARTS_OF_METADATA = 20, 70_000
"""Limits on brackets and commas: parsing more would take many times the memory of the text."""


def read_safetensors_header(
    file: FileIO, name: str, size: int, limits: CheckpointLimits
) -> Header:
    """The header of a .safetensors file of `size` bytes.

    Raises CheckpointError for a header that is too long or not JSON of this form, and for tensors
    that overlap, leave gaps or do not end at the end of the file.
    """
    file.seek(0)
    length = int.from_bytes(file.read(_LENGTH), "little")
    if length > limits.header_bytes:
        raise refusal(name, f"has a header of {file_size(length)}",
                      f"at most {file_size(limits.header_bytes)}")
    if length > size - _LENGTH:
        raise refusal(name, f"has {size} bytes, its header alone says {length + _LENGTH}")
    text = file.read(length)
    most = _PARTS_PER_TENSOR * limits.num_tensors + _PARTS_OF_METADATA
    if sum(map(text.count, (b"{", b"[", b","))) > most:
        raise refusal(name, "has a header of more parts than any checkpoint",
                      f"at most {limits.num_tensors} tensors")
    try:
        header = parse_json(text.decode("utf-8"), dict)
        metadata = header.pop("__metadata__", {})
        first = _LENGTH + length
        places = {str(key): _place(value, first) for key, value in header.items()}
    except (ValueError, TypeError, KeyError) as error:
        raise refusal(name, f"cannot be read (its header: {str(error)[:200]})") from error
    _require_dense(name, places, first, size)
    return checked_header(name, metadata, places, limits)


def _place(entry: Any, first: int) -> TensorLocation:
    """Raises ValueError, TypeError or KeyError for an entry that does not follow the format."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError("an entry without exactly dtype, shape and data_offsets")
    shape, offsets = entry["shape"], entry["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError("a shape or data_offsets that are no list of sizes")
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"unknown dtype {str(entry['dtype'])[:40]!r}")
    start, end = offsets
    place = TensorLocation(_DTYPES[entry["dtype"]], tuple(shape), first + start)
    if place.nbytes != end - start:
        raise ValueError(f"{end - start} bytes for {entry['dtype']} of shape {shape[:9]}")
    return place


def _require_dense(name: str, places: dict[str, TensorLocation], first: int, size: int) -> None:
    at = first
    for key, place in sorted(places.items(), key=lambda item: item[1].start):
        if place.start != at:
            fault = "overlaps another tensor" if place.start < at else "leaves a gap before it"
            raise refusal(name, f"cannot be read (tensor {key[:80]!r} {fault})")
        at += place.nbytes
    if at != size:
        raise refusal(name, f"has {size} bytes, its header promises {at}")
