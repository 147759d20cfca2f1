"""Checkpoints taken apart and put together again, to be wrong in one place."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from dsanet_core.checkpoints import save_checkpoint
from dsanet_core.models.base import VideoNetwork
from tests.weights import tiny_network

ROW = "tsn_synth"
Header = dict[str, Any]


def good(path: Path, network: VideoNetwork | None = None) -> Path:
    """A checkpoint as it should be, by its suffix."""
    save_checkpoint(path, network or tiny_network(ROW), trained_on="a test", seed=1,
                    recipe={"epochs": 3}, accuracy={"top1": 0.5, "per_group": {"order": 0.25}})
    return path


def header_of(path: Path) -> tuple[Header, bytes]:
    """Header and numbers of a .safetensors file."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write_safetensors(path: Path, header: bytes, numbers: bytes) -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + numbers)
    return path


def other_header(path: Path, change: Callable[[Header], object]) -> Path:
    """A good file whose header was changed in place."""
    header, numbers = header_of(good(path))
    change(header)
    return write_safetensors(path, json.dumps(header).encode(), numbers)


def other_metadata(path: Path, **texts: Any) -> Path:
    """A good file with other metadata; what is no text is written as JSON."""
    changed = {k: v if isinstance(v, str) else json.dumps(v) for k, v in texts.items()}
    return other_header(path, lambda header: header["__metadata__"].update(changed))


def spec(**fields: Any) -> dict[str, Any]:
    """The description of the good file, with other fields; "protocol" and "sampling" are merged."""
    values: dict[str, Any] = tiny_network(ROW).spec.to_dict()
    protocol = dict(values["protocol"])
    protocol["sampling"] = dict(protocol["sampling"]) | fields.pop("sampling", {})
    values["args"] = values["args"] | fields.pop("args", {})
    return values | {"protocol": protocol | fields.pop("protocol", {})} | fields


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(
    path: Path, entries: Mapping[str, bytes], method: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def other_entries(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A good .pth archive whose files were changed in place; its folder is "a"."""
    made = entries_of(good(path))
    entries = {"a/" + name.partition("/")[2]: data for name, data in made.items()}
    change(entries)
    return write_zip(path, entries)


def pickled(path: Path, data: bytes) -> Path:
    """A good .pth archive with another pickle."""
    return other_entries(path, lambda entries: entries.update({"a/data.pkl": data}))


def other_tensors(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A good .pth file whose tensors were changed in place."""
    content = torch.load(good(path), weights_only=True)
    change(content["tensors"])
    torch.save(content, path)
    return path


def patched(path: Path, old: bytes, new: bytes) -> Path:
    """A file with the same number of other bytes in one place or more."""
    data = path.read_bytes()
    assert len(old) == len(new) and old in data
    path.write_bytes(data.replace(old, new))
    return path
