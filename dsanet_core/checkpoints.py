"""Weights with everything that is needed to run them, in one safetensors file.

The metadata carries the ModelSpec, recipe, seed, measured accuracy and training domain, so a file
is enough; nothing in it is ever executed. `checkpoints/manifest.json` lists the embedded files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.familiarity import FamiliarityModel
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.imagenet import inflate_imagenet
from dsanet_core.workers import pick_local
from dsanet_core.zoo import ModelSpec, build_model

FORMAT = "dsanet-lens checkpoint"
VERSION = 1
FOLDER = Path(__file__).parents[1] / "checkpoints"
"""Where the embedded weights and their manifest lie."""

MAX_FILE_BYTES = 4 * 2**30
MAX_HEADER_BYTES = 16 * 2**20
_FAMILIARITY = "familiarity."


@dataclass(frozen=True)
class Weights:
    """Where a network's parameters came from, as `network.weights` says.

    file: file name; sha256: of the file's bytes. trained_on: the training domain in words.
    accuracy: measured figures by name, as fractions. familiarity: None if it was not calibrated.
    """

    file: str
    sha256: str
    trained_on: str
    recipe: dict[str, Any]
    seed: int | None
    accuracy: dict[str, Any]
    familiarity: FamiliarityModel | None = field(default=None, repr=False)


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

    recipe, accuracy: JSON values. The file appears whole or not at all. Raises CheckpointError
    for another suffix or a network without a spec.
    """
    path = Path(path)
    if not isinstance(network.spec, ModelSpec):
        raise CheckpointError("a network without a spec", "one of the zoo", "Use create_model().")
    tensors = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "spec": json.dumps(network.spec.to_dict()),
        "trained_on": trained_on,
        "recipe": json.dumps(dict(recipe or {})),
        "seed": json.dumps(seed),
        "accuracy": json.dumps(dict(accuracy or {})),
    }
    if familiarity is not None:
        tensors[_FAMILIARITY + "mean"] = torch.from_numpy(familiarity.mean)
        tensors[_FAMILIARITY + "precision"] = torch.from_numpy(familiarity.precision)
        numbers = {"threshold": familiarity.threshold, "true_rate": familiarity.true_rate}
        metadata["familiarity"] = json.dumps(numbers)
    tensors = {key: value.contiguous() for key, value in tensors.items()}
    part = path.with_name(path.name + ".part")
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, part, metadata)
    elif path.suffix == ".pth":
        torch.save({"metadata": metadata, "tensors": tensors}, part)
    else:
        raise CheckpointError(f"suffix {path.suffix!r}", ".safetensors or .pth", "Rename the file.")
    part.replace(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_model(name_or_path: str | Path, device: str = "auto") -> VideoNetwork:
    """A network with trained weights, in evaluation mode, `.spec` and `.weights` set.

    name_or_path: a name of the manifest (embedded weights) or a .safetensors / .pth file written
    by `save_checkpoint`. device: "auto" takes a GPU if there is one.
    Raises CheckpointError if there are no such weights, or the file is damaged, foreign or too
    large, or its tensors do not fit its spec.
    """
    target = pick_device(device)
    path, expected_sha256 = _find(name_or_path)
    data = _read_file(path)
    sha256 = hashlib.sha256(data).hexdigest()
    if expected_sha256 is not None and expected_sha256 != sha256:
        raise CheckpointError(
            f"{path.name} has sha256 {sha256[:12]}...",
            f"{expected_sha256[:12]}... as its manifest says",
            "Fetch the file again, or rewrite the manifest with write_manifest().",
        )
    metadata, tensors = _parse(data, path)
    spec = ModelSpec.from_dict(_json(metadata, "spec", dict, path))
    with torch.device("meta"):  # shapes first: a lying spec must not cost memory
        network = build_model(spec)
    own = {key: value for key, value in tensors.items() if not key.startswith(_FAMILIARITY)}
    load_weights(network, own)
    network.weights = Weights(
        file=path.name,
        sha256=sha256,
        trained_on=metadata.get("trained_on", ""),
        recipe=_json(metadata, "recipe", dict, path),
        seed=_json(metadata, "seed", int | None, path),
        accuracy=_json(metadata, "accuracy", dict, path),
        familiarity=_familiarity(metadata, tensors, network.appearance_size, path),
    )
    return network.to(target).eval()


def read_spec(name_or_path: str | Path) -> ModelSpec:
    """The row that a file was saved with, without making a network; errors as `load_model`."""
    path, _ = _find(name_or_path)
    metadata, _ = _parse(_read_file(path), path)
    return ModelSpec.from_dict(_json(metadata, "spec", dict, path))


def load_weights(network: VideoNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Give a network, also one on the meta device, all its parameters and buffers.

    Raises CheckpointError that counts the tensors which are missing, left over, of another shape
    or not finite, and names the first.
    """
    wanted = network.state_dict()
    unmatched = [
        (key, _shape(tensors.get(key)), _shape(wanted.get(key)))
        for key in dict.fromkeys([*wanted, *tensors])
        if _shape(tensors.get(key)) != _shape(wanted.get(key))
    ]
    name = network.spec.name if network.spec is not None else type(network).__name__
    if unmatched:
        key, found, needed = unmatched[0]
        hint = "Are the weights of another model?"
        if ".dsa." in key and "absent" not in (found, needed):
            hint = f"Was it trained with another num_snippets than {network.num_snippets}?"
        raise CheckpointError(
            f"{len(unmatched)} keys unmatched, first {key!r} {found} vs {needed}",
            f"the {len(wanted)} tensors of {name}",
            hint,
        )
    bad = [key for key, value in tensors.items() if not bool(value.isfinite().all())]
    if bad:
        raise CheckpointError(
            f"{len(bad)} tensors hold NaN or infinity, first {bad[0]!r}",
            "finite weights",
            "The training diverged: take an earlier checkpoint.",
        )
    fitting = {key: tensors[key].to(value.dtype) for key, value in wanted.items()}
    network.load_state_dict(fitting, assign=True)
    network.to(memory_format=torch.channels_last_3d)  # as build_model left it


def load_imagenet(network: VideoNetwork) -> None:
    """Start a network of the papers from ImageNet: torchvision's ResNet of its depth, inflated.

    The weights are IMAGENET1K_V1, those of the papers' time; torch.hub fetches them once and keeps
    them in its folder. What the 2D network does not have keeps its values (`inflate_imagenet`).
    Raises ModelError for a network that is no ResNet of full width, CheckpointError if the weights
    can be neither found nor fetched.
    """
    args = {} if network.spec is None else network.spec.args
    name, width = f"resnet{args.get('depth')}", args.get("width", 64)
    if name not in ("resnet18", "resnet50", "resnet101") or width != 64:
        raise ModelError(
            "a network without a spec" if network.spec is None
            else f"{network.spec.name}: {name} of width {width}",
            "a row of the zoo with a ResNet-18, 50 or 101 of width 64, as on ImageNet",
            "Take such a row, or load weights of your own.",
        )
    from torchvision.models import get_model_weights

    weights = get_model_weights(name).IMAGENET1K_V1
    try:
        state_dict = weights.get_state_dict(check_hash=True, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        reason = (str(error).splitlines() or [""])[0][:200]
        raise CheckpointError(
            f"{weights.url} could not be fetched or read ({type(error).__name__}: {reason})",
            f"a network connection, or an intact {Path(weights.url).name} in {folder}",
            "Put the file there, or give a state dict of your own to inflate_imagenet().",
        ) from error
    inflate_imagenet(network, state_dict)


def pick_device(device: str = "auto") -> torch.device:
    """"auto" is a GPU if there is one, else the CPU; of several GPUs "auto" and "cuda" are the one
    that torchrun gave this process. Raises ModelError for a device that is not."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"device {device!r} ({reason})", "'auto', 'cpu' or 'cuda'", "Try 'auto'."
        ) from error
    return pick_local(torch.device(device))


def read_manifest(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """Name -> file, sha256, bytes, model, trained_on, seed, accuracy; empty without a manifest."""
    path = folder / "manifest.json"
    if not path.is_file():
        return {}
    entries: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return entries


def write_manifest(folder: Path = FOLDER) -> None:
    """Describe every .safetensors file of a folder in its manifest.json, by file stem."""
    entries = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = _read_file(path)
        metadata, _ = _parse(data, path)
        entries[path.stem] = {
            "file": path.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "model": _json(metadata, "spec", dict, path)["name"],
            "trained_on": metadata.get("trained_on", ""),
            "seed": _json(metadata, "seed", int | None, path),
            "accuracy": _json(metadata, "accuracy", dict, path),
        }
    text = json.dumps(entries, indent=2) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def _find(name_or_path: str | Path) -> tuple[Path, str | None]:
    """The file of a name or path, and the sha256 that the manifest promises."""
    manifest = read_manifest(FOLDER)
    entry = manifest.get(str(name_or_path))
    if entry is not None:
        return FOLDER / entry["file"], entry["sha256"]
    path = Path(name_or_path)
    if not path.is_file():
        raise CheckpointError(
            f"no weights {str(name_or_path)!r}",
            f"a checkpoint file or one of: {', '.join(manifest) or 'none embedded here'}",
            "Give the path of a file, or create_model(name) for random weights.",
        )
    return path, None


def _read_file(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size <= MAX_FILE_BYTES:
            return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path.name}: {error}", "a readable file", "Check it.") from error
    raise CheckpointError(
        f"{path.name} has {size / 2**30:.1f} GiB",
        f"at most {MAX_FILE_BYTES / 2**30:.0f} GiB",
        "Is it a checkpoint of this package?",
    )


def _parse(data: bytes, path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file of either format, read as data only."""
    try:
        reader = _parse_pth if path.suffix in (".pth", ".pt") else _parse_safetensors
        metadata, tensors = reader(data)
        known = metadata.get("format") == FORMAT and int(metadata["version"]) <= VERSION
        if not all(isinstance(value, Tensor) for value in tensors.values()):
            raise ValueError("not a mapping of tensors")
    except Exception as error:  # parsers of damaged or hostile bytes raise nearly anything
        raise CheckpointError(
            f"{path.name} cannot be read ({type(error).__name__}: {str(error)[:200]})",
            "a file written by save_checkpoint()",
            "Is it complete, and a checkpoint of this package?",
        ) from error
    if not known:
        raise CheckpointError(
            f"{path.name} says format {metadata.get('format')!r}",
            f"{FORMAT!r}, version {VERSION} or lower",
            "Load it into create_model(...) with load_weights(), or update this package.",
        )
    return metadata, tensors


def _parse_safetensors(data: bytes) -> tuple[dict[str, str], dict[str, Tensor]]:
    length = int.from_bytes(data[:8], "little")
    if length > min(MAX_HEADER_BYTES, len(data) - 8):
        raise ValueError(f"header of {length} bytes")
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return metadata, safetensors.torch.load(data)


def _parse_pth(data: bytes) -> tuple[dict[str, str], dict[str, Tensor]]:
    content = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    return content["metadata"], content["tensors"]


def _json(metadata: Mapping[str, str], key: str, kind: Any, path: Path) -> Any:
    try:
        value = json.loads(metadata[key])
        if isinstance(value, kind):
            return value
    except (KeyError, TypeError, ValueError):
        value = metadata.get(key)
    raise CheckpointError(
        f"{path.name} has {key} {str(value)[:80]!r}",
        f"JSON of type {getattr(kind, '__name__', kind)}",
        "Save the checkpoint again with save_checkpoint().",
    )


def _familiarity(
    metadata: Mapping[str, str], tensors: Mapping[str, Tensor], size: int, path: Path
) -> FamiliarityModel | None:
    if "familiarity" not in metadata:
        return None
    numbers = _json(metadata, "familiarity", dict, path)
    try:
        mean, precision = (
            np.asarray(tensors[_FAMILIARITY + part].numpy(), dtype=np.float64)
            for part in ("mean", "precision")
        )
        if len(mean) != size:
            raise ValueError(f"{len(mean)} values, this network has {size}")
        return FamiliarityModel(
            mean, precision, float(numbers["threshold"]), float(numbers["true_rate"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path.name}: familiarity is not understood ({error})",
            "mean, precision, threshold and true_rate",
            "Save the checkpoint again with save_checkpoint().",
        ) from error


def _shape(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else str(tuple(tensor.shape))
