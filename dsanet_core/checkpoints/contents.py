"""What a checkpoint file holds, as its headers say, and its tensors, read in one pass."""

from __future__ import annotations

import hashlib
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from typing import Any

import torch
from torch import Tensor

from dsanet_core.checkpoints.limits import CheckpointLimits
from dsanet_core.errors import CheckpointError, printable
from dsanet_core.text_format import file_size

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64)
"""What numbers of a network are stored as: the last one counts steps."""
CHUNK = 1 << 20
"""Bytes that are read and hashed at a time."""
Piece = tuple[str, slice, Tensor]
"""Name of a tensor, some of its rows (of the first dimension; a scalar has one), their numbers."""
MAX_KEY, MAX_DIMENSIONS = 256, 8


@dataclass(frozen=True)
class TensorPlace:
    """Where a tensor lies in a file, dense and row by row: `start` counts from the first byte.

    crc32: of its bytes, where the file says it.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    crc32: int | None = None

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Contents:
    """Checked headers of a file: texts by name, and where its tensors are.

    said: what a file of a public format says of itself in plain values. others: names of what
    stands among its tensors and is none.
    """

    metadata: Mapping[str, str]
    places: Mapping[str, TensorPlace]
    said: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = ()


def refusal(
    name: str,
    reason: str,
    expected: str = "a file written by save_checkpoint()",
    next_step: str = "Is it complete, and a checkpoint of this package?",
) -> CheckpointError:
    return CheckpointError(f"{name} {printable(reason)}", expected, next_step)


def require_fitting(
    name: str, metadata: object, places: Mapping[str, TensorPlace], limits: CheckpointLimits
) -> Contents:
    """What files of every kind must keep to. Raises CheckpointError for the first fault."""
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
    return Contents(metadata, places)


class CheckpointFile:
    """An open checkpoint whose headers are checked.

    name: what messages call it. sha256: of its bytes, known once `pieces` or `digest` have gone
    through them.
    """

    def __init__(self, name: str, file: FileIO, contents: Contents) -> None:
        self.name, self.contents = name, contents
        self.sha256 = ""
        self._file = file
        self._seen = _state(file)

    def digest(self) -> str:
        """The sha256, without memory for tensors."""
        self._file.seek(0)
        self.sha256 = hashlib.file_digest(self._file, "sha256").hexdigest()
        self._require_unchanged()
        return self.sha256

    def pieces(self) -> Iterator[Piece]:
        """Every tensor in pieces of some rows, in the order of the file; a piece is good until the
        next is asked for.

        The bytes that are hashed are those that the pieces are made of, so that what is verified
        is what is used. A mapped file would cost less memory, and end the process if somebody cut
        it.
        """
        digest = hashlib.sha256()
        self._file.seek(0)
        at = 0
        for key, place in sorted(self.contents.places.items(), key=lambda item: item[1].start):
            self._skip(digest, place.start - at)
            at = place.start + place.nbytes
            crc32 = 0
            for rows, data in self._rows(place):
                digest.update(data)
                crc32 = zlib.crc32(data, crc32) if place.crc32 is not None else 0
                shape = (-1, *place.shape[1:]) if place.shape else ()
                yield key, rows, torch.frombuffer(data, dtype=place.dtype).reshape(shape)
            if place.crc32 not in (None, crc32):
                raise refusal(self.name, f"holds other numbers in {key!r} than were written",
                              "an undamaged file", "Fetch it again.")
        self._skip(digest, os.fstat(self._file.fileno()).st_size - at)
        self._require_unchanged()
        self.sha256 = digest.hexdigest()

    def _rows(self, place: TensorPlace) -> Iterator[tuple[slice, bytearray]]:
        """The bytes of a tensor, as many rows at a time as `CHUNK` holds."""
        count = place.shape[0] if place.shape else 1
        row = place.nbytes // count
        step = max(1, CHUNK // row)
        for start in range(0, count, step):
            rows = slice(start, min(start + step, count))
            data = bytearray((rows.stop - rows.start) * row)
            self._fill(memoryview(data))
            yield rows, data

    def _skip(self, digest: hashlib._Hash, count: int) -> None:
        """Hash what lies between tensors."""
        for start in range(0, count, CHUNK):
            data = bytearray(min(CHUNK, count - start))
            self._fill(memoryview(data))
            digest.update(data)

    def _fill(self, part: memoryview) -> None:
        read = 0
        while read < len(part):
            count = self._file.readinto(part[read:])
            if not count:
                raise refusal(self.name, "became shorter while it was read")
            read += count

    def _require_unchanged(self) -> None:
        if _state(self._file) != self._seen:
            raise refusal(self.name, "changed while it was read", "a file that nobody writes to",
                          "Wait until it is complete, then try again.")


def _state(file: FileIO) -> tuple[int, int]:
    facts = os.fstat(file.fileno())
    return facts.st_size, facts.st_mtime_ns
