"""Settings of one server: folders of its data, and limits for one session and for all together.

The folders that a server opens for data: no path from a page leads anywhere else.

A symlink counts as what it leads to. Nothing is ever told of a path outside.
"""

from __future__ import annotations

import os
from pathlib import Path

from app import ROOT
from dsanet_core.datasets import (
    PYAV,
    SYNTH,
    Dataset,
    is_published,
    map_paths,
    open_dataset,
    paths_of,
)
from dsanet_core.errors import DatasetError
from dsanet_core.video.refusals import shown_as

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


def locate(typed: str) -> str:
    """The description for `open_dataset` of a dataset typed on a page: the embedded benchmark, an
    absolute path inside a root, or a published data set with such paths. A relative one is looked
    for in every root.

    Raises DatasetError for a path that leads out of the roots.
    """
    if typed.startswith(SYNTH):
        return typed
    return map_paths(typed, _located) if is_published(typed) else _located(typed)


def _located(typed: str) -> str:
    paths = (root.absolute() / typed for root in data_roots())
    inside = [path for path in paths if _is_inside(path)]
    if not inside:
        raise _outside(typed)
    # Not Path.exists(), which raises where it may not look.
    return str(next((path for path in inside if os.path.exists(path)), inside[0]))  # noqa: PTH110


def open_inside(
    description: str, *, split: str | None, limit: int | None, reader: str = PYAV
) -> Dataset:
    """`open_dataset` where the description and every video lie in the roots: a list may name files
    elsewhere, a folder may hold symlinks. Raises DatasetError."""
    if not description.startswith(SYNTH):
        named = paths_of(description) if is_published(description) else (description,)
        for place in named:
            if not _is_inside(Path(place)):
                raise _outside(place)
    dataset = open_dataset(description, split=split, limit=limit, reader=reader)
    folders: dict[Path, bool] = {}
    for index in range(len(dataset)):
        path = dataset.path(index)
        if path is None:
            continue
        if path.parent not in folders:
            folders[path.parent] = _is_inside(path.parent)
        plain = path.name != ".." and not os.path.islink(path)  # noqa: PTH114
        if not (folders[path.parent] if plain else _is_inside(path)):
            raise _outside(dataset.video_name(index))
    return dataset


def describe() -> str:
    """Text for a page: the folders that are open, and the way to open others."""
    return f"Open on this server: {_named(', ')}. {_HOW}"


_HOW = (
    f"Others open when it starts with the environment variable {DATA_VARIABLE} "
    f"(folders, with {os.pathsep!r} between them)."
)


def _named(between: str) -> str:
    return between.join(str(root) for root in data_roots())


def _is_inside(path: Path) -> bool:
    try:
        found = path.resolve()
        return any(found.is_relative_to(root.resolve()) for root in data_roots())
    except (OSError, RuntimeError, ValueError):  # a loop of symlinks, a NUL
        return False


def _outside(named: str) -> DatasetError:
    return DatasetError(
        f"{shown_as(named, 200)!r} lies in no folder that this server opens for data",
        f"something inside {_named(' or ')}",
        f"Copy it there. {_HOW}",
    )
