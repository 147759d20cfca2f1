"""Tables as CSV in which no text is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TextIO


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
