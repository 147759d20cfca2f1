"""A report as the Markdown of docs/benchmarks_gpu.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tools.bench.gpu.report import Column, Line, Report, Section
from tools.bench.table import grid

MEASURED = "<!-- measured on a GPU -->"
"""Stands in a file that holds results, so that nothing writes over it that holds none."""
NOT_MEASURED = "not measured"

_ABOUT = """\
Written by `make bench-gpu`; on a machine that has Python, torch and numpy and nothing else:

    python3 -m tools.bench.gpu --write docs/benchmarks_gpu.md
    python3 -m tools.bench.gpu --dry-run     # every code path, tiny networks, no results

A line that could not be measured says why. Times are medians of CUDA-event times after warm-up, in
brackets the quartiles; what is compared takes turns, so that what slows the machine slows all.
"""
_DRY = """\
**Dry run: tiny networks, to see that every line can be measured. No figure here is a result.**
"""


def markdown(report: Report) -> str:
    """The whole file."""
    parts = [MEASURED] if report.has_results else []
    parts += ["# Benchmarks on one GPU", _DRY if report.dry else "", _ABOUT]
    parts += [_facts("Machine", report.machine), _facts("Protocol", report.protocol)]
    parts += [_section(section) for section in report.sections.values()]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _facts(title: str, facts: Mapping[str, str]) -> str:
    if not facts:
        return ""
    return f"## {title}\n\n" + grid(["", ""], [(name, text) for name, text in facts.items()])


def _section(section: Section) -> str:
    heads = ["", *(column.title for column in section.columns), "remark"]
    rows = [_row(section.columns, line) for line in section.lines.values()]
    notes = "\n\n".join(section.notes)
    return f"## {section.title}\n\n{section.about}\n\n{grid(heads, rows)}\n\n{notes}"


def _row(columns: Sequence[Column], line: Line) -> list[str]:
    if not line.values:
        return [line.name, NOT_MEASURED, *[""] * (len(columns) - 1), line.reason]
    return [line.name, *(_cell(column, line) for column in columns), line.reason]


def _cell(column: Column, line: Line) -> str:
    value = line.values.get(column.key)
    if value is None:
        return ""
    text = column.form.format(value)
    if column.spread:
        ends = (line.values[f"{column.key}_{end}"] for end in ("low", "high"))
        text += f" ({' to '.join(column.form.format(end) for end in ends)})"
    return text
