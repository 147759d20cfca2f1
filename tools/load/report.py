"""Report of a load: a table, facts, and one line for every check."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Check:
    """Something that must hold. figure: as measured; examples: of what did not hold."""

    name: str
    figure: Any
    holds: bool
    examples: list[str] = field(default_factory=list)


@dataclass
class Report:
    """Rows of a table, facts by name, checks."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)

    def row(self, *cells: str) -> None:
        self.rows.append(cells)

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"holds": self.holds}, indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in self.rows
        ]
        lines += [f"{name}: {value}" for name, value in self.facts.items()]
        for check in self.checks:
            lines.append(f"{'ok  ' if check.holds else 'FAIL'} {check.name}: {check.figure}")
            lines += [f"       {example}" for example in check.examples]
        return "\n".join(lines)


def log(step: str) -> None:
    """Print the step that begins, with the time, to stderr."""
    print(f"{time.strftime('%H:%M:%S')} {step}", file=sys.stderr, flush=True)


def growth(before: float, after: float) -> float:
    """0.1 for a tenth more."""
    return after / before - 1


def mebibytes(count: float) -> str:
    return f"{count / 2**20:.0f} MiB"
