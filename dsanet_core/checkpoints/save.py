"""From a network to a checkpoint file."""

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
from dsanet_core.checkpoints.contents import Contents
from dsanet_core.checkpoints.facts import metadata_of, read_facts
from dsanet_core.checkpoints.load import FAMILIARITY
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
    """Write a network with its spec to a .safetensors (or own-format .pth) file; its sha256.

    recipe, accuracy: JSON values. The same network and facts give the same .safetensors, byte for
    byte. The file appears whole or not at all. Raises CheckpointError
    for another suffix, a network without a spec, facts that could not be read back, or a disk that
    does not take the file.
    """
    path = Path(path)
    if not isinstance(network.spec, ModelSpec):
        raise CheckpointError("a network without a spec", "one of the zoo", "Use create_model().")
    if path.suffix not in (".safetensors", ".pth"):
        raise CheckpointError(f"suffix {path.suffix!r}", ".safetensors or .pth", "Rename the file.")
    tensors = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    metadata = metadata_of(
        network.spec, trained_on=trained_on, recipe=recipe, seed=seed, accuracy=accuracy
    )
    if familiarity is not None:
        tensors[FAMILIARITY + "mean"] = torch.from_numpy(familiarity.mean)
        tensors[FAMILIARITY + "precision"] = torch.from_numpy(familiarity.precision)
        numbers = {"threshold": familiarity.threshold, "true_rate": familiarity.true_rate}
        metadata["familiarity"] = json.dumps(numbers)
    read_facts(Contents(metadata, {}), path.name)  # what could not be loaded is not written
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
    except (OSError, SafetensorError, RuntimeError) as error:  # each writer has its own
        raise unwritable(path, error) from error
    return sha256


def _sort_metadata(path: Path) -> None:
    """The library writes metadata in an order that differs from time to time: they are written
    over by themselves in one that does not, as compact as they were."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) <= length:
            file.seek(8)
            file.write(text.ljust(length))


def unwritable(path: Path, error: Exception) -> CheckpointError:
    """What to say of a file or folder that could not be written."""
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return CheckpointError(
        f"{path.name} could not be written into {path.parent} ({reason})",
        "a folder that can be written to, with room for it",
        "Free some space, or mend the folder's permissions.",
    )
