"""From a checkpoint file to a network, and initialisation from pretrained weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from dsanet_core.checkpoints import DEFAULT_LIMITS, CheckpointLimits
from dsanet_core.checkpoints.checkpoint_file import CheckpointFile, TensorChunk, open_checkpoint
from dsanet_core.checkpoints.foreign_formats import (
    NO_CHOICES,
    Choices,
    ForeignCheckpoint,
    interpret,
)
from dsanet_core.checkpoints.header import DTYPES, refusal
from dsanet_core.checkpoints.metadata import (
    CheckpointMetadata,
    build_on_meta,
    metadata_for,
    read_metadata,
)
from dsanet_core.checkpoints.registry import find_weights
from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.familiarity import FamiliarityModel
from dsanet_core.inference import prepare
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.transfer import COUNTER, Start, transfer
from dsanet_core.text_format import file_size
from dsanet_core.workers import pick_local
from dsanet_core.zoo import ModelSpec

FAMILIARITY_PREFIX = "familiarity."
"""Prefix of the tensors of a familiarity calibration."""


@dataclass(frozen=True)
class Weights:
    """Origin of a network's parameters (`network.weights`).

    file: file name; sha256: of its bytes. trained_on: training domain in words. accuracy: measured
    figures by name, fractions. familiarity: None if not calibrated. import_notes: for a foreign
    checkpoint, what was detected and assumed, rows of (topic, text).
    """

    file: str
    sha256: str
    trained_on: str
    recipe: dict[str, Any]
    seed: int | None
    accuracy: dict[str, Any]
    familiarity: FamiliarityModel | None = field(default=None, repr=False)
    import_notes: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class TensorLike(Protocol):
    """A tensor, or its location in a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> torch.dtype: ...


def load_model(
    name_or_path: str | Path,
    device: str = "auto",
    *,
    choices: Choices = NO_CHOICES,
    limits: CheckpointLimits = DEFAULT_LIMITS,
) -> VideoNetwork:
    """A network with trained weights, prepared for inference (`inference.prepare`) and in
    evaluation mode, `.spec` and `.weights` set.

    name_or_path: a name of `available_weights()`, a .safetensors or .pth file of `save_checkpoint`,
    or one in a format of `foreign_formats.formats.FORMATS`, with `.weights.import_notes`.
    device: "auto" is a GPU if there is one. choices: settings that a foreign file does not contain.
    Raises CheckpointError if there are no such weights, or the file is damaged, of an unknown
    format or beyond the limits, or its tensors do not fit its spec.
    """
    target = pick_device(device)
    path, expected = find_weights(name_or_path)
    with open_checkpoint(path, limits) as file:
        network = _load_network(file, choices, limits)
    if expected not in (None, file.sha256):
        raise CheckpointError(
            f"{path.name} has sha256 {file.sha256[:12]}...",
            f"{str(expected)[:12]}... as in its manifest",
            "Fetch the file again, or rewrite the manifest with write_manifest().",
        )
    return prepare(network.to(target))


def read_spec(
    name_or_path: str | Path, *, limits: CheckpointLimits = DEFAULT_LIMITS
) -> ModelSpec:
    """The spec that a file was saved with, from its header alone; errors as of `load_model`."""
    path, _ = find_weights(name_or_path)
    with open_checkpoint(path, limits) as file:
        metadata, _ = _read_metadata(file, NO_CHOICES)
        return metadata.spec


def load_weights(network: VideoNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Load all parameters and buffers of a network, which may be on the meta device.

    Raises CheckpointError with the number of tensors that are missing, unexpected or of another
    shape, and the first of them; or for a tensor that is not finite or of another data type.
    """
    _require_match(network, tensors)
    _copy_chunks(network, ((key, slice(None), tensor) for key, tensor in tensors.items()))


def pick_device(device: str = "auto") -> torch.device:
    """The device of a name. "auto" is a GPU if there is one, else the CPU; with torchrun "auto" and
    "cuda" are the GPU of this process. Raises ModelError for a device that is not available."""
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


def _read_metadata(
    file: CheckpointFile, choices: Choices
) -> tuple[CheckpointMetadata, ForeignCheckpoint | None]:
    """Metadata of a file; for a foreign checkpoint they are derived from its interpretation."""
    header = file.header
    foreign = None if "format" in header.metadata else interpret(header, file.name, choices)
    if foreign is None:
        return read_metadata(header, file.name), None
    recipe = {"imported from": foreign.format}
    return metadata_for(foreign.spec, file.name, trained_on="", recipe=recipe), foreign


def _load_network(
    file: CheckpointFile, choices: Choices, limits: CheckpointLimits
) -> VideoNetwork:
    """The network of an open file; its header is validated before the first tensor is read."""
    metadata, foreign = _read_metadata(file, choices)
    network = build_on_meta(metadata.spec, file.name, limits)
    if foreign is not None:
        return _load_foreign(network, file, metadata, foreign)
    places = file.header.places
    calibration = {key: at for key, at in places.items() if key.startswith(FAMILIARITY_PREFIX)}
    _require_match(network, {key: at for key, at in places.items() if key not in calibration})
    if metadata.familiarity is not None or calibration:
        _require_calibration(calibration, metadata.familiarity, network.appearance_size, file.name)
    others = {key: torch.empty(at.shape, dtype=torch.float64) for key, at in calibration.items()}
    _copy_chunks(network, file.chunks(), others)
    network.weights = Weights(
        file.name, file.sha256, metadata.trained_on, metadata.recipe, metadata.seed,
        metadata.accuracy, _familiarity(others, metadata.familiarity),
    )
    return network


def _load_foreign(
    network: VideoNetwork, file: CheckpointFile, metadata: CheckpointMetadata,
    foreign: ForeignCheckpoint,
) -> VideoNetwork:
    """Fill a network from tensors with other names, and shapes that may differ in sizes of 1.

    BatchNorm's batch counters may be absent: not every code base saves them, and nothing reads
    them here."""
    places, expected = file.header.places, network.state_dict()
    found: dict[str, TensorLike] = {}
    for theirs, ours in foreign.key_map.items():
        own_shape = tuple(expected[ours].shape) if ours in expected else None
        shape = places[theirs].shape
        if own_shape is not None and _squeezed(shape) == _squeezed(own_shape):
            shape = own_shape
        found[ours] = replace(places[theirs], shape=shape)
    absent = [key for key in expected if key.endswith(COUNTER) and key not in found]
    _require_match(network, found | {key: expected[key] for key in absent})
    counters = ((key, slice(None), torch.zeros((), dtype=torch.int64)) for key in absent)
    _copy_chunks(network, chain(_renamed_chunks(file, foreign.key_map, expected), counters))
    network.weights = Weights(
        file.name, file.sha256, metadata.trained_on, metadata.recipe, None, {},
        import_notes=foreign.notes,
    )
    return network


def _renamed_chunks(
    file: CheckpointFile, key_map: Mapping[str, str], expected: Mapping[str, Tensor]
) -> Iterator[TensorChunk]:
    for theirs, rows, values in file.chunks():
        if theirs in key_map:
            shape = expected[key_map[theirs]].shape
            if values.ndim and file.header.places[theirs].shape[:1] == shape[:1]:
                yield key_map[theirs], rows, values.reshape(len(values), *shape[1:])
            else:  # its first size is a 1 that ours does not have: the chunk is the whole tensor
                yield key_map[theirs], slice(None), values.reshape(shape)


def _squeezed(shape: tuple[int, ...]) -> list[int]:
    """A shape without sizes of 1."""
    return [size for size in shape if size != 1]


def _copy_chunks(
    network: VideoNetwork, chunks: Iterable[TensorChunk], others: Mapping[str, Tensor] | None = None
) -> None:
    """Copy matching tensors chunk by chunk to their final memory, so that none exists twice.

    others: tensors outside the network that are filled too, by name.
    """
    state = network.state_dict()
    filled: dict[str, Tensor] = dict(others or {})
    for key, rows, values in chunks:
        if key not in filled:
            filled[key] = _empty_like(state[key], values.device)
        target = filled[key][rows] if values.ndim else filled[key]
        # After the copy: a large float64 overflows to infinity in float32.
        if not bool(target.copy_(values).isfinite().all()):
            raise CheckpointError(
                f"{key!r} holds NaN or infinity",
                "finite weights",
                "The training diverged: take an earlier checkpoint.",
            )
    network.load_state_dict({key: filled[key] for key in state}, assign=True)


def _empty_like(value: Tensor, device: torch.device) -> Tensor:
    """Memory for a tensor, in the memory format of `build_model`."""
    layout = torch.channels_last_3d if value.ndim == 5 else torch.contiguous_format
    try:
        return torch.empty(
            value.shape, dtype=value.dtype, device=device, memory_format=layout
        )
    except RuntimeError as error:
        raise CheckpointError(f"a tensor of {file_size(value.nbytes)}", "as much free memory",
                              "Close other programs.") from error


def _require_match(network: VideoNetwork, tensors: Mapping[str, TensorLike]) -> None:
    expected = network.state_dict()
    unmatched = [
        (key, _shape(tensors.get(key)), _shape(expected.get(key)))
        for key in dict.fromkeys([*expected, *tensors])
        if _shape(tensors.get(key)) != _shape(expected.get(key))
    ]
    name = network.spec.name if network.spec is not None else type(network).__name__
    if unmatched:
        key, found, needed = unmatched[0]
        hint = "Are they the weights of another model?"
        if ".dsa." in key and "absent" not in (found, needed):
            hint = f"Was it trained with another num_snippets than {network.num_snippets}?"
        raise CheckpointError(
            f"{len(unmatched)} keys unmatched, first {key[:200]!r} {found} vs {needed}",
            f"the {len(expected)} tensors of {name}",
            hint,
        )
    for key, value in expected.items():
        found_type = tensors[key].dtype
        if found_type not in DTYPES or found_type.is_floating_point != value.is_floating_point():
            raise CheckpointError(
                f"{key!r} holds numbers of {str(found_type)[6:]}",
                f"{str(value.dtype)[6:]} or another floating point format"
                if value.is_floating_point() else str(value.dtype)[6:],
                "Are the weights quantised? Take those of the training.",
            )


def _require_calibration(
    places: Mapping[str, TensorLike], numbers: object, size: int, name: str
) -> None:
    shapes = {key.removeprefix(FAMILIARITY_PREFIX): tuple(at.shape) for key, at in places.items()}
    expected = {"mean": (size,), "precision": (size, size)}
    floats = all(at.dtype.is_floating_point for at in places.values())
    if numbers is None or shapes != expected or not floats:
        raise refusal(name, f"familiarity is not understood (tensors {shapes})",
                      f"threshold, true_rate and tensors {expected}",
                      "Save the checkpoint again with save_checkpoint().")


def _familiarity(
    tensors: Mapping[str, Tensor], numbers: Mapping[str, float] | None
) -> FamiliarityModel | None:
    if numbers is None:
        return None
    mean, precision = (
        np.asarray(tensors[FAMILIARITY_PREFIX + part].numpy()) for part in ("mean", "precision")
    )
    return FamiliarityModel(mean, precision, numbers["threshold"], numbers["true_rate"])


def _shape(tensor: TensorLike | None) -> str:
    return "absent" if tensor is None else str(tuple(tensor.shape))


def start_from(
    network: VideoNetwork, name_or_path: str | Path, *, limits: CheckpointLimits = DEFAULT_LIMITS
) -> Start:
    """Initialise a network from another one's weights; returns the report of `transfer`.

    name_or_path: as of `load_model`, including public checkpoints. A DSA or SDA network can start
    from one without (plug and play, as in both papers), a 3D network from a 2D one by inflation.
    The classifier is copied if both have the same classes in the same order.
    Raises CheckpointError for weights that cannot be loaded, or are of another backbone.
    """
    source = load_model(name_or_path, "cpu", limits=limits)
    same = network.spec is not None and network.spec.classes == source.spec.classes
    return transfer(network, source.state_dict(), classifier=same)


def load_imagenet(network: VideoNetwork) -> Start:
    """Initialise a network from torchvision's ImageNet ResNet of its depth, inflated over time.

    The weights are IMAGENET1K_V1, as at the time of the papers; torch.hub downloads them once into
    its cache. Parameters without a counterpart keep their values; returns the report of `transfer`.
    Raises ModelError for a network that is no ResNet of full width, CheckpointError if the weights
    can be neither found nor downloaded.
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
            "Put the file there, or give a state dict of your own to transfer().",
        ) from error
    return transfer(network, state_dict)
