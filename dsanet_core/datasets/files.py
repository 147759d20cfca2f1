"""Datasets of video files, and the folder with one sub-folder per category."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dsanet_core.datasets.base import Dataset, Draw, Part, Window
from dsanet_core.errors import DatasetError
from dsanet_core.records import Clips, Sampling
from dsanet_core.video import read_clips

SHOWN = 8
"""Names that a message lists."""


class FileRow(NamedTuple):
    """A video file or a part of one. name: how the folder or list calls the file, the same
    wherever that lies. window: start and end (math.inf: that of the video) in seconds."""

    path: Path
    name: str
    category: str
    window: Window = None


class FileDataset(Dataset):
    """Video files."""

    def __init__(
        self, description: str, rows: Sequence[FileRow], *, split: str | None = None
    ) -> None:
        super().__init__(description, split)
        self.groups = {}
        self.rows = rows
        self.categories = [row.category for row in rows]

    def _identity(self) -> Iterable[object]:
        for row in self.rows:
            start, end = row.window or (0.0, math.inf)
            until = None if math.isinf(end) else end
            yield [row.name, row.category, start, until, _size(row.path)]

    def video_name(self, index: int) -> str:
        row = self.rows[index]
        name = os.fsencode(row.name).decode(errors="backslashreplace")
        if row.window is None:
            return name
        start, end = row.window
        return f"{name} from {start:g} s" + ("" if math.isinf(end) else f" to {end:g} s")

    def clips(
        self, index: int, sampling: Sampling, part: Part = None, *, draw: Draw = None
    ) -> Clips:
        row = self.rows[index]
        return read_clips(row.path, sampling, part=part, window=row.window, draw=draw)

    def path(self, index: int) -> Path:
        return self.rows[index].path

    def window(self, index: int) -> Window:
        return self.rows[index].window


def _size(path: Path) -> int:
    """Bytes of a file, -1 if there is none."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return -1


def open_folder(description: str, split: str | None) -> FileDataset:
    """The name of the folder that a file lies in is its category; split: the sub-folder that holds
    these folders. Raises DatasetError."""
    root = Path(description)
    base = root if split is None else _sub_folder(root, split)
    rows = [
        FileRow(path, path.relative_to(root).as_posix(), folder.name)
        for folder in _folders(base)
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]
    if not rows:
        raise DatasetError(
            f"dataset {os.fspath(base)!r} has no files in sub-folders",
            "a folder with one sub-folder of videos per category",
            "Sort the videos into folders named like the model's categories"
            + (", or name a split." if split is None else "."),
        )
    return FileDataset(description, rows, split=split)


def _sub_folder(root: Path, split: str) -> Path:
    folders = {folder.name: folder for folder in _folders(root)}
    if split not in folders:
        raise unknown_split(os.fspath(root), split, "sub-folders", folders)
    return folders[split]


def _folders(root: Path) -> list[Path]:
    return [
        folder
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
    ]


def unknown_split(description: str, split: str, where: str, known: Iterable[str]) -> DatasetError:
    """The error for a split that is not among the known ones. where: what has their names."""
    names = sorted(known)
    return DatasetError(
        f"dataset {description!r} has no split {split!r}",
        f"one of its {where} {listed(names)}" if names else f"{where} (it has none)",
        "Choose one of them, or leave the split out.",
    )


def listed(names: Sequence[str]) -> str:
    """The first few of some names, for messages."""
    return ", ".join(map(repr, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
