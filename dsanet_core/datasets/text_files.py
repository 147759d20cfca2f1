"""Reading text, CSV and JSON files that people make; errors name the line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dsanet_core.errors import DatasetError
from dsanet_core.text_format import file_size
from dsanet_core.video.refusals import shown_as

MAX_BYTES = 256 << 20
MAX_LINE = 64 << 10
"""Most characters of a line."""


class LineError(Exception):
    """A line that cannot be read. number: of the line, from 1."""

    def __init__(self, number: int, value: str, expected: str) -> None:
        super().__init__(number, value, expected)
        self.number = number
        self.value = value
        self.expected = expected

    def in_file(
        self, file: str, next_step: str = "Fetch the file again, or correct the line."
    ) -> DatasetError:
        """The error for a user, with the name of the file."""
        shown = shown_as(self.value, 200)
        return DatasetError(f"line {self.number} of {file!r}: {shown}", self.expected, next_step)


def read_text(path: Path) -> str:
    """Content of a text file. Raises DatasetError if it is too large or not UTF-8."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DatasetError(
            f"dataset {str(path)!r} has more than {file_size(MAX_BYTES)}", "a list of videos",
            "Divide it into several lists.",
        )
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"line {number} of {str(path)!r}: byte {error.start} of the file "
            f"(0x{content[error.start]:02x}) is not UTF-8",
            "text in UTF-8", "Save the list again as UTF-8.",
        ) from error


def read_lines(path: Path) -> list[str]:
    """Lines of a text file without line ends. Raises LineError for one that is too long."""
    # Not splitlines(), which also splits at characters that a name may contain.
    lines = read_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE:
            raise LineError(number, f"{len(line)} characters", f"at most {MAX_LINE} a line")
    return lines


T = TypeVar("T")


def parse_lines(path: Path, read: Callable[[int, str], T | None]) -> Iterator[T]:
    """Values of `read` for every non-blank line (number from 1, text), without None. A LineError
    that it raises becomes a DatasetError."""
    try:
        for number, line in enumerate(read_lines(path), start=1):
            value = read(number, line.strip()) if line.strip() else None
            if value is not None:
                yield value
    except LineError as error:
        raise error.in_file(str(path)) from error


def csv_rows(path: Path, *needed: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(line number, values by column) of a CSV file whose header has the needed columns. Raises
    DatasetError with the line number."""
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
        raise error.in_file(str(path)) from error
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
        raise file_error(path, f"not JSON ({error})", expected) from error
    if not isinstance(value, kind):
        raise file_error(path, type(value).__name__, expected)
    return value


def json_member(values: Any, name: str, kind: type[T], path: Path, where: str) -> T:
    """A value of a JSON object. where: name of the object. Raises DatasetError."""
    value = values.get(name) if isinstance(values, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise file_error(path, f"{where} has {name} {value!r}", f"{name} as {kind.__name__}")
    return value


def file_error(path: Path, value: str, expected: str) -> DatasetError:
    """The error for an annotation file that differs from the published one."""
    return DatasetError(
        f"{str(path)!r}: {shown_as(value, 200)}", expected,
        "Fetch the file again: it differs from the published one.",
    )
