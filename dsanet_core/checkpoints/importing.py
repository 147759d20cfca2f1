"""Importing a checkpoint: it is checked, converted to .safetensors and registered under a name."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from dsanet_core import atomic
from dsanet_core.atomic import is_unfinished, unfinished_file
from dsanet_core.checkpoints import DEFAULT_LIMITS, CheckpointLimits
from dsanet_core.checkpoints.foreign_formats import NO_CHOICES, Choices
from dsanet_core.checkpoints.load import load_model
from dsanet_core.checkpoints.registry import (
    SAFE_NAME,
    WeightsEntry,
    describe_checkpoint,
    entry_path,
    read_manifest,
)
from dsanet_core.checkpoints.save import save_checkpoint, unwritable
from dsanet_core.errors import CheckpointError
from dsanet_core.hooks import capture
from dsanet_core.models.base import VideoNetwork
from dsanet_core.synthetic import make_video
from dsanet_core.zoo import ENSEMBLES

UNFINISHED_SECONDS = 3600.0
"""Age after which an unfinished file is left over from a process that was killed."""
SIDE, NUM_CLIPS = 112, 4
"""Pixels of a side, and number, of the synthetic clips of the sanity check."""
SATURATED_PROBABILITY = 0.9999
DEAD_FEATURES_SHARE = 0.5
CONSTANT_OUTPUT_TOLERANCE = 1e-4
"""Relative difference between clips below which an output counts as constant."""


def import_checkpoint(
    path: str | Path,
    name: str | None = None,
    *,
    choices: Choices = NO_CHOICES,
    limits: CheckpointLimits = DEFAULT_LIMITS,
) -> str:
    """Check a checkpoint file, convert it and register it for `load_model`; its name.

    path: a checkpoint of this package, or in one of `foreign_formats.formats.FORMATS`; choices:
    settings that the latter does not contain. The file is validated as for loading, the network
    passes a sanity check (`check_outputs`), and its weights and description are written to a new
    .safetensors file in `USER_FOLDER`. The entry keeps notes on what was detected, assumed and
    found doubtful (`available_weights()[name]["account"]`, rows of topic and text).
    name: of a-z, 0-9, "_", "." and "-"; default: derived from the file name. The same checkpoint
    may be imported again; a name in use by another one, or by embedded weights, is refused.
    Raises CheckpointError, also if the folder is not writable.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no file {str(path)!r}", "a .safetensors or .pth checkpoint",
                              "Give the path of a file.")
    chosen = _default_name(path) if name is None else name
    _require_valid_name(chosen)
    network = load_model(path.absolute(), "cpu", choices=choices, limits=limits)
    target = entry_path(chosen).with_name(f"{chosen}.safetensors")
    weights = network.weights
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(target.parent)
        with unfinished_file(target) as part:
            save_checkpoint(
                part, network, trained_on=weights.trained_on, recipe=weights.recipe,
                seed=weights.seed, accuracy=weights.accuracy, familiarity=weights.familiarity,
            )
            notes = [*weights.import_notes, *_output_notes(network)]
            entry = describe_checkpoint(part) | {"file": target.name, "account": notes}
            try:
                os.link(part, target)  # fails if it exists: nothing is ever overwritten
            except FileExistsError:
                _require_same_checkpoint(target, entry)
        atomic.write_text(entry_path(chosen), json.dumps(entry, indent=2) + "\n")
    except OSError as error:
        raise unwritable(target, error) from error
    return chosen


def check_outputs(network: VideoNetwork) -> tuple[str, list[str]]:
    """Sanity check of a foreign network: (description of the input, faults of the outputs).

    A wrong normalisation or a misplaced tensor gives a network that loads and predicts nonsense.
    Severe faults are visible on a few synthetic clips, normalised by its protocol: outputs that do
    not depend on the input, features that are zero, or one saturated class for every clip.
    """
    shape = network.spec.protocol.view_shape
    clips = torch.cat([_synthetic_clip(number, shape[1], shape[3]) for number in range(NUM_CLIPS)])
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in
                 (network.spec.protocol.mean, network.spec.protocol.std))
    with torch.no_grad(), capture(["hook_features"]) as captured:
        scores = torch.cat([network(clip[None].sub(mean).div(std)) for clip in clips])
    shown = f"{NUM_CLIPS} synthetic clips, {shape[1]} x {shape[3]} frames of {SIDE}x{SIDE}"
    features = torch.as_tensor(captured["hook_features"]).flatten(0, -2)
    return shown, _output_faults(scores, features)


def _synthetic_clip(number: int, snippets: int, frames: int) -> Tensor:
    """(1, U, 3, T, H, W), 0 to 1: frames spread evenly over a synthetic video."""
    at = torch.linspace(0, 63, snippets * frames).long().numpy()
    rgb = make_video(0, number, size=(SIDE, SIDE)).rgb[at]
    pixels = torch.from_numpy(rgb).float().div(255).permute(3, 0, 1, 2)
    return pixels.view(3, snippets, frames, SIDE, SIDE).transpose(0, 1)[None]


def _output_faults(scores: Tensor, features: Tensor) -> list[str]:
    if not bool(scores.isfinite().all()):
        return ["outputs are not finite"]
    found = []
    if float(scores.std(0).max()) <= CONSTANT_OUTPUT_TOLERANCE * float(scores.abs().max()):
        found.append("outputs are dead: they are the same for every clip")
    elif float(scores.softmax(-1).amax(-1).min()) > SATURATED_PROBABILITY:
        found.append("outputs are saturated: one class has all the probability for every clip; "
                     "is the normalisation that of the training?")
    dead = float((features.amax(0) <= 0).float().mean())
    if dead > DEAD_FEATURES_SHARE:
        found.append(f"{dead:.0%} of the features are zero for every clip")
    return found


def _output_notes(network: VideoNetwork) -> list[tuple[str, str]]:
    """Import notes on the sanity check."""
    shown, faults = check_outputs(network)
    if not faults:
        return [("sanity check", f"passed on {shown}")]
    return [("sanity check", shown), *(("warning", fault) for fault in faults)]


def _remove_unfinished(folder: Path) -> None:
    """Delete the files of imports that were killed."""
    for path in filter(is_unfinished, folder.iterdir()):
        with suppress(OSError):  # another process may delete it
            if time.time() - path.stat().st_mtime > UNFINISHED_SECONDS:
                path.unlink()


def _default_name(path: Path) -> str:
    """A valid name derived from the file name."""
    return re.sub(r"[^a-z0-9_.-]+", "_", path.stem.lower()).lstrip(".-")[:64]


def _require_valid_name(name: str) -> None:
    if not SAFE_NAME.fullmatch(name) or name.endswith((".", ".safetensors", ".json", ".part")):
        raise CheckpointError(
            f"name {name[:80]!r}",
            "1 to 64 of a-z, 0-9, '_', '.' and '-', first a letter, digit or '_', and no suffix "
            "of a file", "Choose such a name.",
        )
    if name in read_manifest() or name in ENSEMBLES:
        raise CheckpointError(f"name {name!r}, that of embedded weights", "another name",
                              "Choose one.")


def _require_same_checkpoint(target: Path, entry: WeightsEntry) -> None:
    """Require that the file in place is the same checkpoint."""
    existing = describe_checkpoint(target)
    if existing["sha256"] != entry["sha256"]:
        raise CheckpointError(
            f"name {target.stem!r}, which is in use by another checkpoint",
            f"sha256 {existing['sha256'][:12]}..., this one has {entry['sha256'][:12]}...",
            f"Choose another name, or delete {target.name} and {target.stem}.json first.",
        )
