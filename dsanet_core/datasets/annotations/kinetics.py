"""Kinetics-400, and Mini-Kinetics with 200 of its classes.

Either the published CSV files, or lists of `path index` as of MMAction2 and PySlowFast, separated
by spaces or commas; paths may contain spaces, and for folders of frames the number of frames may
be in between. Indices number the classes in alphabetical order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dsanet_core.datasets.annotations.dataset_files import (
    AnnotatedVideo,
    Annotations,
    AnnotationSource,
    normalised_split,
    split_from_name,
)
from dsanet_core.datasets.text_files import (
    MAX_BYTES,
    LineError,
    csv_rows,
    file_error,
    parse_lines,
    read_json,
)

ID_LENGTH = 11
"""Characters of the id of a YouTube video."""
_LIST_LINE = re.compile(r"(?P<path>.*\S)(?:\s*,\s*|\s+)(?P<number>\d+)")
_LIST_FORM = "a path and the index of its class, separated by a space or a comma"


def read_kinetics(source: AnnotationSource) -> Annotations:
    """Kinetics-400 from its published CSV files, else from lists."""
    official = [path for path in source.files("*.csv") if _is_published_csv(path)]
    if official:
        # The same file may be there under the names of several publishers.
        listed = (video for path in official for video in _read_published_csv(path))
        videos = list(dict.fromkeys(listed))
        return Annotations(sorted({each.category for each in videos}), videos)
    lists = [path for path in source.files("*.csv", "*.txt") if _is_list(path)]
    source.require(lists, "annotation file")
    numbered = {path: list(parse_lines(path, _parse_list_line)) for path in lists}
    names = _class_names(source, [pair for pairs in numbered.values() for pair in pairs])
    return Annotations(names, [
        _listed_video(path, names[number], split_from_name(file))
        for file, pairs in numbered.items() for path, number in pairs
    ])


def read_mini_kinetics(source: AnnotationSource) -> Annotations:
    """The videos of Kinetics-400 whose id or class is in one of the other text files."""
    full = read_kinetics(source)
    ids = {_youtube_id(name) for each in full.videos for name in each.names}
    labels = {_normalised_name(name): name for name in full.class_names}
    chosen: dict[str, str] = {}
    categories: set[str] = set()
    for path in source.companions("*.txt", "*.csv"):
        lines = _nonblank_lines(path)
        if lines and sum(line in ids for line in lines) > len(lines) / 2:
            chosen |= dict.fromkeys(lines, split_from_name(path))
        elif lines and all(_normalised_name(line) in labels for line in lines):
            categories |= {labels[_normalised_name(line)] for line in lines}
    if not chosen and not categories:
        source.require([], "list of ids or of classes")
    videos = [
        each._replace(split=chosen.get(_youtube_id(each.names[0]), each.split))
        for each in full.videos
        if _youtube_id(each.names[0]) in chosen or (not chosen and each.category in categories)
    ]
    return Annotations(sorted({each.category for each in videos}), videos)


def _is_published_csv(path: Path) -> bool:
    return "youtube_id" in "".join(_nonblank_lines(path)[:1])


def _is_list(path: Path) -> bool:
    return _LIST_LINE.fullmatch("".join(_nonblank_lines(path)[:1])) is not None


def _nonblank_lines(path: Path) -> list[str]:
    """Non-blank lines of any file; invalid UTF-8 is replaced."""
    with path.open("rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8-sig", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _read_published_csv(path: Path) -> list[AnnotatedVideo]:
    """Videos of a published CSV file; rows without a label (test set) are left out."""
    videos = []
    for number, row in csv_rows(path, "youtube_id"):
        if not row.get("label"):
            continue
        youtube_id, split = row["youtube_id"], normalised_split(row.get("split", ""))
        try:
            start, end = (int(float(row[name])) for name in ("time_start", "time_end"))
            trimmed: tuple[str, ...] = (f"{youtube_id}_{start:06d}_{end:06d}",)
        except KeyError:
            trimmed = ()
        except (ValueError, OverflowError):
            times = f"{row['time_start']} to {row['time_end']}"
            raise LineError(number, f"times {times}", "seconds").in_file(str(path)) from None
        videos.append(AnnotatedVideo(
            (*trimmed, youtube_id), row["label"], split or split_from_name(path),
            folder_hints=(split, row["label"]),
        ))
    return videos


def _parse_list_line(number: int, line: str) -> tuple[str, int]:
    match = _LIST_LINE.fullmatch(line)
    if match is None:
        raise LineError(number, line, _LIST_FORM)
    return match["path"], int(match["number"])


def _listed_video(path: str, category: str, split: str) -> AnnotatedVideo:
    """path: as in a list, for a folder of frames followed by their number."""
    *folders, name = PurePosixPath(path).parts
    names = [PurePosixPath(name).stem, name]
    without_count = _LIST_LINE.fullmatch(path)
    if without_count is not None:
        names.append(PurePosixPath(without_count["path"]).name)
    return AnnotatedVideo(tuple(names), category, split, folder_hints=(*folders, category))


def _class_names(source: AnnotationSource, pairs: Sequence[tuple[str, int]]) -> Sequence[str]:
    """Class names for the indices in lists: from a file of names, else the folders in the paths."""
    most = max(number for _, number in pairs)
    for path in source.companions("*classnames*.json", "*class_names*.json"):
        numbers = read_json(path, dict, "an object of class name: index")
        by_number = {number: str(name).strip('"') for name, number in numbers.items()}
        if set(by_number) == set(range(len(by_number))) and len(by_number) > most:
            return [by_number[number] for number in range(len(by_number))]
    for path in source.companions("*label*.txt", "*categor*.txt", "*class*.txt"):
        names = [line.strip('"') for line in _nonblank_lines(path)]
        if len(names) > most:
            return names
    folders: dict[int, set[str]] = {}
    for name, number in pairs:
        folders.setdefault(number, set()).add(PurePosixPath(name).parent.name.replace("_", " "))
    found = {number: next(iter(names)) for number, names in folders.items() if len(names) == 1}
    if len(found) == most + 1 and len(set(found.values())) == len(found) and all(found.values()):
        return [found[number] for number in range(most + 1)]
    raise file_error(
        source.root, f"nothing names the {most + 1} classes of the lists",
        "label_map.txt with a class per line, in the order of their indices",
    )


def _youtube_id(name: str) -> str:
    return name[:ID_LENGTH]


def _normalised_name(name: str) -> str:
    return " ".join(name.strip('"').replace("_", " ").casefold().split())
