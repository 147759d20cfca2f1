"""Text files that people make, read line by line; what is wrong with one is said with its line."""

from __future__ import annotations

from pathlib import Path

from dsanet_core.errors import DatasetError
from dsanet_core.text_format import file_size
from dsanet_core.video.refusals import shown_as

MAX_BYTES = 256 << 20
MAX_LINE = 64 << 10
"""Characters."""


class LineError(Exception):
    """A line that makes no sense. number: of the line, from 1."""

    def __init__(self, number: int, value: str, expected: str) -> None:
        super().__init__(number, value, expected)
        self.number = number
        self.value = value
        self.expected = expected

    def of(self, file: str, next_step: str) -> DatasetError:
        """The same for a user, with the name of the file."""
        shown = shown_as(self.value, 200)
        return DatasetError(f"line {self.number} of {file!r}: {shown}", self.expected, next_step)


def read_text(path: Path) -> str:
    """A whole text file. Raises DatasetError for one that is too large or not UTF-8."""
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
    """The lines of a text file, without their ends. Raises LineError for one that is too long."""
    # Not splitlines(): that also ends lines at characters that a name may hold.
    lines = read_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE:
            raise LineError(number, f"{len(line)} characters", f"at most {MAX_LINE} a line")
    return lines
