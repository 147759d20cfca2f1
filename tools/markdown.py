"""Markdown of the documents that the tools write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table. No text in it can end a cell or a line."""
    lines = [_line(columns), "|---" * len(columns) + "|", *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(" ".join(str(cell).replace("|", "/").split()) for cell in cells) + " |"
