"""Good checkpoints, damaged by a seed, and what becomes of them."""

from __future__ import annotations

import json
import random
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from dsanet_core.checkpoints import load_model
from dsanet_core.checkpoints.pickle_parser import parse_pickle
from dsanet_core.checkpoints.torch_files import LEGACY_MAGIC
from dsanet_core.errors import CheckpointError
from tests.checkpoints.files import good

SUFFIXES = ("safetensors", "pth", "legacy")
"""The last one: a .pth as torch wrote it before 1.6."""
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62,
           (1 << 64) - 1)
IN_HEADERS = 0.8
"""Share of damage that is done where a file describes itself; the rest falls anywhere."""


def originals(folder: Path) -> dict[str, bytes]:
    """A good file of every suffix."""
    made = {each: good(folder / f"original.{each}").read_bytes() for each in SUFFIXES[:2]}
    content = torch.load(BytesIO(made["pth"]), weights_only=True)
    torch.save(content, folder / "original.legacy", _use_new_zipfile_serialization=False)
    return made | {"legacy": (folder / "original.legacy").read_bytes()}


def headers(data: bytes) -> list[range]:
    """Where a file describes itself."""
    if data.startswith(LEGACY_MAGIC):
        file = BytesIO(data)
        for _ in range(5):
            parse_pickle(file, before_1_6=True)
        return [range(file.tell())]
    if not data.startswith(b"PK"):
        return [range(8 + int.from_bytes(data[:8], "little"))]
    with zipfile.ZipFile(BytesIO(data)) as archive:
        entries = archive.infolist()
    places = [range(entry.header_offset, entry.header_offset + 40) for entry in entries]
    pickled = next(entry for entry in entries if entry.filename.endswith("data.pkl"))
    listed = data.index(b"PK\x01\x02")
    return [*places, range(64, 64 + pickled.file_size), range(listed, len(data)),
            range(len(data) - 98, len(data))]


def damage(data: bytes, random_: random.Random) -> tuple[str, bytes]:
    """How a file was damaged, and what is left of it."""
    places = headers(data)

    def anywhere() -> int:
        if random_.random() < IN_HEADERS:
            return random_.choice(random_.choice(places))
        return random_.randrange(len(data))

    damaged = bytearray(data)
    kind = random_.choice(("bits", "bytes", "number", "digit", "cut", "spliced", "inserted",
                           "removed", "zeroed"))
    at, length = anywhere(), random_.choice((1, 2, 4, 8, 16, 64, 512))
    if kind == "bits":
        for _ in range(random_.choice((1, 1, 2, 8))):
            damaged[anywhere()] ^= 1 << random_.randrange(8)
    elif kind == "bytes":
        damaged[at : at + length] = random_.randbytes(len(damaged[at : at + length]))
    elif kind == "number":
        width = random_.choice((1, 2, 4, 8))
        value = random_.choice(NUMBERS) & ((1 << 8 * width) - 1)
        damaged[at : at + width] = value.to_bytes(width, "little")
    elif kind == "digit":
        digits = [i for i in places[-3 if data.startswith(b"PK") else 0]
                  if 0x30 <= data[i] <= 0x39]
        damaged[random_.choice(digits)] = random_.choice(b"0123456789-.e")
    elif kind == "cut":
        del damaged[at:]
    elif kind == "spliced":
        source = anywhere()
        damaged[at : at + length] = data[source : source + length]
    elif kind == "inserted":
        damaged[at:at] = data[(source := anywhere()) : source + length]
    elif kind == "removed":
        del damaged[at : at + length]
    else:
        damaged[at : at + length] = bytes(len(damaged[at : at + length]))
    return kind, bytes(damaged)


def verdict(path: Path, data: bytes) -> str:
    """"refused", "loaded", or what is wrong: another error than a refusal, or a network that is
    not what the file says to the libraries of its format."""
    path.write_bytes(data)
    try:
        network = load_model(path, "cpu")
    except CheckpointError:
        return "refused"
    except Exception as error:  # this is what is looked for
        return f"{type(error).__name__}: {error}"
    try:
        metadata, tensors = as_libraries_read(data)
    except Exception as error:
        return f"loaded, though its library says {type(error).__name__}"
    if json.loads(json.dumps(network.spec.to_dict())) != json.loads(metadata["spec"]):
        return "another description than the file's"
    state = network.state_dict()
    same = set(state) == set(tensors) and all(
        torch.equal(value, tensors[key].to(value.dtype)) for key, value in state.items()
    )
    return "loaded" if same else "other numbers than the file's"


def as_libraries_read(data: bytes) -> tuple[dict[str, str], dict[str, Tensor]]:
    if data.startswith((b"PK", LEGACY_MAGIC)):
        content: dict[str, Any] = torch.load(
            BytesIO(data), weights_only=True, map_location=lambda storage, device: storage
        )
        return content["metadata"], content["tensors"]
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata, safetensors.torch.load(data)
