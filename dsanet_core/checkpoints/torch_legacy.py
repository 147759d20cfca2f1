"""The headers of a .pth file as torch.save() wrote it before version 1.6: five pickles, one after
the other, and then the numbers. Many published weights of the years before 2021 are such files.

The pickles are a magic number, the version of the format, facts about the machine, the content,
and the names of the storages in the order in which their numbers follow: each as a count of eight
bytes, then its numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from io import BytesIO, FileIO
from typing import Any

from dsanet_core.checkpoints.contents import Contents, refusal
from dsanet_core.checkpoints.limits import CheckpointLimits
from dsanet_core.checkpoints.pickles import (
    STORAGES,
    Call,
    FaultError,
    Pickled,
    Storage,
    read_pickle,
)
from dsanet_core.checkpoints.torch_tensors import Stored, contents_of
from dsanet_core.text_format import file_size

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle, whole."""
_VERSION = 1001
_COUNT = struct.Struct("<q")


def read_torch_legacy(file: FileIO, name: str, size: int, limits: CheckpointLimits) -> Contents:
    """Raises CheckpointError for pickles that torch.save() does not write or that ask for more than
    weights, and numbers that do not fill the file exactly."""
    file.seek(0)
    head = BytesIO(file.read(limits.pickle_bytes + 1) or b"")
    try:
        _, version, machine, content, keys = (
            read_pickle(head, before_1_6=True) for _ in range(5)
        )
    except FaultError as fault:
        if head.tell() > limits.pickle_bytes:
            raise refusal(name, "begins with more than a description",
                          f"pickles of at most {file_size(limits.pickle_bytes)}") from fault
        raise refusal(name, str(fault), "weights and nothing else",
                      "Such a file could run programs: save the tensors alone, as .safetensors."
                      ) from fault
    facts = machine.value if isinstance(machine.value, dict) else {}
    if version.value != _VERSION or facts.get("little_endian") is not True:
        raise refusal(name, "is of another version or byte order than torch.save() writes here")
    storages = {each.key: each for each in _storages(content)}
    stored = dict(_stored(file, name, size, head.tell(), _names(keys, storages, name), storages))
    return contents_of(content, stored, name, limits)


def _names(keys: Pickled, storages: Mapping[str, Storage], name: str) -> list[str]:
    names = keys.value
    if not isinstance(names, list) or not all(isinstance(key, str) for key in names) or (
        len(set(names)) < len(names) or not set(names) <= set(storages)
    ):
        raise refusal(name, "has a list of storages that is not that of its tensors")
    return names


def _storages(content: Pickled) -> Iterator[Storage]:
    """All that a pickle refers to."""
    left: list[Any] = [content.value]
    seen: set[int] = set()
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Storage):
            yield value
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value
        elif isinstance(value, Call):
            left.append(value.arguments)


def _stored(
    file: FileIO, name: str, size: int, start: int, names: list[str],
    storages: Mapping[str, Storage],
) -> Iterator[tuple[str, Stored]]:
    at = start
    for key in names:
        file.seek(at)
        count = file.read(_COUNT.size) or b""
        storage = storages[key]
        length = storage.numel * STORAGES[storage.kind].itemsize
        if len(count) < _COUNT.size or at + _COUNT.size + length > size:
            raise refusal(name, f"has {size} bytes, its tensors need more", "a complete file",
                          "Fetch it again.")
        if _COUNT.unpack(count)[0] != storage.numel:
            raise refusal(name, f"holds storage {key[:40]!r} with another count than it says")
        yield key, Stored(at + _COUNT.size, length, None)
        at += _COUNT.size + length
    if at != size:
        raise refusal(name, f"has {size} bytes, its tensors end at {at}")
