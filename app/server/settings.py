"""Settings of one server: folders of its data, and limits for one session and for all together."""

from __future__ import annotations

import os
from pathlib import Path

from app import ROOT

DATA_VARIABLE = "DSANET_LENS_DATA"
"""Folders, separated as in PATH, that must hold the videos that a page opens by path."""


def data_roots() -> tuple[Path, ...]:
    """The folders of `DATA_VARIABLE`, or `data/` beside the app, as they are named."""
    named = [Path(part) for part in os.environ.get(DATA_VARIABLE, "").split(os.pathsep) if part]
    return tuple(named) or (ROOT / "data",)


WEIGHTS_VARIABLE = "DSANET_LENS_WEIGHTS"
"""Permission for pages to upload and delete weights: "open" or "closed"."""


def weights_opened() -> bool | None:
    """The value of `WEIGHTS_VARIABLE`, None where it is not set; any value but "open" closes."""
    value = os.environ.get(WEIGHTS_VARIABLE, "").strip().lower()
    return value == "open" if value else None


WEIGHTS_BYTES = 20 << 30
MOST_WEIGHTS = 100
"""Of all checkpoints of users together: pages accept no more."""
IMPORT_SECONDS = 900.0
"""Time limit for the check of one checkpoint."""

UPLOAD_BYTES_PER_SESSION = 2 << 30
UPLOADS_PER_SESSION = 32
"""The oldest uploads of a session go first."""
FREE_DISK_BYTES = 1 << 30
"""Space that uploads and caches leave free on their disks."""
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
