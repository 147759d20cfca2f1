"""Lines as a table: plain for a terminal, Markdown for a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from tools.bench.timing import Line

COLUMNS = ("what", "protocol", "median", "IQR", "repeats", "ratio (IQR)", "wanted", "met")
GROWTH_COLUMNS = ("what grows", "to", "time", "IQR", "repeats", "time over the first", "memory")


def as_text(line: Line) -> str:
    """One line for a terminal."""
    _, protocol, median, spread, repeats, ratio, wanted, met = cells(line)
    said = f"{line.name}: {median}"
    if line.repeats > 1:
        said += f" (IQR {spread}, {repeats} repeats)"
    if ratio:
        said += f", {ratio}"
    if wanted:
        said += f", wanted {wanted}: {met}"
    return f"{said}\n    {protocol}"


def as_markdown(
    lines: Sequence[Line],
    machine: Mapping[str, str],
    *,
    titles: Mapping[str, str],
    figure: str = "",
    faults: Mapping[str, str] | None = None,
) -> str:
    """A document of what was measured. titles: of the sections; figure: a picture of the growth;
    faults: sections that could not be measured, and why."""
    wanted = [line for line in lines if line.is_met is not None]
    met = sum(bool(line.is_met) for line in wanted)
    parts = [
        "# Benchmarks",
        "Written by `make bench`. Medians, and interquartile ranges (IQR) as the spread. What is "
        "compared took turns in one run, in alternating order; a ratio is the median of the turns' "
        "own ratios. Absolute times are this machine's, ratios travel better. *met* compares the "
        "figure with what is wanted, as measured here.",
        grid(("machine", ""), [list(pair) for pair in machine.items()]),
        f"{met} of {len(wanted)} wanted figures are met.",
    ]
    for section, members in groupby(lines, lambda line: line.section):
        of_section = list(members)
        parts.append(f"## {titles.get(section, section)}")
        grown = [line for line in of_section if line.at]
        plain = [line for line in of_section if not line.at]
        if plain:
            parts.append(grid(COLUMNS, [cells(line) for line in plain]))
        if grown:
            if figure:
                parts.append(f"![Time and memory]({figure})")
            parts.append(grid(GROWTH_COLUMNS, growth_cells(grown)))
            said = dict.fromkeys((line.at[0], line.protocol) for line in grown
                                 if line.at and line.unit == "s")
            parts.append("\n".join(f"- {axis}: {protocol}." for axis, protocol in said))
    for section, reason in (faults or {}).items():
        parts.append(f"## {titles.get(section, section)}\n\nNot measured: {reason}")
    return "\n\n".join(parts) + "\n"


def cells(line: Line) -> list[str]:
    """The columns of `COLUMNS`."""
    ratio = wanted = met = ""
    if line.ratio is not None:
        ratio = f"{line.ratio:.3f} ({line.ratio_spread or 0:.3f}) {line.ratio_of}"
    if line.wanted is not None:
        is_time = line.wanted.figure == "median" and line.unit == "s"
        bound = f"{line.wanted.bound:g}{f' {line.unit}' if is_time else ''}"
        wanted = f"{line.wanted.figure} {line.wanted.sense} {bound}"
        met = "met" if line.is_met else "not met"
    spread = quantity(line.spread, line.unit) if line.repeats > 1 else "-"
    return [line.name, line.protocol, quantity(line.median, line.unit), spread,
            str(line.repeats), ratio, wanted, met]


def growth_cells(lines: Sequence[Line]) -> list[list[str]]:
    """The columns of `GROWTH_COLUMNS`: time and memory of a point in one row."""
    memory = {line.at: quantity(line.median, line.unit) for line in lines if line.unit == "MB"}
    return [
        [line.at[0], f"{line.at[1]:g}", quantity(line.median, "s"), cells(line)[3],
         str(line.repeats), "" if line.ratio is None else f"{line.ratio:.2f}",
         memory.get(line.at, "")]
        for line in lines if line.at and line.unit == "s"
    ]


def quantity(value: float, unit: str) -> str:
    """A value with its unit, times in what suits them."""
    if unit != "s":
        return f"{value:.4g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-4 else f"{value * 1e6:.3g} \u00b5s"


def grid(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown. No text in it can end a cell or a line."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(_plain, line)) + " |" for line in lines)


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
