"""The headers of a .pth file: the zip archive of torch.save(), a pickle that says where the
tensors lie, and one uncompressed file per tensor.

The archive is held against its own promises first, then the pickle is read (`pickles`), and no
tensor that does not lie exactly where the archive has a file of its size is accepted. PyTorch's
notes on serialization say what the archive holds.
"""

from __future__ import annotations

import re
import struct
import zipfile
from io import BytesIO, FileIO
from itertools import pairwise

from dsanet_core.checkpoints.contents import Contents, refusal
from dsanet_core.checkpoints.limits import CheckpointLimits
from dsanet_core.checkpoints.pickles import FaultError, read_pickle
from dsanet_core.checkpoints.torch_tensors import Stored, contents_of
from dsanet_core.text_format import file_size

_END, _END64, _LOCATOR64 = (b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07")
_END_BYTES, _END64_BYTES, _LOCATOR_BYTES, _LOCAL_BYTES = 22, 56, 20, 30
_PLAIN_FLAGS = 0x0808
"""Sizes after the data, names in UTF-8: what torch.save sets."""
_FOLDER = 0x10
"""In the attributes of an entry."""
_NOTES = {
    "version": rb"\d{1,4}\n?",
    "byteorder": rb"little",
    ".format_version": rb"\d{1,2}",
    ".storage_alignment": rb"[1-9]\d{0,4}",
    ".data/serialization_id": rb"\d{0,64}",
}
"""What torch.save() notes about an archive, and what may stand there."""
_NOTE_BYTES = 64
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".pth", ".pt", ".npz")
_SAVE = "Save it again with save_checkpoint()."


def read_torch_archive(file: FileIO, name: str, size: int, limits: CheckpointLimits) -> Contents:
    """Raises CheckpointError for an archive that torch.save() does not write, a pickle that asks
    for more than tensors, and tensors that are not dense, of their own, and within the file."""
    _require_small_directory(file, name, size, limits)
    files = _files(file, name, size, limits)
    stored = {
        path.removeprefix("data/"): each for path, each in files.items() if path.startswith("data/")
    }
    try:
        pickled = read_pickle(BytesIO(_read(file, files["data.pkl"])))
    except FaultError as fault:
        raise refusal(name, str(fault), "weights and nothing else",
                      "Such a file could run programs: save the tensors alone, as .safetensors."
                      ) from fault
    return contents_of(pickled, stored, name, limits)


def _require_small_directory(
    file: FileIO, name: str, size: int, limits: CheckpointLimits
) -> None:
    """The list of files must be short, and end exactly where the archive does: then every reader
    of zip archives finds the same one."""
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


def _files(file: FileIO, name: str, size: int, limits: CheckpointLimits) -> dict[str, Stored]:
    """Every file in the archive by its path within the one folder there is."""
    try:
        entries = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise refusal(name, f"is a damaged zip archive ({str(error)[:200]})") from error
    if len(entries) > limits.archive_entries:
        raise refusal(name, f"is an archive of {len(entries)} files, more than it says",
                      f"at most {limits.archive_entries}")
    names = [entry.filename for entry in entries]
    _require_torch_names(name, names)
    files: dict[str, Stored] = {}
    spans = []
    for entry in entries:
        what = f"{entry.filename!r} in it"
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise refusal(name, f"is a compressed archive ({what})", "an archive that only stores",
                          _SAVE)
        if entry.external_attr & _FOLDER:  # of which torch would give whatever was in memory
            raise refusal(name, f"has a folder where a file should be ({what})", next_step=_SAVE)
        start = _data_start(file, entry)
        if start is None or entry.volume or start + entry.file_size > size:
            raise refusal(name, f"has another {what} than its list of files says")
        path = entry.filename.partition("/")[2]
        most = limits.pickle_bytes if path == "data.pkl" else _NOTE_BYTES
        if not path.startswith("data/") and entry.file_size > most:
            raise refusal(name, f"holds {what} of {file_size(entry.file_size)}",
                          f"at most {file_size(most)}")
        files[path] = Stored(start, entry.file_size, entry.CRC)
        if path in _NOTES:
            noted = _read(file, files[path])
            if not re.fullmatch(_NOTES[path], noted):
                raise refusal(name, f"holds the {path} {noted!r}", "what torch.save() writes here",
                              _SAVE)
        spans.append((entry.header_offset, start + entry.file_size))
    spans.sort()
    if any(end > following for (_, end), (following, _) in pairwise(spans)):
        raise refusal(name, "is a zip archive whose files overlap", next_step=_SAVE)
    return files


def _require_torch_names(name: str, names: list[str]) -> None:
    """Only what torch.save() writes, each once, all in one folder."""
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
        known = path in _NOTES or path == "data.pkl"
        if not known and not (path.startswith("data/") and path[5:].isdecimal()):
            raise refusal(name, f"is a zip archive that holds {each[:80]!r}",
                          "only what torch.save() writes", _SAVE)
    if len({each.partition("/")[0] for each in names}) != 1 or "data.pkl" not in inside:
        raise refusal(name, "is a zip archive without one data.pkl", next_step=_SAVE)


def _data_start(file: FileIO, entry: zipfile.ZipInfo) -> int | None:
    """Where the bytes of an entry begin; None if its own header and the list of files differ."""
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


def _read(file: FileIO, stored: Stored) -> bytes:
    file.seek(stored.start)
    return file.read(stored.size) or b""
