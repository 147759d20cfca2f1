"""What the readers of annotation files are given, and what they answer."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from dsanet_core.datasets.annotations.dataset_files import DatasetFiles, matching, texts_in
from dsanet_core.datasets.base import Window
from dsanet_core.datasets.text import LineError, read_lines, read_text
from dsanet_core.errors import DatasetError
from dsanet_core.video.frame_folder import DEFAULT_RATE
from dsanet_core.video.refusals import shown_as

T = TypeVar("T")
_SPLITS = {"training": "train", "validation": "val", "validate": "val", "testing": "test"}
_SPLIT_IN_NAME = re.compile(r"train|val|test")


class Wanted(NamedTuple):
    """A video, or a part of one, that an annotation file lists.

    names: what its file may be called, without ending. category, others: as of `FileRow`. split:
    "train", "val" or "test", with the number of the split where there are several. near: names of
    folders that it should lie in. window: seconds of a video file; picture_window: of a folder of
    frames, of which there are frame_rate per second.
    """

    names: tuple[str, ...]
    category: str
    split: str
    near: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    window: Window = None
    picture_window: Window = None
    frame_rate: float = DEFAULT_RATE


class Listing(NamedTuple):
    """What the annotation files say. class_names: in published order. whole: the splits that are
    all of the data set together."""

    class_names: Sequence[str]
    wanted: Sequence[Wanted]
    whole: Sequence[str] = ("train", "val", "test")


class Source:
    """The files of a data set. root: where its videos lie. expected: its annotation files in words.
    given: a file or folder that was named instead of those in the root. task: see `Published`."""

    def __init__(
        self, description: str, root: Path, expected: str, given: Path | None, task: str
    ) -> None:
        self.description = description
        self.root = root
        self.expected = expected
        self.given = given
        self.task = task
        if given is not None and not given.exists():
            raise DatasetError(
                f"the annotations {str(given)!r} of {description!r} do not exist", expected,
                "Check the path.",
            )

    @cached_property
    def shelf(self) -> DatasetFiles:
        return DatasetFiles(self.root)

    def files(self, *patterns: str) -> list[Path]:
        """The annotation files whose name fits: the given one, those of the given folder, or those
        in the root."""
        if self.given is None:
            return matching(self.shelf.texts, *patterns)
        return [self.given] if self.given.is_file() else matching(texts_in(self.given), *patterns)

    def companions(self, *patterns: str) -> list[Path]:
        """Files that lie beside the given one, or else in the root."""
        if self.given is None:
            return matching(self.shelf.texts, *patterns)
        beside = self.given.parent if self.given.is_file() else self.given
        return matching(texts_in(beside), *patterns) or matching(self.shelf.texts, *patterns)

    def needed(self, found: Sequence[Path], what: str) -> Sequence[Path]:
        """These files. Raises DatasetError if there are none."""
        if not found:
            raise DatasetError(
                f"{self.description!r} has no {what}", self.expected,
                "Put the published files into the folder, unchanged, or name them with "
                ",annotations=FILE or FOLDER.",
            )
        return found


def plain_split(name: str) -> str:
    """One name for a split that has several ("validation": "val")."""
    return _SPLITS.get(name.strip().lower(), name.strip().lower())


def split_in_name(path: Path) -> str:
    """The split that the name of a file says, "train" if it says none."""
    found = _SPLIT_IN_NAME.findall(path.stem.lower())
    return found[-1] if found else "train"


def each_line(path: Path, read: Callable[[int, str], T | None]) -> Iterator[T]:
    """What `read` makes of every line (number from 1, text) that is not blank, None left out.
    Raises DatasetError with the line where it raises LineError."""
    try:
        for number, line in enumerate(read_lines(path), start=1):
            value = read(number, line.strip()) if line.strip() else None
            if value is not None:
                yield value
    except LineError as error:
        raise error.of(str(path), "Fetch the file again, or correct the line.") from error


def csv_rows(path: Path, *needed: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(line, values by column) of a CSV file with a header that has the needed columns. Raises
    DatasetError with the line."""
    try:
        reader = csv.reader((line + "\n" for line in read_lines(path)), skipinitialspace=True)
        header: list[str] = []
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if not header:
                header = [value.strip().lower() for value in values]
                for name in needed:
                    if name not in header:
                        raise LineError(reader.line_num, f"no column {name!r}", ",".join(needed))
            elif len(values) != len(header):
                raise LineError(
                    reader.line_num, f"{len(values)} values", f"the {len(header)} of the first line"
                )
            else:
                row = (value.strip().strip('"') for value in values)
                yield reader.line_num, dict(zip(header, row, strict=True))
    except LineError as error:
        raise error.of(str(path), "Fetch the file again, or correct the line.") from error
    except csv.Error as error:
        raise DatasetError(
            f"line {reader.line_num} of {str(path)!r}: {error}", "comma-separated values",
            "Fetch the file again, or correct the line.",
        ) from error


def read_json(path: Path, kind: type[T], expected: str) -> T:
    """A JSON file whose outermost value is a list or an object. Raises DatasetError."""
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise wrong(path, f"not JSON ({error})", expected) from error
    if not isinstance(value, kind):
        raise wrong(path, type(value).__name__, expected)
    return value


def member(values: Any, name: str, kind: type[T], path: Path, where: str) -> T:
    """A value of a JSON object. where: which object. Raises DatasetError."""
    value = values.get(name) if isinstance(values, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise wrong(path, f"{where} has {name} {value!r}", f"{name} as {kind.__name__}")
    return value


def wrong(path: Path, value: str, expected: str) -> DatasetError:
    """The error for a file that is not as it was published."""
    return DatasetError(
        f"{str(path)!r}: {shown_as(value, 200)}", expected,
        "Fetch the file again: it differs from the published one.",
    )
