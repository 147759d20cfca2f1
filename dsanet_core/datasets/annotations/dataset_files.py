"""What lies in the folder of a data set: videos by their names, and annotation files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from dsanet_core.video.frame_folder import is_frame_folder

VIDEO_ENDINGS = frozenset((
    "3gp", "avi", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts", "webm", "wmv",
))
TEXT_ENDINGS = frozenset(("csv", "json", "txt"))
MOST_LEVELS = 8


class Place(NamedTuple):
    """A video. name: its path from the root. is_folder: it is a folder of frames."""

    name: str
    is_folder: bool


class DatasetFiles:
    """All of a folder, read once, without looking into folders of frames.

    Symlinks are followed as long as they stay inside; what cannot be read is as if it were not
    there.
    """

    def __init__(self, root: Path) -> None:
        self._videos: dict[str, list[Place]] = {}
        self.texts: list[Path] = []
        self._root = root.resolve()
        self._been: set[tuple[int, int]] = set()
        self._is_new(root.stat())
        self._read(root, "", MOST_LEVELS)

    def find(self, names: Sequence[str], near: Sequence[str]) -> Place | None:
        """The video of the first of these names (file names without ending) that is there. Of
        several the one whose folders are most like the names in `near`, innermost last."""
        for name in names:
            if name in self._videos:
                places = self._videos[name]
                alone = len(places) == 1
                return places[0] if alone else max(places, key=lambda each: _likeness(each, near))
        return None

    def _read(self, folder: Path, within: str, levels: int) -> None:
        for entry in _entries(folder):
            try:
                if self._is_inside(entry):
                    self._sort(entry, within + entry.name, levels)
            except (OSError, RuntimeError):  # a loop, or not to be looked at
                continue

    def _sort(self, entry: os.DirEntry[str], name: str, levels: int) -> None:
        stem, _, ending = entry.name.rpartition(".")
        if entry.is_dir():
            if is_frame_folder(entry.path):
                self._keep(entry.name, Place(name, is_folder=True))
            elif levels and self._is_new(entry.stat()):
                self._read(Path(entry.path), f"{name}/", levels - 1)
        elif ending.lower() in VIDEO_ENDINGS:
            self._keep(stem, Place(name, is_folder=False))
        elif ending.lower() in TEXT_ENDINGS:
            self.texts.append(Path(entry.path))

    def _keep(self, name: str, place: Place) -> None:
        self._videos.setdefault(name, []).append(place)

    def _is_inside(self, entry: os.DirEntry[str]) -> bool:
        return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self._root)

    def _is_new(self, status: os.stat_result) -> bool:
        """Whether this folder has not been read, by way of another link."""
        place = (status.st_dev, status.st_ino)
        is_new = place not in self._been
        self._been.add(place)
        return is_new


def texts_in(path: Path) -> list[Path]:
    """The annotation files directly in a folder."""
    return [
        path / entry.name for entry in _entries(path)
        if entry.name.rpartition(".")[2].lower() in TEXT_ENDINGS
    ]


def matching(paths: Sequence[Path], *patterns: str) -> list[Path]:
    """The files whose name fits one of some patterns of lower case, in the order of the names."""
    return sorted(
        (path for path in paths
         if any(fnmatchcase(path.name.lower(), pattern) for pattern in patterns)),
        key=lambda path: (path.name, path),
    )


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder and not hidden, in the order of the names."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    yield from (entry for entry in found if not entry.name.startswith("."))


def _likeness(place: Place, near: Sequence[str]) -> int:
    folders = {_folded(part) for part in place.name.split("/")[:-1]}
    # What is nearer to the file weighs more than all before it together.
    return sum(1 << level for level, part in enumerate(near) if _folded(part) in folders)


def _folded(name: str) -> str:
    return name.replace("_", " ").casefold()
