"""What one server grants: where its data may lie, and how much a session and everybody may take."""

from __future__ import annotations

import os
from pathlib import Path

from app import ROOT

DATA_VARIABLE = "DSANET_LENS_DATA"
"""Folders, separated as in PATH, under which the videos must lie that a page is told of by path."""


def data_roots() -> tuple[Path, ...]:
    """The folders of `DATA_VARIABLE`, or `data/` beside the app, as they are named."""
    named = [Path(part) for part in os.environ.get(DATA_VARIABLE, "").split(os.pathsep) if part]
    return tuple(named) or (ROOT / "data",)


WEIGHTS_VARIABLE = "DSANET_LENS_WEIGHTS"
"""Whether pages may bring and delete weights: "open" or "closed"."""


def weights_opened() -> bool | None:
    """What `WEIGHTS_VARIABLE` says, None where it says nothing; a word that is neither closes."""
    said = os.environ.get(WEIGHTS_VARIABLE, "").strip().lower()
    return said == "open" if said else None


WEIGHTS_BYTES = 20 << 30
MOST_WEIGHTS = 100
"""Of all checkpoints of users, whoever brought them: pages bring no more."""
IMPORT_SECONDS = 900.0
"""How long the check of one checkpoint may take."""

UPLOAD_BYTES_PER_SESSION = 2 << 30
UPLOADS_PER_SESSION = 32
"""The oldest uploads of a session go first."""
FREE_DISK_BYTES = 1 << 30
"""What uploads and caches leave free on their disks."""
CACHE_BYTES = 2 << 30
"""Of drawn films in .cache/: those not watched for longest go first."""

WAITING_PER_SESSION = 8
WAITING_IN_ALL = 64
"""Analyses that wait for their turn, of one session and on one device."""
CLIPS_BYTES = 64 << 20
"""Decoded frames that are kept for the next question about the same video."""
RESULT_BYTES = 512 << 20
"""Finished analyses that are kept at hand, on one device."""
NETWORK_BYTES = 2 << 30
"""Parameters of the networks that stay loaded, on one device."""
