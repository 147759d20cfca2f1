"""Lists of videos: CSV or JSON Lines of `path,label[,start,end][,split]`."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dsanet_core.datasets.files import FileDataset, FileRow, quoted_names, unknown_split
from dsanet_core.datasets.text_files import LineError, read_lines
from dsanet_core.errors import DatasetError

NEEDED = ("path", "label")
COLUMNS = (*NEEDED, "start", "end", "split")
Columns = Mapping[str, Any]
"""Values of a row by column, without unknown columns."""


def open_list(description: str, split: str | None) -> FileDataset:
    """The rows of a list; split: only those with this value in the column `split`.

    CSV (.csv) begins with a line of column names, JSON Lines (.jsonl) has one object per line.
    Columns or keys, others are ignored:

    path   of the video, relative to the folder of the list
    label  its class
    start  of the row in seconds; default 0
    end    of the row in seconds, exclusive; default: end of the video
    split  any name

    A missing video is an error only when its row is read. Raises DatasetError with the line number
    for anything else that is wrong.
    """
    path = Path(description)
    read, form = FORMATS.get(path.suffix.lower(), (None, ""))
    if read is None:
        raise DatasetError(
            f"dataset {description!r} is a file", "a list of videos that ends in .csv or .jsonl",
            "Rename the list, or name a folder.",
        )
    try:
        rows = [
            (_text(columns, "split", number), _row(path.parent, columns, number))
            for number, columns in read(read_lines(path))
        ]
    except LineError as error:
        raise error.in_file(description, f"Correct the line; a list has {form}.") from error
    if not rows:
        raise DatasetError(
            f"dataset {description!r} has no rows", "at least one", f"A list has {form}."
        )
    chosen = [row for name, row in rows if split is None or name == split]
    if not chosen:
        known = {name for name, _ in rows if name}
        raise unknown_split(description, str(split), "rows' splits", known)
    return FileDataset(description, chosen, split=split)


def _csv_rows(lines: Sequence[str]) -> Iterator[tuple[int, Columns]]:
    reader = csv.reader((line + "\n" for line in lines), strict=True, skipinitialspace=True)
    header: list[str] = []
    while True:
        number = reader.line_num + 1
        try:
            values = next(reader, None)
        except csv.Error as error:
            raise LineError(number, str(error), "comma-separated values") from error
        if values is None:
            return
        if not any(value.strip() for value in values):
            continue
        if not header:
            header = [value.strip().lower() for value in values]
            _require_columns(header, number)
        elif len(values) > len(header):
            raise LineError(
                number, f"{len(values)} values",
                f"at most the {len(header)} of the first line, those with commas in quotes",
            )
        else:
            yield number, {
                name: value
                for name, value in zip(header, values, strict=False)
                if name in COLUMNS and value.strip()
            }


def _require_columns(header: Sequence[str], number: int) -> None:
    expected = "a first line of column names with path,label and optionally start,end,split"
    for name in NEEDED:
        if name not in header:
            raise LineError(number, f"no column {name!r} among {quoted_names(header)}", expected)
    for name in COLUMNS:
        if header.count(name) > 1:
            raise LineError(number, f"{header.count(name)} columns {name!r}", expected)


def _jsonl_rows(lines: Sequence[str]) -> Iterator[tuple[int, Columns]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LineError(number, f"not JSON ({error})", "one JSON object per line") from error
        if not isinstance(value, dict):
            raise LineError(number, f"{type(value).__name__}", "one JSON object per line")
        yield number, {
            name: value[name] for name in COLUMNS if value.get(name) not in (None, "")
        }


FORMATS: dict[str, tuple[Callable[[Sequence[str]], Iterator[tuple[int, Columns]]], str]] = {
    ".csv": (
        _csv_rows, "a first line of column names: path,label and optionally start,end,split"
    ),
    ".jsonl": (
        _jsonl_rows,
        'one object per line: {"path": "a.mp4", "label": "jumping"}, optionally with "start", '
        '"end", "split"',
    ),
}
"""By file ending: reader of the lines as (number, columns), and the format in words."""


def _row(folder: Path, columns: Columns, number: int) -> FileRow:
    for name in NEEDED:
        if name not in columns:
            raise LineError(number, f"no {name}", "a path and a label")
    written = _text(columns, "path", number)
    path = folder / written
    start, end = _seconds(columns, "start", number, 0.0), _seconds(columns, "end", number, math.inf)
    if end <= start:
        raise LineError(number, f"start {start:g} s and end {end:g} s", "an end after the start")
    window = None if (start, end) == (0.0, math.inf) else (start, end)
    if Path(written).is_absolute() and path.is_relative_to(folder.absolute()):
        written = os.path.relpath(path, folder)
    return FileRow(path, os.path.normpath(written), _text(columns, "label", number), window)


def _text(columns: Columns, name: str, number: int) -> str:
    """A text value, "" if left out."""
    value = columns.get(name, "")
    if not isinstance(value, str):
        raise LineError(number, f"{name} {value!r}", "text")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # JSON can spell half a character
        raise LineError(number, f"{name} {value!r}", "text in Unicode") from error
    return value.strip()


def _seconds(columns: Columns, name: str, number: int, default: float) -> float:
    value = columns.get(name, default)
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf and value is not default:
        raise LineError(number, f"{name} {value!r}", "a number of seconds, 0 or more")
    return seconds
