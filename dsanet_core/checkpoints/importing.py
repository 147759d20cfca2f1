"""A checkpoint from anywhere becomes one of those at hand."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from dsanet_core import atomic
from dsanet_core.atomic import is_unfinished, unfinished_file
from dsanet_core.checkpoints.foreign_formats import NO_CHOICES, Choices
from dsanet_core.checkpoints.limits import DEFAULT_LIMITS, CheckpointLimits
from dsanet_core.checkpoints.load import load_model
from dsanet_core.checkpoints.registry import (
    SAFE_NAME,
    Entry,
    describe,
    entry_path,
    read_manifest,
)
from dsanet_core.checkpoints.sanity import look_at
from dsanet_core.checkpoints.save import save_checkpoint, unwritable
from dsanet_core.errors import CheckpointError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import ENSEMBLES

UNFINISHED_SECONDS = 3600.0
"""Nobody writes one checkpoint for so long."""


def import_checkpoint(
    path: str | Path,
    name: str | None = None,
    *,
    choices: Choices = NO_CHOICES,
    limits: CheckpointLimits = DEFAULT_LIMITS,
) -> str:
    """Check a checkpoint file and keep it for `load_model` under a name of its own; that name.

    path: a checkpoint of this package, or in a format of `public.FORMATS`; choices: what the latter
    cannot say. Everything in the file is checked as for loading, the network looks at a few videos
    (`sanity`), and it is written anew as .safetensors into `USER_FOLDER`: nothing of the original
    but its numbers and its description stays. What was understood, assumed and found doubtful is
    kept in its entry (`at_hand()[name]["account"]`, rows of what and how).
    name: of a-z, 0-9, "_", "." and "-", by default made of the file's. The same checkpoint may be
    imported twice; a name that stands for another one is refused, those of the embedded weights
    always. Raises CheckpointError, also if the folder cannot be written to.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no file {str(path)!r}", "a .safetensors or .pth checkpoint",
                              "Give the path of a file.")
    chosen = _suggested(path) if name is None else name
    _require_free(chosen)
    network = load_model(path.absolute(), "cpu", choices=choices, limits=limits)
    target = entry_path(chosen).with_name(f"{chosen}.safetensors")
    facts = network.weights
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(target.parent)
        with unfinished_file(target) as part:
            save_checkpoint(
                part, network, trained_on=facts.trained_on, recipe=facts.recipe, seed=facts.seed,
                accuracy=facts.accuracy, familiarity=facts.familiarity,
            )
            account = [*network.weights.account, *_looked_at(network)]
            entry = describe(part) | {"file": target.name, "account": account}
            try:
                os.link(part, target)  # fails where there is one: nothing is ever written over
            except FileExistsError:
                _require_same(target, entry)
        atomic.write_text(entry_path(chosen), json.dumps(entry, indent=2) + "\n")
    except OSError as error:
        raise unwritable(target, error) from error
    return chosen


def _looked_at(network: VideoNetwork) -> list[tuple[str, str]]:
    """Rows of an account that say whether the outputs live."""
    shown, faults = look_at(network)
    if not faults:
        return [("looked at", f"outputs differ as they should on {shown}")]
    return [("looked at", shown), *(("warning", fault) for fault in faults)]


def _remove_unfinished(folder: Path) -> None:
    """What imports left behind that were killed."""
    for path in filter(is_unfinished, folder.iterdir()):
        with suppress(OSError):  # another process may be at it
            if time.time() - path.stat().st_mtime > UNFINISHED_SECONDS:
                path.unlink()


def _suggested(path: Path) -> str:
    """A safe name like that of a file."""
    return re.sub(r"[^a-z0-9_.-]+", "_", path.stem.lower()).lstrip(".-")[:64]


def _require_free(name: str) -> None:
    if not SAFE_NAME.fullmatch(name) or name.endswith((".", ".safetensors", ".json", ".part")):
        raise CheckpointError(
            f"name {name[:80]!r}",
            "1 to 64 of a-z, 0-9, '_', '.' and '-', first a letter, digit or '_', and no suffix "
            "of a file", "Choose such a name.",
        )
    if name in read_manifest() or name in ENSEMBLES:
        raise CheckpointError(f"name {name!r}, which comes with the project", "a name of its own",
                              "Choose another name.")


def _require_same(target: Path, entry: Entry) -> None:
    """What lies there already must be the same checkpoint."""
    there = describe(target)
    if there["sha256"] != entry["sha256"]:
        raise CheckpointError(
            f"name {target.stem!r}, which stands for another checkpoint",
            f"sha256 {there['sha256'][:12]}..., this one has {entry['sha256'][:12]}...",
            f"Choose another name, or delete {target.name} and {target.stem}.json first.",
        )
