"""From a checkpoint file to a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from dsanet_core.checkpoints.contents import DTYPES, CheckpointFile, Piece, refusal
from dsanet_core.checkpoints.facts import Facts, empty_network, facts_of, read_facts
from dsanet_core.checkpoints.foreign_formats import (
    NO_CHOICES,
    Choices,
    Understood,
    understand,
)
from dsanet_core.checkpoints.kinds import open_checkpoint
from dsanet_core.checkpoints.limits import DEFAULT_LIMITS, CheckpointLimits
from dsanet_core.checkpoints.registry import find
from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.familiarity import FamiliarityModel
from dsanet_core.inference import prepare
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.transfer import COUNTER, Start, transfer
from dsanet_core.text_format import file_size
from dsanet_core.workers import pick_local
from dsanet_core.zoo import ModelSpec

FAMILIARITY = "familiarity."
"""Prefix of the names of the tensors of a familiarity calibration."""


@dataclass(frozen=True)
class Weights:
    """Where a network's parameters came from, as `network.weights` says.

    file: file name; sha256: of the file's bytes. trained_on: the training domain in words.
    accuracy: measured figures by name, as fractions. familiarity: None if it was not calibrated.
    account: of a file in the format of another code, what was understood, as rows of (what, how).
    """

    file: str
    sha256: str
    trained_on: str
    recipe: dict[str, Any]
    seed: int | None
    accuracy: dict[str, Any]
    familiarity: FamiliarityModel | None = field(default=None, repr=False)
    account: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class Described(Protocol):
    """A tensor, or what a header says of one."""

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

    name_or_path: a name of `at_hand()`, a .safetensors / .pth file written by `save_checkpoint`, or
    one in a format of `public.FORMATS`, whose `.weights.account` says what was understood.
    device: "auto" takes a GPU if there is one. choices: what such a file cannot say.
    Raises CheckpointError if there are no such weights, or the file is damaged, of an unknown
    format or past the limits, or its tensors do not fit its spec.
    """
    target = pick_device(device)
    path, promised = find(name_or_path)
    with open_checkpoint(path, limits) as file:
        network = _network(file, choices, limits)
    if promised not in (None, file.sha256):
        raise CheckpointError(
            f"{path.name} has sha256 {file.sha256[:12]}...",
            f"{str(promised)[:12]}... as its manifest says",
            "Fetch the file again, or rewrite the manifest with write_manifest().",
        )
    return prepare(network.to(target))


def start_from(
    network: VideoNetwork, name_or_path: str | Path, *, limits: CheckpointLimits = DEFAULT_LIMITS
) -> Start:
    """Give a network the weights that it shares with another; names of those that were copied and
    of those that were not.

    name_or_path: as of `load_model`, so also a public checkpoint. A DSA or SDA network starts from
    one without (the plug-and-play use of both papers), a 3D one from a 2D one by inflation; see
    `transfer`. The classifier is copied where both have the same classes in the same order.
    Raises CheckpointError for weights that cannot be loaded, or are of another backbone.
    """
    source = load_model(name_or_path, "cpu", limits=limits)
    same = network.spec is not None and network.spec.classes == source.spec.classes
    return transfer(network, source.state_dict(), classifier=same)


def read_spec(
    name_or_path: str | Path, *, limits: CheckpointLimits = DEFAULT_LIMITS
) -> ModelSpec:
    """The row that a file was saved with, from its header alone; errors as `load_model`."""
    path, _ = find(name_or_path)
    with open_checkpoint(path, limits) as file:
        facts, _ = _facts(file, NO_CHOICES)
        return facts.spec


def load_weights(network: VideoNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Give a network, also one on the meta device, all its parameters and buffers.

    Raises CheckpointError that counts the tensors which are missing, left over or of another shape
    and names the first, or names one that is not finite or of another kind of numbers.
    """
    _require_match(network, tensors)
    _fill(network, ((key, slice(None), tensor) for key, tensor in tensors.items()))


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


def _facts(file: CheckpointFile, choices: Choices) -> tuple[Facts, Understood | None]:
    """Description of the network in a file; for one of another code, also how it was understood."""
    contents = file.contents
    understood = None if "format" in contents.metadata else understand(contents, file.name, choices)
    if understood is None:
        return read_facts(contents, file.name), None
    recipe = {"imported from": understood.format}
    return facts_of(understood.spec, file.name, trained_on="", recipe=recipe), understood


def _network(file: CheckpointFile, choices: Choices, limits: CheckpointLimits) -> VideoNetwork:
    """Everything that headers can be wrong about is refused before the first tensor is read."""
    facts, understood = _facts(file, choices)
    network = empty_network(facts.spec, file.name, limits)
    if understood is not None:
        return _of_another_code(network, file, facts, understood)
    places = file.contents.places
    calibration = {key: at for key, at in places.items() if key.startswith(FAMILIARITY)}
    _require_match(network, {key: at for key, at in places.items() if key not in calibration})
    if facts.familiarity is not None or calibration:
        _require_calibration(calibration, facts.familiarity, network.appearance_size, file.name)
    kept = {key: torch.empty(at.shape, dtype=torch.float64) for key, at in calibration.items()}
    _fill(network, file.pieces(), kept)
    network.weights = Weights(
        file.name, file.sha256, facts.trained_on, facts.recipe, facts.seed, facts.accuracy,
        _familiarity(kept, facts.familiarity),
    )
    return network


def _of_another_code(
    network: VideoNetwork, file: CheckpointFile, facts: Facts, understood: Understood
) -> VideoNetwork:
    """The network, filled by tensors that have other names, and shapes with or without sizes of 1.

    Counters of batches may be absent: not every code keeps them, and nothing here reads them."""
    places, wanted = file.contents.places, network.state_dict()
    found: dict[str, Described] = {}
    for theirs, ours in understood.names.items():
        fits = ours in wanted and _essential(places[theirs].shape) == _essential(wanted[ours].shape)
        shape = tuple(wanted[ours].shape) if fits else places[theirs].shape
        found[ours] = replace(places[theirs], shape=shape)
    absent = [key for key in wanted if key.endswith(COUNTER) and key not in found]
    _require_match(network, found | {key: wanted[key] for key in absent})
    counters = ((key, slice(None), torch.zeros((), dtype=torch.int64)) for key in absent)
    _fill(network, chain(_renamed(file, understood.names, wanted), counters))
    network.weights = Weights(
        file.name, file.sha256, facts.trained_on, facts.recipe, None, {},
        account=understood.account,
    )
    return network


def _renamed(
    file: CheckpointFile, names: Mapping[str, str], wanted: Mapping[str, Tensor]
) -> Iterator[Piece]:
    for theirs, rows, piece in file.pieces():
        if theirs in names:
            shape = wanted[names[theirs]].shape
            if piece.ndim and file.contents.places[theirs].shape[:1] == shape[:1]:
                yield names[theirs], rows, piece.reshape(len(piece), *shape[1:])
            else:  # its first size is a 1 that ours does not have, so that it is all there is
                yield names[theirs], slice(None), piece.reshape(shape)


def _essential(shape: tuple[int, ...]) -> list[int]:
    """A shape without its sizes of 1."""
    return [size for size in shape if size != 1]


def _fill(
    network: VideoNetwork, pieces: Iterable[Piece], others: Mapping[str, Tensor] | None = None
) -> None:
    """Matching tensors are copied piece by piece to where they stay: nothing is here twice.

    others: tensors that are no part of the network, by name, filled too.
    """
    state = network.state_dict()
    filled: dict[str, Tensor] = dict(others or {})
    for key, rows, piece in pieces:
        if key not in filled:
            filled[key] = _empty_like(state[key], piece.device)
        part = filled[key][rows] if piece.ndim else filled[key]
        # float32 has no room for the largest of float64.
        if not bool(part.copy_(piece).isfinite().all()):
            raise CheckpointError(
                f"{key!r} holds NaN or infinity",
                "finite weights",
                "The training diverged: take an earlier checkpoint.",
            )
    network.load_state_dict({key: filled[key] for key in state}, assign=True)


def _empty_like(value: Tensor, device: torch.device) -> Tensor:
    """Memory for a tensor, laid out as `build_model` does."""
    layout = torch.channels_last_3d if value.ndim == 5 else torch.contiguous_format
    try:
        return torch.empty(
            value.shape, dtype=value.dtype, device=device, memory_format=layout
        )
    except RuntimeError as error:
        raise CheckpointError(f"a tensor of {file_size(value.nbytes)}", "as much free memory",
                              "Close other programs.") from error


def _require_match(network: VideoNetwork, tensors: Mapping[str, Described]) -> None:
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
            f"{len(unmatched)} keys unmatched, first {key[:200]!r} {found} vs {needed}",
            f"the {len(wanted)} tensors of {name}",
            hint,
        )
    for key, value in wanted.items():
        found_type = tensors[key].dtype
        if found_type not in DTYPES or found_type.is_floating_point != value.is_floating_point():
            raise CheckpointError(
                f"{key!r} holds numbers of {str(found_type)[6:]}",
                f"{str(value.dtype)[6:]} or another floating point format"
                if value.is_floating_point() else str(value.dtype)[6:],
                "Are the weights quantised? Take those of the training.",
            )


def _require_calibration(
    places: Mapping[str, Described], numbers: object, size: int, name: str
) -> None:
    shapes = {key.removeprefix(FAMILIARITY): tuple(at.shape) for key, at in places.items()}
    wanted = {"mean": (size,), "precision": (size, size)}
    floats = all(at.dtype.is_floating_point for at in places.values())
    if numbers is None or shapes != wanted or not floats:
        raise refusal(name, f"familiarity is not understood (tensors {shapes})",
                      f"threshold, true_rate and tensors {wanted}",
                      "Save the checkpoint again with save_checkpoint().")


def _familiarity(
    tensors: Mapping[str, Tensor], numbers: Mapping[str, float] | None
) -> FamiliarityModel | None:
    if numbers is None:
        return None
    mean, precision = (
        np.asarray(tensors[FAMILIARITY + part].numpy()) for part in ("mean", "precision")
    )
    return FamiliarityModel(mean, precision, numbers["threshold"], numbers["true_rate"])


def _shape(tensor: Described | None) -> str:
    return "absent" if tensor is None else str(tuple(tensor.shape))
