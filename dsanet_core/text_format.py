"""Numbers as text, one spelling for pages, reports, figures and the command line.

Tables as CSV in which no text is a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TextIO

MINUS = "\u2212"
_BINARY = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_SI = (("G", 1e9), ("M", 1e6), ("k", 1e3))


def percent(share: float, digits: int = 1) -> str:
    """A share of 0 to 1: 0.995 -> "99.5%"."""
    return f"{decimal(100 * share, digits)}%"


def decimal(value: float, digits: int = 1) -> str:
    """A fixed number of decimals, with a real minus sign: "−3.2"."""
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int = 3) -> str:
    """The same with a plus before what is not negative: "+0.125", "−0.125"."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def points(difference: float, digits: int = 1) -> str:
    """A difference of two shares of 0 to 1, in percentage points: 0.013 -> "+1.3 points"."""
    return f"{signed(100 * difference, digits)} points"


def si_number(number: float) -> str:
    """A count with three digits and its SI prefix: "2.01 M", "83.8 G"."""
    for prefix, size in _SI:
        if number >= 0.9995 * size:
            return f"{number / size:#.3g}".rstrip(".") + f" {prefix}"
    return f"{number:.0f}"


def file_size(count: int) -> str:
    """Bytes with a binary prefix: "512 bytes", "1.5 GiB", "20 MiB"."""
    for unit, size in _BINARY:
        if count >= size:
            return f"{count / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count} bytes"


def plural(number: int, noun: str, nouns: str = "") -> str:
    """A counted noun: "1 video", "3 videos"; nouns: the plural that is not `noun` with an "s"."""
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def seconds_range(first: float, last: float) -> str:
    """The time that a snippet covers: "1.0 to 2.5 s"; a single frame: "at 1.0 s"."""
    return f"{first:.1f} to {last:.1f} s" if last > first else f"at {first:.1f} s"


def csv_text(columns: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A table as CSV text: the names of its columns, then its rows, lines ending in a line feed.

    A spreadsheet would compute a class named `=1+1`, so an apostrophe goes before text that begins
    like a formula. Numbers stay as they are, None is an empty cell.
    """
    out = io.StringIO()
    table = CsvTable(out)
    table.writerow(columns)
    table.writerows(rows)
    return out.getvalue()


class CsvTable:
    """Writes rows one by one, under the rules of `csv_text`."""

    def __init__(self, out: TextIO) -> None:
        self._rows = csv.writer(out, lineterminator="\n")

    def writerow(self, cells: Iterable[object]) -> None:
        # Python 3.11 writes a carriage return without quotes, as if the row ended there.
        texts = (cell.replace("\r", " ") if isinstance(cell, str) else cell for cell in cells)
        self._rows.writerow([f"'{cell}" if _is_formula(cell) else cell for cell in texts])

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        for cells in rows:
            self.writerow(cells)


def _is_formula(cell: object) -> bool:
    if not isinstance(cell, str) or not cell.startswith(("=", "+", "-", "@", "\t")):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False
