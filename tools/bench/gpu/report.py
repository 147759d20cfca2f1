"""What the benchmark on a GPU writes down: lines that were measured, and why others were not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

NOT_RUN = "the run ended before it"


class Column(NamedTuple):
    """A column of a table: its title, the value it shows and how; spread: with the quartiles that
    stand under `<key>_low` and `<key>_high`."""

    title: str
    key: str
    form: str = "{}"
    spread: bool = False


@dataclass
class Line:
    """One thing to measure. values: what was found, empty until then; reason: why it is not there,
    or what has to be known beside it."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    reason: str = NOT_RUN

    def fill(self, remark: str = "", /, **values: Any) -> None:
        self.values.update(values)
        self.reason = remark

    def fail(self, reason: str) -> None:
        self.values.clear()
        self.reason = reason


@dataclass
class Section:
    """A table: what it is about, its lines by name, and notes below it."""

    key: str
    title: str
    about: str
    columns: tuple[Column, ...]
    lines: dict[str, Line] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, key: str, title: str, about: str, columns: Iterable[Column], names: Iterable[str]
    ) -> Section:
        return cls(key, title, about, tuple(columns), {name: Line(name) for name in names})

    def fail_rest(self, reason: str) -> None:
        """Give the lines that nothing was said about a reason."""
        for line in self.lines.values():
            if not line.values and line.reason == NOT_RUN:
                line.reason = reason


@dataclass
class Report:
    """Everything that is measured; dry: with networks so small that no figure means anything."""

    sections: dict[str, Section]
    machine: dict[str, str] = field(default_factory=dict)
    protocol: dict[str, str] = field(default_factory=dict)
    dry: bool = False

    @classmethod
    def of(cls, sections: Iterable[Section], *, dry: bool) -> Report:
        return cls({section.key: section for section in sections}, dry=dry)

    def line(self, section: str, name: str) -> Line:
        return self.sections[section].lines[name]

    def value(self, section: str, name: str, key: str) -> Any:
        """A value that was measured, or None."""
        return self.line(section, name).values.get(key)

    @property
    def has_results(self) -> bool:
        """Whether anything was measured that may be quoted."""
        lines = (line for section in self.sections.values() for line in section.lines.values())
        return not self.dry and any(line.values for line in lines)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the names of those that have a unit say it."""
        return {
            "dry_run": self.dry,
            "machine": self.machine,
            "protocol": self.protocol,
            "sections": {
                key: {
                    "title": section.title,
                    "lines": {
                        line.name: {**line.values, "reason": line.reason}
                        for line in section.lines.values()
                    },
                    "notes": section.notes,
                }
                for key, section in self.sections.items()
            },
        }
