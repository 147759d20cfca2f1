"""Datasets of video files, and folders with one sub-folder per class."""

from __future__ import annotations

import importlib.util
import math
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dsanet_core.datasets.base import DECORD, PYAV, Dataset, Draw, Part, Window
from dsanet_core.errors import DatasetError
from dsanet_core.records import Clips, Sampling
from dsanet_core.video import read_clips, read_with_decord
from dsanet_core.video.frame_folder import (
    DEFAULT_RATE,
    count_pictures,
    is_frame_folder,
    read_pictures,
)

MAX_NAMES_SHOWN = 8
"""Most names in a message."""
READERS: dict[str, Callable[..., Clips]] = {PYAV: read_clips, DECORD: read_with_decord}
"""Readers of video files by name, with the signature of `read_clips`."""


class FileRow(NamedTuple):
    """A video file, a folder of its frames as pictures, or a part of either.

    name: relative to the folder or list. window: start and end in seconds (math.inf: end of the
    video). frame_rate: frames per second, of a folder of frames. others: further classes.
    """

    path: Path
    name: str
    category: str
    window: Window = None
    frame_rate: float = DEFAULT_RATE
    others: tuple[str, ...] = ()


class FileDataset(Dataset):
    """Video files and folders of frames. class_names: as of `Dataset`, None if not published."""

    def __init__(
        self,
        description: str,
        rows: Sequence[FileRow],
        *,
        split: str | None = None,
        class_names: Sequence[str] | None = None,
        missing: Sequence[str] = (),
    ) -> None:
        super().__init__(description, split)
        self.groups = {}
        self.rows = rows
        self.categories = [row.category for row in rows]
        self._class_names = class_names
        self.missing = missing
        if missing:
            self.name += f", {len(missing)} missing"

    @property
    def class_names(self) -> Sequence[str]:
        return super().class_names if self._class_names is None else self._class_names

    def other_categories(self, index: int) -> Sequence[str]:
        return self.rows[index].others

    def read_with(self, reader: str) -> None:
        """Set the reader of video files, a key of `READERS`. Raises DatasetError."""
        if reader not in READERS:
            raise DatasetError(
                f"reader {reader!r}", f"one of {quoted_names(list(READERS))}", "Choose one of them."
            )
        if reader == DECORD and importlib.util.find_spec("decord") is None:
            raise DatasetError(
                "reader 'decord' is not installed", "the package 'decord'",
                "Install it with: pip install decord",
            )
        self.reader = reader
        self.arguments = {**self.arguments, "reader": reader}

    def _identity(self) -> Iterable[object]:
        for row in self.rows:
            start, end = row.window or (0.0, math.inf)
            until = None if math.isinf(end) else end
            yield [row.name, row.category, start, until, _size(row.path), *row.others]

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
        # Not Path.is_dir(), which raises for a name that no file can have.
        if os.path.isdir(row.path):  # noqa: PTH112
            return read_pictures(
                row.path, sampling, frame_rate=row.frame_rate, part=part, window=row.window,
                draw=draw,
            )
        return READERS[self.reader](row.path, sampling, part=part, window=row.window, draw=draw)

    def path(self, index: int) -> Path:
        return self.rows[index].path

    def window(self, index: int) -> Window:
        return self.rows[index].window


def _size(path: Path) -> int:
    """Bytes of a file, number of frames in a folder, -1 if it does not exist."""
    try:
        status = path.stat()
        return count_pictures(path) if stat.S_ISDIR(status.st_mode) else status.st_size
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return -1


def open_folder(description: str, split: str | None) -> FileDataset:
    """A folder of class folders, each with video files or folders of frames. split: sub-folder that
    contains the class folders. Raises DatasetError."""
    root = Path(description)
    base = root if split is None else _sub_folder(root, split)
    rows = [
        FileRow(path, path.relative_to(root).as_posix(), folder.name)
        for folder in _folders(base)
        if not is_frame_folder(folder)
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and (path.is_file() or is_frame_folder(path))
    ]
    if not rows:
        raise DatasetError(
            f"dataset {os.fspath(base)!r} has no files in sub-folders",
            "a folder with one sub-folder of videos per class",
            "Sort the videos into folders named like the model's classes"
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
    """The error for an unknown split. where: what the known ones are called ("sub-folders")."""
    names = sorted(known)
    return DatasetError(
        f"dataset {description!r} has no split {split!r}",
        f"one of its {where} {quoted_names(names)}" if names else f"{where} (it has none)",
        "Choose one of them, or leave the split out.",
    )


def quoted_names(names: Sequence[str]) -> str:
    """The first names, quoted, for a message."""
    more = ", ..." if len(names) > MAX_NAMES_SHOWN else ""
    return ", ".join(map(repr, names[:MAX_NAMES_SHOWN])) + more
