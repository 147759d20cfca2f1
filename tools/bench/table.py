"""Measured figures as lines of tables: plain for a terminal, Markdown for a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from tools import markdown

Sense = Literal["<=", "<", ">="]
COLUMNS = ("what", "protocol", "median", "IQR", "repeats", "ratio (IQR)", "wanted", "met")
GROWTH_COLUMNS = ("what grows", "to", "time", "IQR", "repeats", "time over the first", "memory")
NOT_MEASURED = "not measured"
NOT_REACHED = "the run ended before it"
MICRO = "\u00b5"


@dataclass(frozen=True)
class Wanted:
    """A target: the figure of a line ("ratio", "median" or a key of `Line.more`) and the bound that
    it has to keep."""

    figure: str
    sense: Sense
    bound: float

    def is_met(self, value: float) -> bool:
        if self.sense == ">=":
            return value >= self.bound
        return value < self.bound if self.sense == "<" else value <= self.bound


@dataclass
class Line:
    """One line of a table, measured or planned.

    section: key of its section. name: the subject; protocol: input and way of measuring. median,
    spread: of `repeats` values, in `unit`; the spread is the interquartile range; no median where
    nothing was measured. ratio, ratio_spread: of the same turns; `ratio_of` names both sides. at:
    the place on an axis of growth. more: further figures by column title. remark: the reason why
    nothing was measured, or a note on the figures.
    """

    section: str
    name: str
    protocol: str
    median: float | None = None
    unit: str = "s"
    spread: float = 0.0
    repeats: int = 1
    ratio: float | None = None
    ratio_spread: float | None = None
    ratio_of: str = ""
    wanted: Wanted | None = None
    at: tuple[str, float] | None = None
    more: dict[str, float | str] = field(default_factory=dict)
    remark: str = ""

    def __post_init__(self) -> None:
        for name in ("name", "protocol", "unit"):
            if not getattr(self, name):
                raise ValueError(f"a line without {name}")
        is_ratio_missing = self.median is not None and self.ratio is None
        if self.wanted and self.wanted.figure == "ratio" and is_ratio_missing:
            raise ValueError(f"{self.name}: a ratio is wanted and there is none")

    @property
    def is_measured(self) -> bool:
        return self.median is not None or self.ratio is not None or bool(self.more)

    @property
    def is_met(self) -> bool | None:
        """True where the wanted figure was measured and keeps its bound; None where nothing is
        wanted, or nothing was measured."""
        if self.wanted is None or not self.is_measured:
            return None
        figures = {"ratio": self.ratio, "median": self.median, **self.more}
        value = figures.get(self.wanted.figure)
        return isinstance(value, float | int) and self.wanted.is_met(value)

    def fill(
        self, seconds: Sequence[float], more: Mapping[str, float | str] | None = None,
        remark: str = "",
    ) -> None:
        """Give a planned line its times, further figures, and a remark."""
        self.median, self.spread = median_and_spread(seconds)
        self.repeats, self.remark = len(seconds), remark
        self.more.update(more or {})

    def add_remark(self, remark: str) -> None:
        self.remark = "; ".join(filter(None, [self.remark, remark]))

    def set_ratio(self, ratios: Sequence[float], ratio_of: str) -> None:
        """ratios: one of each turn."""
        self.ratio, self.ratio_spread = median_and_spread(ratios)
        self.repeats, self.ratio_of = len(ratios), ratio_of

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"met": self.is_met}


@dataclass
class Section:
    """A table: its title, text above it, its lines, notes below it. reason: of a section that could
    not be measured to its end."""

    key: str
    title: str
    about: str = ""
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reason: str = ""

    @classmethod
    def planned(
        cls, key: str, title: str, about: str, protocols: Mapping[str, str],
        wanted: Mapping[str, Wanted] | None = None,
    ) -> Section:
        """A section of lines without figures. protocols, wanted: by the lines' names."""
        lines = [
            Line(key, name, protocol, wanted=(wanted or {}).get(name), remark=NOT_REACHED)
            for name, protocol in protocols.items()
        ]
        return cls(key, title, about, lines)

    def line(self, name: str) -> Line:
        return next(line for line in self.lines if line.name == name)


@dataclass
class Report:
    """A document of measurements. machine, protocol: tables at its head; figure: a picture of the
    growth, beside the document; dry: with networks so small that no figure is a result."""

    title: str
    about: str
    sections: dict[str, Section]
    machine: dict[str, str] = field(default_factory=dict)
    protocol: dict[str, str] = field(default_factory=dict)
    figure: str = ""
    dry: bool = False

    def line(self, section: str, name: str) -> Line:
        return self.sections[section].line(name)

    @property
    def lines(self) -> list[Line]:
        return [line for section in self.sections.values() for line in section.lines]

    @property
    def has_results(self) -> bool:
        """True where anything was measured that may be quoted."""
        return not self.dry and any(line.is_measured for line in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {
            "sections": {
                key: asdict(section) | {"lines": {o.name: o.to_dict() for o in section.lines}}
                for key, section in self.sections.items()
            }
        }


def median_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Median and interquartile range."""
    low, median, high = np.percentile(values, (25, 50, 75))
    return float(median), float(high - low)


def line_of(
    section: str, name: str, protocol: str, values: Sequence[float], unit: str, **more: Any
) -> Line:
    """A line of values, such as rates, that are no times of turns. more: fields of the line."""
    median, spread = median_and_spread(values)
    return Line(section, name, protocol, median, unit, spread, len(values), **more)


def as_text(line: Line) -> str:
    """One line for a terminal."""
    _, protocol, median, spread, repeats, ratio, wanted, met = cells(line)
    text = f"{line.name}: {median}"
    if line.repeats > 1:
        text += f" (IQR {spread}, {repeats} repeats)"
    if ratio:
        text += f", {ratio}"
    if wanted:
        text += f", wanted {wanted}: {met}"
    return f"{text}\n    {protocol}"


def as_markdown(report: Report) -> str:
    """The whole document."""
    met = [line.is_met for line in report.lines if line.is_met is not None]
    parts = [f"# {report.title}", report.about]
    for name, facts in (("machine", report.machine), ("protocol", report.protocol)):
        if facts:
            parts.append(markdown.table((name, ""), facts.items()))
    if met:
        parts.append(f"{sum(met)} of {len(met)} wanted figures are met.")
    for section in report.sections.values():
        parts += [f"## {section.title}", section.about, _table(section.lines)]
        parts += _growth([line for line in section.lines if line.at], report.figure)
        parts += section.notes
        if section.reason:
            parts.append(f"Not measured: {section.reason}")
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _table(lines: Sequence[Line]) -> str:
    """The lines that belong to no axis; further columns where some line fills them."""
    plain = [line for line in lines if not line.at]
    further = list(dict.fromkeys(title for line in plain for title in line.more))
    has_remarks = any(line.remark for line in plain)
    rows = [
        [*cells(line), *(_number(line.more.get(title, "")) for title in further),
         *([line.remark] if has_remarks else [])]
        for line in plain
    ]
    columns = [*COLUMNS, *further, *(["remark"] if has_remarks else [])]
    return markdown.table(columns, rows) if rows else ""


def _growth(lines: Sequence[Line], figure: str) -> list[str]:
    if not lines:
        return []
    protocols = dict.fromkeys(
        (line.at[0], line.protocol) for line in lines if line.at and line.unit == "s"
    )
    return [
        f"![Time and memory]({figure})" if figure else "",
        markdown.table(GROWTH_COLUMNS, growth_cells(lines)),
        "\n".join(f"- {axis}: {protocol}." for axis, protocol in protocols),
    ]


def cells(line: Line) -> list[str]:
    """The columns of `COLUMNS`."""
    ratio = wanted = met = ""
    if line.ratio is not None:
        ratio = f"{line.ratio:.3f} ({line.ratio_spread or 0:.3f}) {line.ratio_of}"
    if line.wanted is not None:
        is_time = line.wanted.figure == "median" and line.unit == "s"
        bound = f"{line.wanted.bound:g}{f' {line.unit}' if is_time else ''}"
        wanted = f"{line.wanted.figure} {line.wanted.sense} {bound}"
        met = {True: "met", False: "not met", None: ""}[line.is_met]
    if not line.is_measured:
        return [line.name, line.protocol, NOT_MEASURED, "", "", ratio, wanted, met]
    median = "" if line.median is None else quantity(line.median, line.unit)
    spread = quantity(line.spread, line.unit) if median and line.repeats > 1 else "-"
    return [line.name, line.protocol, median, spread, str(line.repeats), ratio, wanted, met]


def growth_cells(lines: Sequence[Line]) -> list[list[str]]:
    """The columns of `GROWTH_COLUMNS`: time and memory of a point in one row."""
    memory = {line.at: cells(line)[2] for line in lines if line.unit == "MB"}
    return [
        [line.at[0], f"{line.at[1]:g}", *cells(line)[2:5],
         "" if line.ratio is None else f"{line.ratio:.2f}", memory.get(line.at, "")]
        for line in lines if line.at and line.unit == "s"
    ]


def quantity(value: float, unit: str) -> str:
    """A value with its unit; times in seconds, milliseconds or microseconds."""
    if unit != "s":
        return f"{_number(value)} {unit}"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-4 else f"{value * 1e6:.3g} {MICRO}s"


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if value < 1000 else f"{value:.0f}"
