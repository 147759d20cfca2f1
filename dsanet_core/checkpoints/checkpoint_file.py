"""Opening a checkpoint file: its format is detected from its content, never from its name."""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import torch
from torch import Tensor

from dsanet_core.checkpoints import CheckpointLimits
from dsanet_core.checkpoints.header import (
    Header,
    TensorLocation,
    read_safetensors_header,
    refusal,
)
from dsanet_core.checkpoints.torch_files import LEGACY_MAGIC, read_torch_archive, read_torch_legacy
from dsanet_core.text_format import file_size

CHUNK_BYTES = 1 << 20
"""Bytes that are read and hashed at a time."""
TensorChunk = tuple[str, slice, Tensor]
"""Name of a tensor, a slice of its rows (first dimension; a scalar has one), their values."""


class CheckpointFile:
    """An open checkpoint whose header has been checked.

    name: file name for messages. sha256: of its bytes, known after `chunks` or `digest`.
    """

    def __init__(self, name: str, file: FileIO, header: Header) -> None:
        self.name, self.header = name, header
        self.sha256 = ""
        self._file = file
        self._initial_stat = _size_and_mtime(file)

    def digest(self) -> str:
        """SHA-256 (hex) of the file, computed without memory for tensors."""
        self._file.seek(0)
        self.sha256 = hashlib.file_digest(self._file, "sha256").hexdigest()
        self._require_unchanged()
        return self.sha256

    def chunks(self) -> Iterator[TensorChunk]:
        """Every tensor in chunks of rows, in the order of the file. A chunk is valid until the next
        one is requested.

        The hash covers exactly the bytes that the chunks are made of, so that what is verified is
        what is used. Memory mapping would crash the process if the file were truncated meanwhile.
        """
        digest = hashlib.sha256()
        self._file.seek(0)
        at = 0
        for key, place in sorted(self.header.places.items(), key=lambda item: item[1].start):
            self._hash_gap(digest, place.start - at)
            at = place.start + place.nbytes
            crc32 = 0
            for rows, data in self._row_chunks(place):
                digest.update(data)
                crc32 = zlib.crc32(data, crc32) if place.crc32 is not None else 0
                shape = (-1, *place.shape[1:]) if place.shape else ()
                yield key, rows, torch.frombuffer(data, dtype=place.dtype).reshape(shape)
            if place.crc32 not in (None, crc32):
                raise refusal(self.name, f"holds other values in {key!r} than were written",
                              "an undamaged file", "Fetch it again.")
        self._hash_gap(digest, os.fstat(self._file.fileno()).st_size - at)
        self._require_unchanged()
        self.sha256 = digest.hexdigest()

    def _row_chunks(self, place: TensorLocation) -> Iterator[tuple[slice, bytearray]]:
        """The bytes of a tensor, as many rows at a time as fit into `CHUNK_BYTES`."""
        count = place.shape[0] if place.shape else 1
        row = place.nbytes // count
        step = max(1, CHUNK_BYTES // row)
        for start in range(0, count, step):
            rows = slice(start, min(start + step, count))
            data = bytearray((rows.stop - rows.start) * row)
            self._fill(memoryview(data))
            yield rows, data

    def _hash_gap(self, digest: hashlib._Hash, count: int) -> None:
        """Hash the bytes between two tensors."""
        for start in range(0, count, CHUNK_BYTES):
            data = bytearray(min(CHUNK_BYTES, count - start))
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
        if _size_and_mtime(self._file) != self._initial_stat:
            raise refusal(self.name, "changed while it was read", "a file that nobody writes to",
                          "Wait until it is complete, then try again.")


def _size_and_mtime(file: FileIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


_EXPECTED = "a .safetensors file, or a .pth file as torch.save() writes it"
_CONVERT = "Load it where it was made and save its tensors as .safetensors."
_UNPACK = "Unpack it and give the checkpoint inside."

HeaderReader = Callable[[FileIO, str, int, CheckpointLimits], Header]
READERS: dict[str, HeaderReader] = {
    "safetensors": read_safetensors_header,
    "zip": read_torch_archive,
    "legacy": read_torch_legacy,
}
"""Reader of the header of each supported format."""

OTHER_FORMATS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ\x00", "an xz archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes", _CONVERT),
    (0, b"\x93NUMPY", "a numpy array", _CONVERT),
    (0, b"GGUF", "a GGUF file", _CONVERT),
    *((0, bytes([0x80, protocol]), "a bare pickle, which could run programs",
       "Load it where it was made, then torch.save() or save its tensors as .safetensors.")
      for protocol in range(1, 6)),
)
"""Signatures of unsupported formats: offset, bytes, name, next step."""


def detect_format(head: bytes) -> str:
    """Format of a file, a key of `READERS`; "" if unsupported. head: its first kilobyte."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(LEGACY_MAGIC):
        return "legacy"
    # A safetensors header begins with its length, eight bytes, little endian, always below 2^40. A
    # larger length is refused by the reader, except where the bytes are those of another format.
    if head[8:9] == b"{" and (head[5:8] == b"\0\0\0" or not _other_format(head)):
        return "safetensors"
    return ""


@contextmanager
def open_checkpoint(path: Path, limits: CheckpointLimits) -> Iterator[CheckpointFile]:
    """An open checkpoint file, its header read and checked against the limits.

    Raises CheckpointError for a file that cannot be opened, is too large or no checkpoint.
    """
    name = path.name
    try:
        with FileIO(path, opener=_open_nonblocking) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise refusal(name, "is no regular file", "a file", "Give the path of a file.")
            yield CheckpointFile(name, file, _read_header(file, name, status.st_size, limits))
    except OSError as error:
        raise refusal(name, f"cannot be read ({error.strerror or error})", "a readable file",
                      "Check its disk and its permissions.") from error


def _open_nonblocking(path: str, flags: int) -> int:
    """Opens without blocking, also a pipe that has no writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_header(file: FileIO, name: str, size: int, limits: CheckpointLimits) -> Header:
    if size > limits.file_bytes:
        raise refusal(name, f"has {file_size(size)}",
                      f"at most {file_size(limits.file_bytes)}")
    head = file.read(1024) or b""
    if kind := detect_format(head):
        return READERS[kind](file, name, size, limits)
    what, next_step = _other_format(head) or (
        "empty" if not head else "no checkpoint of a known kind",
        "Is it complete, and a checkpoint of this package?",
    )
    raise refusal(name, f"is {what}", _EXPECTED, next_step)


def _other_format(head: bytes) -> tuple[str, str] | None:
    for offset, mark, what, next_step in OTHER_FORMATS:
        if head[offset : offset + len(mark)] == mark:
            return what, next_step
    # ONNX has no magic number: its protobuf starts with the version and then the producer.
    if len(head) > 3 and head[0] == 0x08 and head[1] < 32 and head[2] == 0x12:
        return "an ONNX graph", _CONVERT
    return None
