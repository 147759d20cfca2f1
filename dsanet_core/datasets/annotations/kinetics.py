"""Kinetics-400 and the 200 categories of Mini-Kinetics.

Either the published CSV files, or lists of `path number` as MMAction2 and PySlowFast write them,
space- or comma-separated; paths may hold spaces, and of folders of frames the number of frames may
stand between the two. Numbers count the categories in alphabetical order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dsanet_core.datasets.annotations.source import (
    Listing,
    Source,
    Wanted,
    csv_rows,
    each_line,
    plain_split,
    read_json,
    split_in_name,
    wrong,
)
from dsanet_core.datasets.text import MAX_BYTES, LineError

ID_LENGTH = 11
"""Characters of the id of a video on YouTube."""
_LISTED = re.compile(r"(?P<path>.*\S)(?:\s*,\s*|\s+)(?P<number>\d+)")
_LIST_FORM = "a path and the number of its category, with a space or a comma between"


def read(source: Source) -> Listing:
    """What the CSV files list or, where there are none, the lists."""
    official = [path for path in source.files("*.csv") if _is_official(path)]
    if official:
        # The same file may be there under the names of several publishers.
        wanted = list(dict.fromkeys(each for path in official for each in _read_official(path)))
        return Listing(sorted({each.category for each in wanted}), wanted)
    lists = [path for path in source.files("*.csv", "*.txt") if _is_list(path)]
    source.needed(lists, "annotation file")
    numbered = {path: list(each_line(path, _listed)) for path in lists}
    names = _class_names(source, [pair for pairs in numbered.values() for pair in pairs])
    return Listing(names, [
        _wanted(path, names[number], split_in_name(file))
        for file, pairs in numbered.items() for path, number in pairs
    ])


def read_mini(source: Source) -> Listing:
    """The videos of Kinetics-400 whose id or category stands in one of the other text files."""
    whole = read(source)
    ids = {_id(name) for each in whole.wanted for name in each.names}
    labels = {_folded(name): name for name in whole.class_names}
    chosen: dict[str, str] = {}
    categories: set[str] = set()
    for path in source.companions("*.txt", "*.csv"):
        lines = _lines_of(path)
        if lines and sum(line in ids for line in lines) > len(lines) / 2:
            chosen |= dict.fromkeys(lines, split_in_name(path))
        elif lines and all(_folded(line) in labels for line in lines):
            categories |= {labels[_folded(line)] for line in lines}
    if not chosen and not categories:
        source.needed([], "list of ids or of categories")
    wanted = [
        each._replace(split=chosen.get(_id(each.names[0]), each.split))
        for each in whole.wanted
        if _id(each.names[0]) in chosen or (not chosen and each.category in categories)
    ]
    return Listing(sorted({each.category for each in wanted}), wanted)


def _is_official(path: Path) -> bool:
    return "youtube_id" in "".join(_lines_of(path)[:1])


def _is_list(path: Path) -> bool:
    return _LISTED.fullmatch("".join(_lines_of(path)[:1])) is not None


def _lines_of(path: Path) -> list[str]:
    """The lines that are not blank of a file that may be anything."""
    with path.open("rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8-sig", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _read_official(path: Path) -> list[Wanted]:
    """Rows without a label (of the test set) are left out."""
    wanted = []
    for number, row in csv_rows(path, "youtube_id"):
        if not row.get("label"):
            continue
        youtube_id, split = row["youtube_id"], plain_split(row.get("split", ""))
        try:
            start, end = (int(float(row[name])) for name in ("time_start", "time_end"))
            trimmed: tuple[str, ...] = (f"{youtube_id}_{start:06d}_{end:06d}",)
        except KeyError:
            trimmed = ()
        except (ValueError, OverflowError):
            times = f"{row['time_start']} to {row['time_end']}"
            raise LineError(number, f"times {times}", "seconds").of(
                str(path), "Fetch the file again, or correct the line."
            ) from None
        wanted.append(Wanted(
            (*trimmed, youtube_id), row["label"], split or split_in_name(path),
            near=(split, row["label"]),
        ))
    return wanted


def _listed(number: int, line: str) -> tuple[str, int]:
    match = _LISTED.fullmatch(line)
    if match is None:
        raise LineError(number, line, _LIST_FORM)
    return match["path"], int(match["number"])


def _wanted(path: str, category: str, split: str) -> Wanted:
    """path: as a list has it, with the number of frames behind it if it is a folder of frames."""
    *folders, name = PurePosixPath(path).parts
    names = [PurePosixPath(name).stem, name]
    without_count = _LISTED.fullmatch(path)
    if without_count is not None:
        names.append(PurePosixPath(without_count["path"]).name)
    return Wanted(tuple(names), category, split, near=(*folders, category))


def _class_names(source: Source, pairs: Sequence[tuple[str, int]]) -> Sequence[str]:
    """The names of the numbers of lists: from a file of names, else the folders of the paths."""
    most = max(number for _, number in pairs)
    for path in source.companions("*classnames*.json", "*class_names*.json"):
        numbers = read_json(path, dict, "an object of numbers by category")
        by_number = {number: str(name).strip('"') for name, number in numbers.items()}
        if set(by_number) == set(range(len(by_number))) and len(by_number) > most:
            return [by_number[number] for number in range(len(by_number))]
    for path in source.companions("*label*.txt", "*categor*.txt", "*class*.txt"):
        names = [line.strip('"') for line in _lines_of(path)]
        if len(names) > most:
            return names
    folders: dict[int, set[str]] = {}
    for name, number in pairs:
        folders.setdefault(number, set()).add(PurePosixPath(name).parent.name.replace("_", " "))
    found = {number: next(iter(names)) for number, names in folders.items() if len(names) == 1}
    if len(found) == most + 1 and len(set(found.values())) == len(found) and all(found.values()):
        return [found[number] for number in range(most + 1)]
    raise wrong(
        source.root, f"nothing names the {most + 1} categories of the lists",
        "label_map.txt with a category per line, in the order of their numbers",
    )


def _id(name: str) -> str:
    return name[:ID_LENGTH]


def _folded(name: str) -> str:
    return " ".join(name.strip('"').replace("_", " ").casefold().split())
