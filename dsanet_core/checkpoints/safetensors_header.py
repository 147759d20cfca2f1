"""The header of a .safetensors file: eight bytes of its length, JSON, then the numbers.

https://huggingface.co/docs/safetensors, section "Format". What is read here is held against the
safetensors library by the tests.
"""

from __future__ import annotations

from io import FileIO
from typing import Any

import torch

from dsanet_core.checkpoints.contents import Contents, TensorPlace, refusal, require_fitting
from dsanet_core.checkpoints.limits import CheckpointLimits
from dsanet_core.json_values import parse_json
from dsanet_core.text_format import file_size

_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool, "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip
_LENGTH = 8
_PARTS_PER_TENSOR, _PARTS_OF_METADATA = 20, 70_000
"""Opening brackets and commas: parsing what has more would cost many times the text's memory."""


def read_safetensors_header(
    file: FileIO, name: str, size: int, limits: CheckpointLimits
) -> Contents:
    """Raises CheckpointError for a header that is too long, is not JSON of this form, or whose
    tensors overlap, leave gaps, or do not end where the file ends."""
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
    return require_fitting(name, metadata, places, limits)


def _place(entry: Any, first: int) -> TensorPlace:
    """Raises ValueError, TypeError or KeyError for anything else than an entry of the format."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError("an entry without exactly dtype, shape and data_offsets")
    shape, offsets = entry["shape"], entry["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError("a shape or data_offsets that are no list of sizes")
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"unknown dtype {str(entry['dtype'])[:40]!r}")
    start, end = offsets
    place = TensorPlace(_DTYPES[entry["dtype"]], tuple(shape), first + start)
    if place.nbytes != end - start:
        raise ValueError(f"{end - start} bytes for {entry['dtype']} of shape {shape[:9]}")
    return place


def _require_dense(name: str, places: dict[str, TensorPlace], first: int, size: int) -> None:
    at = first
    for key, place in sorted(places.items(), key=lambda item: item[1].start):
        if place.start != at:
            fault = "overlaps another tensor" if place.start < at else "leaves a gap before it"
            raise refusal(name, f"cannot be read (tensor {key[:80]!r} {fault})")
        at += place.nbytes
    if at != size:
        raise refusal(name, f"has {size} bytes, its header promises {at}")
