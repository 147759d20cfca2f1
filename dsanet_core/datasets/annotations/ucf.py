"""UCF-101 and HMDB51, which have three splits each: "train", "test" are the first, "train2" ..."""

from __future__ import annotations

import re
from functools import partial
from pathlib import PurePosixPath

from dsanet_core.datasets.annotations.source import Listing, Source, Wanted, each_line
from dsanet_core.datasets.text import LineError

WHOLE = ("train", "test")
"""The first split holds all of UCF-101 that is labelled, and of HMDB51 all that it uses."""
_NUMBERED = re.compile(r"(\d+)\s+(\S.*)")
_UCF_LIST = re.compile(r"(train|test)list(\d+)\.txt", re.IGNORECASE)
_UCF_LINE = re.compile(r"(?P<path>.*?\S)(?:\s+(?P<number>\d+))?")
_HMDB_LIST = re.compile(r"(.+)_test_split(\d+)\.txt", re.IGNORECASE)
_HMDB_LINE = re.compile(r"(.*\S)\s+([012])")
_HMDB_SPLITS = {"1": "train", "2": "test"}
"""What a line's number says; 0: in neither."""


def read_ucf(source: Source) -> Listing:
    """Lines of `category/video.avi number`, in lists for testing without the number; numbers count
    from 1."""
    classes = source.needed(source.companions("classind.txt"), "classInd.txt")[0]

    def numbered(number: int, line: str) -> tuple[int, str]:
        match = _NUMBERED.fullmatch(line)
        if match is None:
            raise LineError(number, line, "the number of a category and its name")
        return int(match[1]), match[2]

    names = dict(each_line(classes, numbered))

    def wanted(split: str, number: int, line: str) -> Wanted:
        match = _UCF_LINE.fullmatch(line)
        path = PurePosixPath(match["path"] if match else "")
        category = path.parent.name
        of_number = names.get(int(match["number"])) if match and match["number"] else category
        if category not in known or of_number != category:
            raise LineError(number, line, f"category/video.avi and its number in {classes.name}")
        return Wanted((path.stem,), category, split, near=(category,))

    known = set(names.values())
    files = source.needed(source.files("trainlist*.txt", "testlist*.txt"), "list of videos")
    found: list[Wanted] = []
    for path in files:
        match = _UCF_LIST.fullmatch(path.name)
        if match is not None:
            split = _split(match[1].lower(), match[2])
            found += each_line(path, partial(wanted, split))
    return Listing([names[number] for number in sorted(names)], found, WHOLE)


def read_hmdb(source: Source) -> Listing:
    """A list for every category and split, with lines of `video.avi 1`. The categories, which were
    published without numbers, count in alphabetical order."""

    def wanted(category: str, split: str, number: int, line: str) -> Wanted | None:
        match = _HMDB_LINE.fullmatch(line)
        if match is None:
            raise LineError(number, line, "video.avi and 0, 1 or 2")
        part = _HMDB_SPLITS.get(match[2])
        if part is None:
            return None
        name = PurePosixPath(match[1]).stem
        return Wanted((name,), category, _split(part, split), near=(category,))

    files = source.needed(source.companions("*_test_split*.txt"), "list of videos")
    names: set[str] = set()
    found: list[Wanted] = []
    for path in files:
        match = _HMDB_LIST.fullmatch(path.name)
        if match is not None:
            names.add(match[1])
            found += each_line(path, partial(wanted, match[1], match[2]))
    return Listing(sorted(names), found, WHOLE)


def _split(part: str, number: str) -> str:
    return part if int(number) == 1 else f"{part}{int(number)}"
