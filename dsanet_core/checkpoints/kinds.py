"""What a file is, by its content: names of files say nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from dsanet_core.checkpoints.contents import CheckpointFile, Contents, refusal
from dsanet_core.checkpoints.limits import CheckpointLimits
from dsanet_core.checkpoints.safetensors_header import read_safetensors_header
from dsanet_core.checkpoints.torch_archive import read_torch_archive
from dsanet_core.checkpoints.torch_legacy import MAGIC, read_torch_legacy
from dsanet_core.text_format import file_size

_OURS = "a .safetensors file, or a .pth file as torch.save() writes it"
_CONVERT = "Load it where it was made and save its tensors as .safetensors."
_UNPACK = "Unpack it and give the checkpoint inside."

Reader = Callable[[FileIO, str, int, CheckpointLimits], Contents]
READERS: dict[str, Reader] = {
    "safetensors": read_safetensors_header,
    "zip": read_torch_archive,
    "legacy": read_torch_legacy,
}
"""Kinds of files that are read: each reads and checks the headers alone."""

REFUSED: tuple[tuple[int, bytes, str, str], ...] = (
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
"""Offset, bytes that stand there, what such a file is, the next step."""


def kind_of(head: bytes) -> str:
    """A key of `READERS`, or "" for what is not read. head: the first kilobyte of a file."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(MAGIC):
        return "legacy"
    # The length of a header is eight bytes, little endian; no header has 2^40 of them. One that
    # claims more is told so by its reader, except where the bytes are those of another format.
    if head[8:9] == b"{" and (head[5:8] == b"\0\0\0" or not _described(head)):
        return "safetensors"
    return ""


@contextmanager
def open_checkpoint(path: Path, limits: CheckpointLimits) -> Iterator[CheckpointFile]:
    """The file of a path, its headers read and held against the limits.

    Raises CheckpointError if it cannot be opened, is too large, or is not a checkpoint.
    """
    name = path.name
    try:
        with FileIO(path, opener=_without_waiting) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise refusal(name, "is no regular file", "a file", "Give the path of a file.")
            yield CheckpointFile(name, file, _contents(file, name, facts.st_size, limits))
    except OSError as error:
        raise refusal(name, f"cannot be read ({error.strerror or error})", "a readable file",
                      "Check its disk and its permissions.") from error


def _without_waiting(path: str, flags: int) -> int:
    """Opens also a pipe at once, whether or not somebody writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _contents(file: FileIO, name: str, size: int, limits: CheckpointLimits) -> Contents:
    if size > limits.file_bytes:
        raise refusal(name, f"has {file_size(size)}",
                      f"at most {file_size(limits.file_bytes)}")
    head = file.read(1024) or b""
    if kind := kind_of(head):
        return READERS[kind](file, name, size, limits)
    what, next_step = _described(head) or (
        "empty" if not head else "no checkpoint of a known kind",
        "Is it complete, and a checkpoint of this package?",
    )
    raise refusal(name, f"is {what}", _OURS, next_step)


def _described(head: bytes) -> tuple[str, str] | None:
    for offset, mark, what, next_step in REFUSED:
        if head[offset : offset + len(mark)] == mark:
            return what, next_step
    # ONNX has no magic number: its protobuf starts with the version and then the producer.
    if len(head) > 3 and head[0] == 0x08 and head[1] < 32 and head[2] == 0x12:
        return "an ONNX graph", _CONVERT
    return None
