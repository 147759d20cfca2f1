"""Weights by name: the embedded ones and those of users.

The embedded weights are listed in one manifest.json, written when they are trained. Each checkpoint
of a user has an entry in a file of its own, so that a damaged one hides no other, and two processes
that register at once do not write the same file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from dsanet_core import atomic, checkpoints
from dsanet_core.checkpoints import DEFAULT_LIMITS
from dsanet_core.checkpoints.checkpoint_file import open_checkpoint
from dsanet_core.checkpoints.metadata import read_metadata
from dsanet_core.errors import CheckpointError, printable
from dsanet_core.json_values import parse_json, require_plain

WeightsEntry = dict[str, Any]
SAFE_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,63}")
MAX_ENTRY_BYTES = 1 << 20
_FIELD_TYPES: dict[str, Any] = {
    "file": str, "sha256": str, "bytes": int, "model": str, "trained_on": str,
    "seed": int | None, "accuracy": dict,
}  # fmt: skip


def available_weights() -> dict[str, WeightsEntry]:
    """Entries of all weights that can be loaded by name, the embedded ones first.

    An entry has file, sha256, bytes, model, trained_on, seed, accuracy, `account` (import notes,
    rows of topic and text), `path` and `embedded` (whether it belongs to the project). Entries of
    users that cannot be read are left out, see `damaged_entries`.
    """
    embedded = {
        name: entry | {
            "path": checkpoints.FOLDER / entry["file"], "embedded": True, "account": [],
        }
        for name, entry in read_manifest().items()
    }
    users, _ = _user_entries()
    return embedded | {name: entry for name, entry in users.items() if name not in embedded}


def damaged_entries() -> dict[str, str]:
    """Error messages of the users' entries that `available_weights` leaves out, by name."""
    _, faults = _user_entries()
    return {name: str(error) for name, error in faults.items()}


def read_manifest(folder: Path | None = None) -> dict[str, WeightsEntry]:
    """Entries of a manifest by name: file, sha256, bytes, model, trained_on, seed, accuracy; empty
    without a manifest.

    folder: default `checkpoints.FOLDER`. Raises CheckpointError if it is damaged_entries.
    """
    path = (folder or checkpoints.FOLDER) / "manifest.json"
    if not path.is_file():
        return {}
    try:
        entries: dict[str, WeightsEntry] = parse_json(path.read_text(encoding="utf-8"), dict)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error})", "JSON as write_manifest() writes "
                              "it", "Write it again with write_manifest().") from error
    return entries


def write_manifest(folder: Path | None = None) -> None:
    """Write the manifest.json of a folder: an entry for every .safetensors file, by file stem."""
    folder = folder or checkpoints.FOLDER
    paths = sorted(folder.glob("[!.]*.safetensors"))
    entries = {path.stem: describe_checkpoint(path) for path in paths}
    atomic.write_text(folder / "manifest.json", json.dumps(entries, indent=2) + "\n")


def describe_checkpoint(path: Path) -> WeightsEntry:
    """The entry of a checkpoint, from its header and content. Raises CheckpointError."""
    with open_checkpoint(path, DEFAULT_LIMITS) as file:
        metadata = read_metadata(file.header, file.name)
        return {
            "file": path.name,
            "sha256": file.digest(),
            "bytes": path.stat().st_size,
            "model": metadata.spec.name,
            "trained_on": metadata.trained_on,
            "seed": metadata.seed,
            "accuracy": metadata.accuracy,
        }


def find_weights(name_or_path: str | Path) -> tuple[Path, str | None]:
    """The checkpoint file of a name or path, and its expected SHA-256 (None for a path).

    Embedded weights take precedence over those of users. Raises CheckpointError if there is none.
    """
    name = str(name_or_path)
    entry = read_manifest().get(name)
    if entry is not None:
        return checkpoints.FOLDER / entry["file"], entry["sha256"]
    if SAFE_NAME.fullmatch(name) and entry_path(name).is_file():
        entry = read_entry(name)
        return entry["path"], entry["sha256"]
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(available_weights()) or "none embedded here"
        raise CheckpointError(
            f"no weights {name!r}", f"a checkpoint file or one of: {known}",
            "Give the path of a file, or create_model(name) for random weights.",
        )
    return path, None


def entry_path(name: str) -> Path:
    """Path of the entry of a user's checkpoint; the weights are beside it."""
    return checkpoints.USER_FOLDER / f"{name}.json"


def read_entry(name: str) -> WeightsEntry:
    """The entry of a user's checkpoint. Raises CheckpointError if it is damaged."""
    path = entry_path(name)
    try:
        if path.stat().st_size > MAX_ENTRY_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes")
        entry: WeightsEntry = parse_json(path.read_text(encoding="utf-8"), dict)
        require_plain(entry)
        for key, kind in _FIELD_TYPES.items():
            if not isinstance(entry[key], kind):
                raise ValueError(f"{key} {str(entry[key])[:80]!r}")
        account = entry.get("account", [])
        if not isinstance(account, list) or not all(map(_is_note, account)):
            raise ValueError("account")
        weights = path.with_name(f"{name}.safetensors")
        if entry["file"] != weights.name or not re.fullmatch("[0-9a-f]{64}", entry["sha256"]):
            raise ValueError(f"file {entry['file'][:80]!r}, sha256 {entry['sha256'][:80]!r}")
        if not weights.is_file():
            raise ValueError(f"{weights.name} is gone")
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"the entry of {name!r} cannot be used ({printable(str(error))[:200]})",
            f"{path} as import_checkpoint() wrote it",
            f"Import the checkpoint again under another name, or delete {path.name}.",
        ) from error
    fields = {key: entry[key] for key in _FIELD_TYPES}
    return fields | {"path": weights, "embedded": False, "account": account}


def _is_note(row: object) -> bool:
    return isinstance(row, list) and len(row) == 2 and all(isinstance(cell, str) for cell in row)


def _user_entries() -> tuple[dict[str, WeightsEntry], dict[str, CheckpointError]]:
    """Readable entries of users, and the errors of the others."""
    entries: dict[str, WeightsEntry] = {}
    faults: dict[str, CheckpointError] = {}
    for path in sorted(checkpoints.USER_FOLDER.glob("*.json")):
        if SAFE_NAME.fullmatch(path.stem):
            try:
                entries[path.stem] = read_entry(path.stem)
            except CheckpointError as error:
                faults[path.stem] = error
    return entries, faults
