"""Saving a network as a checkpoint file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from dsanet_core.atomic import atomic_file
from dsanet_core.checkpoints.header import Header
from dsanet_core.checkpoints.load import FAMILIARITY_PREFIX
from dsanet_core.checkpoints.metadata import metadata_strings, read_metadata
from dsanet_core.errors import CheckpointError
from dsanet_core.familiarity import FamiliarityModel
from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import ModelSpec


def save_checkpoint(
    path: str | Path,
    network: VideoNetwork,
    *,
    trained_on: str,
    recipe: Mapping[str, Any] | None = None,
    seed: int | None = None,
    accuracy: Mapping[str, Any] | None = None,
    familiarity: FamiliarityModel | None = None,
) -> str:
    """Write a network and its spec to a .safetensors or .pth file; its SHA-256 (hex).

    recipe, accuracy: JSON values. The same network and metadata give the same .safetensors file,
    byte for byte. The file is written atomically. Raises CheckpointError for another suffix, a
    network without a spec, metadata that could not be read back, and a failed write.
    """
    path = Path(path)
    if not isinstance(network.spec, ModelSpec):
        raise CheckpointError("a network without a spec", "one of the zoo", "Use create_model().")
    if path.suffix not in (".safetensors", ".pth"):
        raise CheckpointError(f"suffix {path.suffix!r}", ".safetensors or .pth", "Rename the file.")
    tensors = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    metadata = metadata_strings(
        network.spec, trained_on=trained_on, recipe=recipe, seed=seed, accuracy=accuracy
    )
    if familiarity is not None:
        tensors[FAMILIARITY_PREFIX + "mean"] = torch.from_numpy(familiarity.mean)
        tensors[FAMILIARITY_PREFIX + "precision"] = torch.from_numpy(familiarity.precision)
        numbers = {"threshold": familiarity.threshold, "true_rate": familiarity.true_rate}
        metadata["familiarity"] = json.dumps(numbers)
    read_metadata(Header(metadata, {}), path.name)  # raises for what could not be loaded again
    tensors = {key: value.contiguous() for key, value in tensors.items()}
    try:
        with atomic_file(path) as part:
            if path.suffix == ".safetensors":
                safetensors.torch.save_file(tensors, part, metadata)
                _sort_metadata(part)
            else:
                torch.save({"metadata": metadata, "tensors": tensors}, part)
            with part.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, SafetensorError, RuntimeError) as error:  # depends on the writer
        raise unwritable(path, error) from error
    return sha256


def _sort_metadata(path: Path) -> None:
    """Rewrite the metadata in a fixed order: the library's order varies between calls."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) <= length:
            file.seek(8)
            file.write(text.ljust(length))


def unwritable(path: Path, error: Exception) -> CheckpointError:
    """The error for a file that could not be written."""
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return CheckpointError(
        f"{path.name} could not be written into {path.parent} ({reason})",
        "a writable folder with enough free space",
        "Free some space, or correct the permissions of the folder.",
    )
