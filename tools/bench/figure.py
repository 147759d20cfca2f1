"""Growth of time and memory as one SVG of small charts on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from tools.bench.table import Line

WIDTH, HEIGHT = 300, 210
COLUMNS = 3
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 30, 40
EDGE = 12
"""For the half of the last label that stands outside its chart."""
SERIES = {"s": ("#3b6fb6", "seconds"), "MB": ("#b5651d", "MB at most")}
"""Unit -> colour and name, a row of charts each."""
STYLE = ("text{font:11px sans-serif;fill:#777}.title{font-size:12px;font-weight:bold}"
         ".grid{stroke:#777;stroke-opacity:.25}polyline{fill:none;stroke-width:2}")


def growth_svg(lines: Sequence[Line]) -> str:
    """A column for every axis of growth, times above and memory below. Raises ValueError without
    any such line."""
    axes = list(dict.fromkeys(line.at[0] for line in lines if line.at))
    if not axes:
        raise ValueError("no line is of growth")
    charts = []
    for below, unit in enumerate(SERIES):
        for index, axis in enumerate(axes):
            row, column = index // COLUMNS * len(SERIES) + below, index % COLUMNS
            points = [(line.at[1], line.median) for line in lines
                      if line.at and line.at[0] == axis and line.unit == unit
                      and line.median is not None]
            place = f"translate({column * WIDTH},{row * HEIGHT})"
            charts.append(f'<g transform="{place}">{_chart(axis, unit, points)}</g>')
    rows = math.ceil(len(axes) / COLUMNS) * len(SERIES)
    size = f"{min(len(axes), COLUMNS) * WIDTH + EDGE} {rows * HEIGHT}"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}"><style>{STYLE}</style>'
            f'{"".join(charts)}</svg>\n')


def _chart(axis: str, unit: str, points: Sequence[tuple[float, float]]) -> str:
    colour, name = SERIES[unit]
    title = f'<text class="title" x="{LEFT}" y="18">{escape(f"{name}, by {axis}")}</text>'
    if not points:
        return title
    across = _Scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Scale([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [title]
    for y in up.ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(y):.1f}" '
                     f'y2="{up(y):.1f}"/><text x="{LEFT - 5}" y="{up(y) + 4:.1f}" '
                     f'text-anchor="end">{y:g}</text>')
    for x, _ in points:
        parts.append(f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 16}" '
                     f'text-anchor="middle">{x:g}</text>')
    path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
    parts.append(f'<polyline points="{path}" stroke="{colour}"/>')
    parts += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{colour}"/>'
              for x, y in points]
    return "".join(parts)


class _Scale:
    """A logarithmic axis: from positive values to pixels. ticks: round values to be marked."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        rounds = sorted(step * 10.0**power for power in range(-6, 7) for step in (1, 2, 5))
        low = max(tick for tick in rounds if tick <= min(values))
        high = min(tick for tick in rounds if tick >= max(values) and tick > low)
        self.start, self.end = start, end
        self.low, self.span = math.log(low), math.log(high) - math.log(low)
        ticks = [tick for tick in rounds if low <= tick <= high]
        few = [tick for tick in ticks if math.log10(tick) % 1 == 0]
        self.ticks = few if len(ticks) > 6 else ticks

    def __call__(self, value: float) -> float:
        return self.start + (math.log(value) - self.low) / self.span * (self.end - self.start)
