"""The folders that a server opens for data: no path from a page leads anywhere else.

A symlink counts as what it leads to. Nothing is ever told of a path outside.
"""

from __future__ import annotations

import os
from pathlib import Path

from app.server import settings
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
    paths = (root.absolute() / typed for root in settings.data_roots())
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
    f"Others open when it starts with the environment variable {settings.DATA_VARIABLE} "
    f"(folders, with {os.pathsep!r} between them)."
)


def _named(between: str) -> str:
    return between.join(str(root) for root in settings.data_roots())


def _is_inside(path: Path) -> bool:
    try:
        found = path.resolve()
        return any(found.is_relative_to(root.resolve()) for root in settings.data_roots())
    except (OSError, RuntimeError, ValueError):  # a loop of symlinks, a NUL
        return False


def _outside(named: str) -> DatasetError:
    return DatasetError(
        f"{shown_as(named, 200)!r} lies in no folder that this server opens for data",
        f"something inside {_named(' or ')}",
        f"Copy it there. {_HOW}",
    )
