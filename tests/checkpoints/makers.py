"""How hostile files are made: each function writes one into a folder and returns its path."""

from __future__ import annotations

import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from dsanet_core.zoo import build_model
from tests.checkpoints.files import (
    Header,
    good,
    header_of,
    other_entries,
    other_header,
    other_metadata,
    other_tensors,
    patched,
    spec,
    write_safetensors,
)
from tests.weights import tiny_network

Maker = Callable[[Path, Path], Path]
LARGE = 24 << 20
"""Bytes of what is refused only after its numbers were looked at."""


class Runs:
    """Pickled, it calls a function with arguments when it is opened."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def shell(canary: Path) -> Runs:
    return Runs(os.system, f"touch {canary}")


def program(canary: Path) -> Runs:
    return Runs(exec, f"import pathlib; pathlib.Path({str(canary)!r}).touch()")


def archive_of(folder: Path, content: object) -> Path:
    torch.save(content, folder / "a.pth")
    return folder / "a.pth"


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def stack_global(canary: Path) -> bytes:
    """Names spread over the memo, as a scan for plain names would miss them."""
    text = b"".join(
        b"\x8c" + bytes([len(word)]) + word + b"\x94" for word in (b"posix", b"system")
    )
    command = f"touch {canary}".encode()
    return (b"\x80\x04" + text + b"0" + b"0" + b"h\x00h\x01\x93"
            + b"\x8c" + bytes([len(command)]) + command + b"\x85R.")


def by_instruction(canary: Path) -> bytes:
    """INST of protocol 0."""
    return b"(S'touch " + str(canary).encode() + b"'\niposix\nsystem\n."


def legacy(folder: Path, canary: Path) -> Path:
    path = folder / "a.pth"
    torch.save({"metadata": {"format": shell(canary)}}, path,
               _use_new_zipfile_serialization=False)
    return path


def tar(folder: Path, canary: Path) -> Path:
    with tarfile.open(folder / "a.pth", "w") as archive:
        archive.add(good(folder / "inner.pth"), "pickle")
    return folder / "a.pth"


def numpy_archive(folder: Path, canary: Path) -> Path:
    np.savez(folder / "a.npz", weights=np.array([shell(canary)], dtype=object), allow_pickle=True)
    return folder / "a.npz"


def lying_sizes(folder: Path, canary: Path) -> Path:
    """The list of files says that the numbers are elsewhere than they are."""
    path = other_entries(folder / "a.pth", lambda entries: None)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<2L", data, at + 20, len(data) * 4, len(data) * 4)
    path.write_bytes(bytes(data))
    return path


def as_folder(folder: Path, canary: Path) -> Path:
    """The list of files says that the numbers are a folder."""
    path = other_entries(folder / "a.pth", lambda entries: None)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"a/data/1") - 46 + 38] |= 0x10
    return written(path, bytes(data))


def overlapping_files(folder: Path, canary: Path) -> Path:
    """Every file of numbers is the first one, thousandfold: a bomb without compression."""
    path = other_entries(folder / "a.pth", lambda entries: None)
    with zipfile.ZipFile(path) as archive:
        first, second = (archive.getinfo(f"a/data/{n}") for n in (0, 1))
    data = path.read_bytes()
    entry = data.rindex(b"a/data/1") - 46
    moved = bytearray(data)
    struct.pack_into("<L", moved, entry + 42, first.header_offset)
    moved[second.header_offset :][:1] = b"P"
    return written(path, bytes(moved))


def more_files_than_said(folder: Path, canary: Path) -> Path:
    path = other_entries(
        folder / "a.pth", lambda e: e.update({f"a/data/{n}": b"" for n in range(100, 20_000)})
    )
    data = bytearray(path.read_bytes())
    struct.pack_into("<2H", data, len(data) - 14, 10, 10)
    return written(path, bytes(data))


def second_directory(folder: Path, canary: Path) -> Path:
    """Two archives in one file: which one is it?"""
    path = good(folder / "a.pth")
    return written(path, path.read_bytes() + b"\0" * 4)


def prepended(folder: Path, canary: Path) -> Path:
    path = good(folder / "a.pth")
    return written(path, b"PK\x03\x04" + b"\0" * 60 + path.read_bytes())


def terabytes_by_stride(folder: Path, canary: Path) -> Path:
    return other_tensors(
        folder / "a.pth",
        lambda t: t.update({"fc.bias": torch.zeros(1).expand(1 << 40)}),
    )


def storage_past_its_file(folder: Path, canary: Path) -> Path:
    """The pickle says more numbers than the archive holds: reading them would leave the memory."""
    path = folder / "a.pth"
    torch.save({"metadata": {}, "tensors": {"x": torch.zeros(200)}}, path)
    return patched(patched(path, b"K\xc8tq", b"K\xfatq"), b"K\xc8\x85q", b"K\xfa\x85q")


def shared(tensors: dict[str, Any]) -> None:
    both = torch.zeros(4)
    tensors.update({"bn1.weight": both, "bn1.bias": both})


def replaced(tensor: Callable[[], torch.Tensor]) -> Maker:
    """A .pth whose first tensor is another."""
    return lambda folder, canary: other_tensors(
        folder / "a.pth", lambda t: t.update({"bn1.weight": tensor()})
    )


def of_safetensors(tensor: Callable[[], torch.Tensor]) -> Maker:
    def make(folder: Path, canary: Path) -> Path:
        path = folder / "a.safetensors"
        header, _ = header_of(good(path))
        save_file({"fc.bias": tensor()}, path, header["__metadata__"])
        return path

    return make


def with_metadata(**texts: Any) -> Maker:
    return lambda folder, canary: other_metadata(folder / "a.safetensors", **texts)


def with_spec(**fields: Any) -> Maker:
    return lambda folder, canary: other_metadata(folder / "a.safetensors", spec=spec(**fields))


def with_header(change: Callable[[Header], object]) -> Maker:
    return lambda folder, canary: other_header(folder / "a.safetensors", change)


def with_text(header: bytes, numbers: bytes = b"") -> Maker:
    return lambda folder, canary: write_safetensors(folder / "a.safetensors", header, numbers)


def entry(dtype: str, shape: list[Any], start: Any, end: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def with_entry(**changes: Any) -> Maker:
    """A header in which the entry of one tensor was changed."""
    return with_header(lambda header: header["bn1.weight"].update(changes))


def large(value: float, dtype: torch.dtype = torch.float32) -> Maker:
    """A network of about `LARGE` bytes with one number that is none, in its last tensor."""

    def make(folder: Path, canary: Path) -> Path:
        network = wide_network()
        network.to(dtype)
        with torch.no_grad():
            network.get_submodule("layer4.1.bn2").weight[-1] = value
        return good(folder / "a.safetensors", network)

    return make


def wide_network() -> Any:
    own = tiny_network("tsn_synth").spec
    return build_model(replace(own, args=own.args | {"width": 48}))


def sparse_file(folder: Path, canary: Path) -> Path:
    path = good(folder / "a.safetensors")
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    return path


def nested_tuples(canary: Path) -> bytes:
    return b"\x80\x02)" + b"\x85" * 190_000 + b"."
