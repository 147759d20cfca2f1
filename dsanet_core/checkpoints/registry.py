"""Weights by name: the embedded ones, and those that users brought.

The embedded weights stand in one manifest.json, written when they are trained. A user's checkpoint
has an entry of its own beside it, so that one that is damaged hides no other, and two processes
that register at once do not write the same file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from dsanet_core import atomic
from dsanet_core.checkpoints.facts import read_facts
from dsanet_core.checkpoints.folders import embedded_folder, user_folder
from dsanet_core.checkpoints.kinds import open_checkpoint
from dsanet_core.checkpoints.limits import DEFAULT_LIMITS
from dsanet_core.errors import CheckpointError, printable
from dsanet_core.json_values import parse_json, require_plain

Entry = dict[str, Any]
SAFE_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,63}")
MAX_ENTRY_BYTES = 1 << 20
_KINDS: dict[str, Any] = {
    "file": str, "sha256": str, "bytes": int, "model": str, "trained_on": str,
    "seed": int | None, "accuracy": dict,
}  # fmt: skip


def at_hand() -> dict[str, Entry]:
    """Name -> entry of all weights that can be loaded by name, the embedded ones first.

    Entries have file, sha256, bytes, model, trained_on, seed and accuracy, `account`, what was
    understood when they were imported, and `path` and `embedded`, where the file lies and whether
    it came with the project. Entries of users that cannot be read are left out: `damaged()` names
    them.
    """
    embedded = {
        name: entry | {
            "path": embedded_folder() / entry["file"], "embedded": True, "account": [],
        }
        for name, entry in read_manifest().items()
    }
    users, _ = _users()
    return embedded | {name: entry for name, entry in users.items() if name not in embedded}


def damaged() -> dict[str, str]:
    """Name -> what is wrong with the entry of a user's checkpoint that `at_hand` leaves out."""
    _, faults = _users()
    return {name: str(error) for name, error in faults.items()}


def read_manifest(folder: Path | None = None) -> dict[str, Entry]:
    """Name -> file, sha256, bytes, model, trained_on, seed, accuracy; empty without a manifest.

    folder: that of the embedded weights by default. Raises CheckpointError if it is damaged.
    """
    path = (folder or embedded_folder()) / "manifest.json"
    if not path.is_file():
        return {}
    try:
        entries: dict[str, Entry] = parse_json(path.read_text(encoding="utf-8"), dict)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error})", "JSON as write_manifest() writes "
                              "it", "Write it again with write_manifest().") from error
    return entries


def write_manifest(folder: Path | None = None) -> None:
    """Describe every .safetensors file of a folder in its manifest.json, by file stem."""
    folder = folder or embedded_folder()
    files = sorted(folder.glob("[!.]*.safetensors"))
    entries = {path.stem: describe(path) for path in files}
    atomic.write_text(folder / "manifest.json", json.dumps(entries, indent=2) + "\n")


def describe(path: Path) -> Entry:
    """The entry of a checkpoint, from its header and its bytes. Raises CheckpointError."""
    with open_checkpoint(path, DEFAULT_LIMITS) as file:
        facts = read_facts(file.contents, file.name)
        return {
            "file": path.name,
            "sha256": file.digest(),
            "bytes": path.stat().st_size,
            "model": facts.spec.name,
            "trained_on": facts.trained_on,
            "seed": facts.seed,
            "accuracy": facts.accuracy,
        }


def find(name_or_path: str | Path) -> tuple[Path, str | None]:
    """The file of a name or path, and the sha256 that its entry promises. A name of the embedded
    weights is never another's. Raises CheckpointError if there is none."""
    name = str(name_or_path)
    entry = read_manifest().get(name)
    if entry is not None:
        return embedded_folder() / entry["file"], entry["sha256"]
    if SAFE_NAME.fullmatch(name) and entry_path(name).is_file():
        entry = read_entry(name)
        return entry["path"], entry["sha256"]
    path = Path(name_or_path)
    if not path.is_file():
        raise CheckpointError(
            f"no weights {name!r}",
            f"a checkpoint file or one of: {', '.join(at_hand()) or 'none embedded here'}",
            "Give the path of a file, or create_model(name) for random weights.",
        )
    return path, None


def entry_path(name: str) -> Path:
    """Where the entry of a user's checkpoint lies; its weights lie beside it."""
    return user_folder() / f"{name}.json"


def read_entry(name: str) -> Entry:
    """The entry of a user's checkpoint. Raises CheckpointError if somebody has damaged it."""
    path = entry_path(name)
    try:
        if path.stat().st_size > MAX_ENTRY_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes")
        entry: Entry = parse_json(path.read_text(encoding="utf-8"), dict)
        require_plain(entry)
        for key, kind in _KINDS.items():
            if not isinstance(entry[key], kind):
                raise ValueError(f"{key} {str(entry[key])[:80]!r}")
        account = entry.get("account", [])
        if not isinstance(account, list) or not all(map(_is_row, account)):
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
    kept = {key: entry[key] for key in _KINDS}
    return kept | {"path": weights, "embedded": False, "account": account}


def _is_row(row: object) -> bool:
    return isinstance(row, list) and len(row) == 2 and all(isinstance(cell, str) for cell in row)


def _users() -> tuple[dict[str, Entry], dict[str, CheckpointError]]:
    """Entries of users that can be read, and why others cannot."""
    entries: dict[str, Entry] = {}
    faults: dict[str, CheckpointError] = {}
    for path in sorted(user_folder().glob("*.json")):
        if SAFE_NAME.fullmatch(path.stem):
            try:
                entries[path.stem] = read_entry(path.stem)
            except CheckpointError as error:
                faults[path.stem] = error
    return entries, faults
