"""The headers of .pth files, in both formats of torch.save().

Since version 1.6 a file is a zip archive: a pickle that locates the tensors, and one uncompressed
file per storage. The archive is checked for consistency first, then its pickle is parsed
(`pickle_parser`), and a tensor is accepted only where the archive has a file of exactly its size
(PyTorch's notes on serialization). Before 1.6 a file was five pickles in a row (magic number,
format version, facts about the machine, the content, the keys of the storages), followed by the
storages in that order, each as an element count of eight bytes and its elements.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO, FileIO
from itertools import pairwise
from typing import Any

from dsanet_core.checkpoints import CheckpointLimits
from dsanet_core.checkpoints.header import Header, refusal
from dsanet_core.checkpoints.pickle_parser import (
    STORAGE_DTYPES,
    ParsedPickle,
    PickledCall,
    PickleError,
    StorageRef,
    parse_pickle,
)
from dsanet_core.checkpoints.torch_tensors import DataSpan, header_from_pickle
from dsanet_core.errors import CheckpointError
from dsanet_core.text_format import file_size

_END, _END64, _LOCATOR64 = (b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07")
_END_BYTES, _END64_BYTES, _LOCATOR_BYTES, _LOCAL_BYTES = 22, 56, 20, 30
_PLAIN_FLAGS = 0x0808
"""Flags of entries that torch.save() writes: sizes after the data, names in UTF-8."""
_FOLDER = 0x10
"""Directory bit in the attributes of an entry."""
_RECORDS = {
    "version": rb"\d{1,4}\n?",
    "byteorder": rb"little",
    ".format_version": rb"\d{1,2}",
    ".storage_alignment": rb"[1-9]\d{0,4}",
    ".data/serialization_id": rb"\d{0,64}",
}
"""Small records of torch.save() about the archive, and their permitted content."""
_RECORD_BYTES = 64
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".pth", ".pt", ".npz")
_SAVE = "Save it again with save_checkpoint()."
_LEGACY_VERSION = 1001
_COUNT = struct.Struct("<q")
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of a file before version 1.6."""


def read_torch_archive(file: FileIO, name: str, size: int, limits: CheckpointLimits) -> Header:
    """The header of a zip archive of `size` bytes.

    Raises CheckpointError for an archive that torch.save() does not write, a pickle that asks for
    more than tensors, and tensors as of `header_from_pickle`.
    """
    _require_small_directory(file, name, size, limits)
    files = _read_directory(file, name, size, limits)
    spans = {
        path.removeprefix("data/"): each for path, each in files.items() if path.startswith("data/")
    }
    try:
        pickled = parse_pickle(BytesIO(_read(file, files["data.pkl"])))
    except PickleError as error:
        raise _pickle_refusal(name, error) from error
    return header_from_pickle(pickled, spans, name, limits)


def _pickle_refusal(name: str, error: PickleError) -> CheckpointError:
    return refusal(name, str(error), "weights and nothing else",
                   "Such a file could run programs: save the tensors alone, as .safetensors.")


def _require_small_directory(
    file: FileIO, name: str, size: int, limits: CheckpointLimits
) -> None:
    """Require a short directory that ends exactly at the end of the archive, so that every zip
    reader finds the same one."""
    file.seek(max(0, size - _END_BYTES - _LOCATOR_BYTES - _END64_BYTES))
    tail = file.read()
    end = tail[-_END_BYTES:]
    if end[:4] != _END or end[-2:] != b"\0\0":
        raise refusal(name, "is a zip archive without its end, or with something behind it",
                      next_step="Is it complete?")
    _, disk, _, here, entries, length, start, _ = struct.unpack("<4s4H2LH", end)
    directory_end = size - _END_BYTES
    locator = tail[-_END_BYTES - _LOCATOR_BYTES : -_END_BYTES]
    if locator[:4] == _LOCATOR64:
        directory_end -= _LOCATOR_BYTES + _END64_BYTES
        long_end = tail[:_END64_BYTES]
        on_one_disk = long_end[16:24] == bytes(8) and locator[4:8] == bytes(4)
        placed = struct.unpack("<Q", locator[8:16])[0] == directory_end
        if long_end[:4] != _END64 or not on_one_disk or not placed:
            raise refusal(name, "is a zip archive whose end is damaged", next_step=_SAVE)
        here, entries, length, start = struct.unpack("<4Q", long_end[24:])
    if entries > limits.archive_entries or length > limits.header_bytes:
        raise refusal(name, f"is an archive of {entries} files, their list {file_size(length)}",
                      f"at most {limits.archive_entries} files in a list of "
                      f"{file_size(limits.header_bytes)}")
    if disk or here != entries or start + length != directory_end:
        raise refusal(name, "is a zip archive whose list of files is not where it should be",
                      next_step=_SAVE)


def _read_directory(
    file: FileIO, name: str, size: int, limits: CheckpointLimits
) -> dict[str, DataSpan]:
    """Location of every file in the archive, by its path within the single top folder."""
    try:
        entries = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise refusal(name, f"is a damaged zip archive ({str(error)[:200]})") from error
    if len(entries) > limits.archive_entries:
        raise refusal(name, f"is an archive of {len(entries)} files, more than it says",
                      f"at most {limits.archive_entries}")
    names = [entry.filename for entry in entries]
    _require_torch_names(name, names)
    files: dict[str, DataSpan] = {}
    extents = []
    for entry in entries:
        what = f"{entry.filename!r} in it"
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise refusal(name, f"is a compressed archive ({what})", "an archive that only stores",
                          _SAVE)
        if entry.external_attr & _FOLDER:  # torch would return uninitialised memory for it
            raise refusal(name, f"has a folder where a file should be ({what})", next_step=_SAVE)
        start = _data_start(file, entry)
        if start is None or entry.volume or start + entry.file_size > size:
            raise refusal(name, f"has another {what} than its list of files says")
        path = entry.filename.partition("/")[2]
        most = limits.pickle_bytes if path == "data.pkl" else _RECORD_BYTES
        if not path.startswith("data/") and entry.file_size > most:
            raise refusal(name, f"holds {what} of {file_size(entry.file_size)}",
                          f"at most {file_size(most)}")
        files[path] = DataSpan(start, entry.file_size, entry.CRC)
        if path in _RECORDS:
            record = _read(file, files[path])
            if not re.fullmatch(_RECORDS[path], record):
                raise refusal(name, f"holds the {path} {record!r}", "what torch.save() writes here",
                              _SAVE)
        extents.append((entry.header_offset, start + entry.file_size))
    extents.sort()
    if any(end > following for (_, end), (following, _) in pairwise(extents)):
        raise refusal(name, "is a zip archive whose files overlap", next_step=_SAVE)
    return files


def _require_torch_names(name: str, names: list[str]) -> None:
    """Require the files that torch.save() writes, each once, all in one folder."""
    if len({each.lower() for each in names}) < len(names):  # torch's reader ignores case
        raise refusal(name, "is an archive with two files of one name", next_step=_SAVE)
    inside = {each.partition("/")[2] for each in names}
    if "constants.pkl" in inside or any(path.startswith("code/") for path in inside):
        raise refusal(name, "is a TorchScript program", "weights and nothing else",
                      "Save the network's state_dict() instead of the scripted network.")
    if names and all(each.endswith(".npy") for each in names):
        raise refusal(name, "is an archive of numpy arrays (.npz)", next_step=_SAVE)
    if any(each.endswith((".h5", ".keras")) for each in names):
        raise refusal(name, "is a Keras archive", next_step=_SAVE)
    for each in names:
        path = each.partition("/")[2]
        if each.startswith("/") or "\\" in each or ".." in each.split("/"):
            raise refusal(name, f"holds {each[:80]!r}, a path out of the archive", next_step=_SAVE)
        if each.lower().endswith(_ARCHIVES):
            raise refusal(name, f"holds an archive within the archive, {each[:80]!r}",
                          "weights and nothing else", "Unpack it and give the checkpoint inside.")
        known = path in _RECORDS or path == "data.pkl"
        if not known and not (path.startswith("data/") and path[5:].isdecimal()):
            raise refusal(name, f"is a zip archive that holds {each[:80]!r}",
                          "only what torch.save() writes", _SAVE)
    if len({each.partition("/")[0] for each in names}) != 1 or "data.pkl" not in inside:
        raise refusal(name, "is a zip archive without one data.pkl", next_step=_SAVE)


def _data_start(file: FileIO, entry: zipfile.ZipInfo) -> int | None:
    """Offset of the data of an entry; None if its local header differs from the directory."""
    file.seek(entry.header_offset)
    header = file.read(_LOCAL_BYTES)
    if len(header) < _LOCAL_BYTES or header[:4] != b"PK\x03\x04":
        return None
    flags, method = struct.unpack("<2H", header[6:10])
    name_length, extra_length = struct.unpack("<2H", header[26:30])
    same = file.read(name_length) == entry.orig_filename.encode()
    if not same or method or flags & ~_PLAIN_FLAGS or entry.flag_bits != flags:
        return None
    return int(entry.header_offset + _LOCAL_BYTES + name_length + extra_length)


def _read(file: FileIO, stored: DataSpan) -> bytes:
    file.seek(stored.start)
    return file.read(stored.size) or b""


def read_torch_legacy(file: FileIO, name: str, size: int, limits: CheckpointLimits) -> Header:
    """The header of a file of `size` bytes as torch.save() wrote it before version 1.6.

    Raises CheckpointError for pickles that torch.save() does not write or that ask for more than
    weights, and storages that do not fill the file exactly.
    """
    file.seek(0)
    head = BytesIO(file.read(limits.pickle_bytes + 1) or b"")
    try:
        _, version, machine, content, keys = (
            parse_pickle(head, before_1_6=True) for _ in range(5)
        )
    except PickleError as error:
        if head.tell() > limits.pickle_bytes:
            raise refusal(name, "begins with more than a description",
                          f"pickles of at most {file_size(limits.pickle_bytes)}") from error
        raise _pickle_refusal(name, error) from error
    system = machine.value if isinstance(machine.value, dict) else {}
    if version.value != _LEGACY_VERSION or system.get("little_endian") is not True:
        raise refusal(name, "is of another version or byte order than torch.save() writes here")
    storages = {each.key: each for each in _referenced_storages(content)}
    order = _storage_keys(keys, storages, name)
    spans = dict(_locate_storages(file, name, size, head.tell(), order, storages))
    return header_from_pickle(content, spans, name, limits)


def _storage_keys(keys: ParsedPickle, storages: Mapping[str, StorageRef], name: str) -> list[str]:
    names = keys.value
    if not isinstance(names, list) or not all(isinstance(key, str) for key in names) or (
        len(set(names)) < len(names) or not set(names) <= set(storages)
    ):
        raise refusal(name, "has a list of storages that is not that of its tensors")
    return names


def _referenced_storages(content: ParsedPickle) -> Iterator[StorageRef]:
    """Every storage that a pickle refers to."""
    pending: list[Any] = [content.value]
    seen: set[int] = set()
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, StorageRef):
            yield value
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list | tuple):
            pending += value
        elif isinstance(value, PickledCall):
            pending.append(value.arguments)


def _locate_storages(
    file: FileIO, name: str, size: int, start: int, order: list[str],
    storages: Mapping[str, StorageRef],
) -> Iterator[tuple[str, DataSpan]]:
    """(key, span) of each storage, in the order of the file, from byte `start` on."""
    at = start
    for key in order:
        file.seek(at)
        count = file.read(_COUNT.size) or b""
        storage = storages[key]
        length = storage.numel * STORAGE_DTYPES[storage.kind].itemsize
        if len(count) < _COUNT.size or at + _COUNT.size + length > size:
            raise refusal(name, f"has {size} bytes, its tensors need more", "a complete file",
                          "Fetch it again.")
        if _COUNT.unpack(count)[0] != storage.numel:
            raise refusal(name, f"holds storage {key[:40]!r} with another count than it says")
        yield key, DataSpan(at + _COUNT.size, length, None)
        at += _COUNT.size + length
    if at != size:
        raise refusal(name, f"has {size} bytes, its tensors end at {at}")
