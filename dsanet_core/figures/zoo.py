"""Accuracy against the cost of a video (DSANet, Figure 3), for networks that share a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import NamedTuple

import plotly.graph_objects as go

from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.style import blank, plain

_MARKER, _LETTER, _LINE = 10, 6.9, 16  # pixels: a marker, a letter and a line of text of 12 px
_NARROW = 600
"""Width of the plot on a page of 768 pixels: labels that fit there fit on any wider one."""
_MARGIN = 0.12
"""Share of the horizontal axis left free at both ends, for labels."""
_SIDES = {
    "middle right": (0.5, 0.0),
    "middle left": (-0.5, 0.0),
    "top center": (0.0, 0.5),
    "bottom center": (0.0, -0.5),
    "top right": (0.5, 0.5),
    "bottom right": (0.5, -0.5),
    "top left": (-0.5, 0.5),
    "bottom left": (-0.5, -0.5),
}
"""Positions of a label beside its point: shift of its centre, in sizes of the label."""


class CostPoint(NamedTuple):
    """A network on a data set. gmacs: multiply-adds per video, 10^9, all views; top1: percent;
    detail: for the hover text. Points of one name are joined and share a label."""

    name: str
    gmacs: float
    top1: float
    detail: str = ""


class _Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )


def accuracy_against_cost(
    groups: Mapping[str, Sequence[CostPoint]], *, measured_here: bool, height: int = 560
) -> go.Figure:
    """One series of points per group, the group's name in the legend; cost on a log axis.

    measured_here: filled markers, else hollow ones. A name is beside its most accurate point, or in
    the hover text only where there is no room. Raises ValueError without points.
    """
    points = [point for group in groups.values() for point in group]
    if not points:
        raise ValueError("no points to draw")
    logs = [log10(point.gmacs) for point in points]
    spread = max(max(logs) - min(logs), 0.3)
    pad = spread * _MARGIN / (1 - 2 * _MARGIN)
    x_range = (min(logs) - pad, max(logs) + pad)
    top1s = [point.top1 for point in points]
    pad = max(0.08 * (max(top1s) - min(top1s)), 0.5)
    y_range = (min(top1s) - pad, max(top1s) + pad)
    sides = _label_sides(points, x_range, y_range, height - 100)

    figure = blank(height)
    for place, (group, members) in enumerate(groups.items()):
        colour = style.CATEGORICAL[place % len(style.CATEGORICAL)]
        symbol = style.SYMBOLS[place % len(style.SYMBOLS)]
        ordered = sorted(members, key=lambda point: (point.name, point.gmacs))
        _add_lines(figure, ordered, colour)
        figure.add_scatter(
            x=[point.gmacs for point in ordered],
            y=[point.top1 for point in ordered],
            mode="markers+text",
            name=plain(group),
            # Spaces that do not break keep a name off its marker.
            text=[f"\u00a0{plain(p.name)}\u00a0" if p in sides else "" for p in ordered],
            textposition=[sides.get(point, "middle right") for point in ordered],
            textfont={"size": 12},
            cliponaxis=False,
            marker={
                "symbol": symbol if measured_here else f"{symbol}-open",
                "size": _MARKER,
                "color": colour,
                "line": {"width": 2, "color": colour},
            },
            customdata=[(plain(point.name), plain(point.detail)) for point in ordered],
            hovertemplate="%{customdata[0]}<br>top-1 accuracy %{y:.1f}%"
            "<br>%{x:,.4~r} G multiply-adds per video<br>%{customdata[1]}<extra></extra>",
        )
    ticks = [
        step * 10.0**power
        for power in range(-3, 6)
        for step in (1, 2, 5)
        if x_range[0] <= log10(step * 10.0**power) <= x_range[1]
    ]
    figure.update_xaxes(
        title="Multiply-adds per video (G)",
        type="log",
        range=list(x_range),
        tickvals=ticks,
        ticktext=[f"{tick:g}" for tick in ticks],
    )
    # No horizontal grid: its lines would cross the names; the hover text has the value.
    figure.update_yaxes(
        title="Top-1 accuracy (%)", range=list(y_range), showgrid=False, ticks="outside"
    )
    return figure


def _add_lines(figure: go.Figure, ordered: Sequence[CostPoint], colour: str) -> None:
    """One thin line through the points of each name, in one trace: None breaks it."""
    x: list[float | None] = []
    y: list[float | None] = []
    for before, point in zip((None, *ordered), ordered, strict=False):
        if before is not None and before.name != point.name:
            x.append(None)
            y.append(None)
        x.append(point.gmacs)
        y.append(point.top1)
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": colour, "width": 1}, opacity=0.5,
        hoverinfo="skip", showlegend=False,
    )


def _label_sides(
    points: Sequence[CostPoint],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    height: float,
) -> dict[CostPoint, str]:
    """Label position for the most accurate point of each name.

    On a plot of `_NARROW` by `height` pixels no label overlaps another one or a marker; a point
    without a free position is left out.
    """
    best: dict[str, CostPoint] = {}
    for point in points:
        if point.name not in best or point.top1 > best[point.name].top1:
            best[point.name] = point

    def pixel(point: CostPoint) -> tuple[float, float]:
        x = (log10(point.gmacs) - x_range[0]) / (x_range[1] - x_range[0])
        y = (point.top1 - y_range[0]) / (y_range[1] - y_range[0])
        return x * _NARROW, y * height

    half = _MARKER / 2
    taken = [_Box(x - half, y - half, x + half, y + half) for x, y in map(pixel, points)]
    sides: dict[CostPoint, str] = {}
    for point in sorted(best.values(), key=lambda point: -point.top1):
        x, y = pixel(point)
        wide = _LETTER * (len(point.name) + 1)
        for side, (right, up) in _SIDES.items():
            centre_x = x + right * (wide + _MARKER + 2)
            centre_y = y + up * (_LINE + _MARKER + 2)
            box = _Box(
                centre_x - wide / 2, centre_y - _LINE / 2, centre_x + wide / 2, centre_y + _LINE / 2
            )
            inside = box.left >= 0 and box.right <= _NARROW
            if inside and not any(box.overlaps(other) for other in taken):
                sides[point] = side
                taken.append(box)
                break
    return sides
