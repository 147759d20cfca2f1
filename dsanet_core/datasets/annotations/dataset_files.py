"""The files of a published dataset: annotation files, and videos by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from dsanet_core.datasets.base import Window
from dsanet_core.errors import DatasetError
from dsanet_core.video.frame_folder import DEFAULT_RATE, is_frame_folder

VIDEO_ENDINGS = frozenset((
    "3gp", "avi", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts", "webm", "wmv",
))
TEXT_ENDINGS = frozenset(("csv", "json", "txt"))
MAX_DEPTH = 8
_SPLIT_SYNONYMS = {"training": "train", "validation": "val", "validate": "val", "testing": "test"}
_SPLIT_IN_NAME = re.compile(r"train|val|test")


class AnnotatedVideo(NamedTuple):
    """A video, or a part of one, that an annotation file lists.

    names: possible file names without ending. category, others: as of `FileRow`. split: "train",
    "val" or "test", followed by its number where there are several. folder_hints: names of folders
    that the file should be in, innermost last. window: seconds of a video file; frames_window: of a
    folder of frames, of which there are frame_rate per second.
    """

    names: tuple[str, ...]
    category: str
    split: str
    folder_hints: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    window: Window = None
    frames_window: Window = None
    frame_rate: float = DEFAULT_RATE


class Annotations(NamedTuple):
    """Content of the annotation files. class_names: in published order. default_splits: those that
    together are the whole dataset."""

    class_names: Sequence[str]
    videos: Sequence[AnnotatedVideo]
    default_splits: Sequence[str] = ("train", "val", "test")


class AnnotationSource:
    """Location of a dataset. root: folder of its videos. expected: description of its annotation
    files. override: file or folder used instead of the annotation files in the root. task: as of
    `PublishedDataset`."""

    def __init__(
        self, description: str, root: Path, expected: str, override: Path | None, task: str
    ) -> None:
        self.description = description
        self.root = root
        self.expected = expected
        self.override = override
        self.task = task
        if override is not None and not override.exists():
            raise DatasetError(
                f"the annotations {str(override)!r} of {description!r} do not exist", expected,
                "Check the path.",
            )

    @cached_property
    def dataset_files(self) -> DatasetFiles:
        return DatasetFiles(self.root)

    def files(self, *patterns: str, required: str = "") -> list[Path]:
        """Annotation files whose name matches: the override, those in the override folder, or those
        in the root. required: description; Raises DatasetError with it if there are none."""
        if self.override is None:
            found = matching(self.dataset_files.texts, *patterns)
        elif self.override.is_file():
            found = [self.override]
        else:
            found = matching(texts_in(self.override), *patterns)
        return self.require(found, required) if required else found

    def companions(self, *patterns: str, required: str = "") -> list[Path]:
        """Files beside the override, else in the root; errors as of `files`."""
        found: list[Path] = []
        if self.override is not None:
            beside = self.override.parent if self.override.is_file() else self.override
            found = matching(texts_in(beside), *patterns)
        found = found or matching(self.dataset_files.texts, *patterns)
        return self.require(found, required) if required else found

    def require(self, found: list[Path], what: str) -> list[Path]:
        """The files found. Raises DatasetError if there are none."""
        if not found:
            raise DatasetError(
                f"{self.description!r} has no {what}", self.expected,
                "Put the published files into the folder, unchanged, or name them with "
                ",annotations=FILE or FOLDER.",
            )
        return found


def normalised_split(name: str) -> str:
    """A split by its short name ("validation": "val")."""
    return _SPLIT_SYNONYMS.get(name.strip().lower(), name.strip().lower())


def split_from_name(path: Path) -> str:
    """The split in the name of a file, "train" if there is none."""
    found = _SPLIT_IN_NAME.findall(path.stem.lower())
    return found[-1] if found else "train"


class VideoLocation(NamedTuple):
    """A video in the root. name: its relative path. is_folder: it is a folder of frames."""

    name: str
    is_folder: bool


class DatasetFiles:
    """Index of a folder, read once, without the content of folders of frames.

    Symlinks are followed while they stay inside the folder; unreadable entries are skipped.
    """

    def __init__(self, root: Path) -> None:
        self._videos: dict[str, list[VideoLocation]] = {}
        self.texts: list[Path] = []
        self._root = root.resolve()
        self._visited: set[tuple[int, int]] = set()
        self._is_new(root.stat())
        self._read(root, "", MAX_DEPTH)

    def find(self, names: Sequence[str], folder_hints: Sequence[str]) -> VideoLocation | None:
        """The video of the first of these names (file names without ending) that exists. Of several
        the one whose folders match `folder_hints` best."""
        for name in names:
            if name in self._videos:
                places = self._videos[name]
                return max(places, key=lambda place: _matching_folders(place, folder_hints))
        return None

    def _read(self, folder: Path, within: str, levels: int) -> None:
        for entry in _visible_entries(folder):
            try:
                if self._is_inside(entry):
                    self._sort(entry, within + entry.name, levels)
            except (OSError, RuntimeError):  # a symlink loop, or no permission
                continue

    def _sort(self, entry: os.DirEntry[str], name: str, levels: int) -> None:
        stem, _, ending = entry.name.rpartition(".")
        if entry.is_dir():
            if is_frame_folder(entry.path):
                self._keep(entry.name, VideoLocation(name, is_folder=True))
            elif levels and self._is_new(entry.stat()):
                self._read(Path(entry.path), f"{name}/", levels - 1)
        elif ending.lower() in VIDEO_ENDINGS:
            self._keep(stem, VideoLocation(name, is_folder=False))
        elif ending.lower() in TEXT_ENDINGS:
            self.texts.append(Path(entry.path))

    def _keep(self, name: str, place: VideoLocation) -> None:
        self._videos.setdefault(name, []).append(place)

    def _is_inside(self, entry: os.DirEntry[str]) -> bool:
        return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self._root)

    def _is_new(self, status: os.stat_result) -> bool:
        """True for a folder that has not been read yet through another link."""
        place = (status.st_dev, status.st_ino)
        is_new = place not in self._visited
        self._visited.add(place)
        return is_new


def texts_in(path: Path) -> list[Path]:
    """The annotation files directly in a folder."""
    return [
        path / entry.name for entry in _visible_entries(path)
        if entry.name.rpartition(".")[2].lower() in TEXT_ENDINGS
    ]


def matching(paths: Sequence[Path], *patterns: str) -> list[Path]:
    """Files whose lower-case name matches one of the patterns, sorted by name."""
    return sorted(
        (path for path in paths
         if any(fnmatchcase(path.name.lower(), pattern) for pattern in patterns)),
        key=lambda path: (path.name, path),
    )


def _visible_entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Entries of a folder that are not hidden, sorted by name."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    yield from (entry for entry in found if not entry.name.startswith("."))


def _matching_folders(place: VideoLocation, folder_hints: Sequence[str]) -> int:
    """Score of a location; a folder nearer to the file outweighs all folders above it."""
    folders = {_normalised_name(part) for part in place.name.split("/")[:-1]}
    return sum(
        1 << level for level, part in enumerate(folder_hints) if _normalised_name(part) in folders
    )


def _normalised_name(name: str) -> str:
    return name.replace("_", " ").casefold()
