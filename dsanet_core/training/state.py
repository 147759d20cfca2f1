"""The state of an unfinished training, from which it goes on with the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dsanet_core.atomic import atomic_file
from dsanet_core.errors import CheckpointError, LensError

KEYS = {"decided_by", "network", "optimizer", "scaler", "average", "losses"}
"""decided_by: everything that decides the numbers; losses: of every step that is done."""


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """A state file, whole or not at all. state: the `KEYS`."""
    with atomic_file(path) as part:
        torch.save(dict(state), part)


def read_state(path: Path, decided_by: Mapping[str, Any], where: torch.device) -> dict[str, Any]:
    """A training state, as data only. Raises CheckpointError for a damaged one, LensError for that
    of another training."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=where, weights_only=True)
        reason = "" if set(state) >= KEYS else "something is missing"
    except Exception as error:  # the parser of damaged bytes raises nearly anything
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
    if reason:
        raise CheckpointError(
            f"{path} cannot be read ({reason})", "the state that a training left there",
            "Delete it to start over.",
        )
    there = state["decided_by"]
    for key, value in decided_by.items():
        if there.get(key) != value:
            raise LensError(
                f"{path} is the state of another training ({_difference(key, there, value)})",
                "one of the same recipe, data, seed and start",
                "Delete it to start over, or choose another --out.",
            )
    return state


def _difference(key: str, there: Mapping[str, Any], here: Any) -> str:
    old = there.get(key)
    if isinstance(old, dict) and isinstance(here, dict):
        key = next(name for name in here if old.get(name) != here[name])
        old, here = old.get(key), here[key]
    return f"{key} {str(old)[:60]!r}, not {str(here)[:60]!r}"
