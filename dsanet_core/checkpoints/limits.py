"""What reading one checkpoint may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckpointLimits:
    """Caps on one file, held against its size and headers before any tensor has memory; past any
    of them the file is refused with a `CheckpointError`.

    file_bytes: of the file. header_bytes: of the JSON of a .safetensors file, and of the list of
    files in a .pth archive. num_tensors, tensor_bytes: of all tensors, also of those that the
    checkpoint's own description asks for. pickle_bytes: of the pickle in a .pth archive.
    archive_entries: files in a .pth archive.
    """

    file_bytes: int = 4 << 30
    header_bytes: int = 2 << 20
    num_tensors: int = 4_000
    tensor_bytes: int = 4 << 30
    pickle_bytes: int = 2 << 20
    archive_entries: int = 4_010


DEFAULT_LIMITS = CheckpointLimits()
