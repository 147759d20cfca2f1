"""Confusion matrix, bars of counts, and reliability diagram (page Errors)."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.style import blank, plain, shorten
from dsanet_core.records import Array, Calibration
from dsanet_core.text_format import percent

MOST_CLICKABLE_CELLS = 2000
"""Cells of a large matrix that can be clicked: each is an element of the page."""
MOST_CLASSES_ALL_CLICKABLE = 40
"""Up to this many classes every cell can be clicked, above only those with the most videos."""
_MOST_CLASSES_WITH_NUMBERS = 30
"""Up to this many classes every cell shows its number."""
_LETTERS = 30
_PLOT = (300, 760)
"""Least and greatest height of the cells of a matrix, pixels."""
_CELL, _LABELS = 30, 270


class Cell(NamedTuple):
    """Videos of class `true` that were predicted as class `predicted`; None: any class."""

    true: int | None
    predicted: int | None


ANY_CELL = Cell(None, None)


class Bar(NamedTuple):
    """A bar of `videos` out of `total`. label: beside it; name, detail: in the hover text."""

    label: str
    videos: int
    total: int
    name: str
    detail: str


class Reliability(NamedTuple):
    """A run's calibration; low, high: (bins,) interval of each bin's accuracy, NaN where empty."""

    name: str
    calibration: Calibration
    low: Array
    high: Array


def confusion_matrix(
    confusion: Array,
    classes: Sequence[str],
    shown: Sequence[int],
    *,
    shares: bool,
    dark: bool = False,
    chosen: Cell = ANY_CELL,
) -> go.Figure:
    """Videos by true (rows, from the top) and predicted class, for the classes `shown`.

    confusion: (classes, classes) counts. Predictions of a class not shown are in a last column of
    their own. shares: colour and text are shares of a row, else counts; correct and incorrect
    predictions have separate scales. Invisible markers make cells clickable; their `customdata`
    begins with the (true, predicted) class indices, -1 for the last column. The chosen cell, row or
    column is framed. dark: colours the numbers inside cells for a dark page. Raises ValueError
    without classes.
    """
    if not len(shown):
        raise ValueError("no classes to draw")
    rows = np.asarray(shown)
    size, partial = len(rows), len(rows) < len(classes)
    counts = confusion[rows][:, rows]
    videos = confusion[rows].sum(1)
    predicted = list(rows)
    if partial:
        counts = np.column_stack([counts, videos - counts.sum(1)])
        predicted.append(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = counts / videos[:, None]
    values = 100 * share if shares else counts.astype(float)
    values[counts == 0] = np.nan
    right = np.eye(*counts.shape) == 1
    other = np.zeros_like(right)
    other[:, size:] = True

    columns = [*(classes[index] for index in rows), *(["other classes"] if partial else [])]
    figure = blank(_height(size))
    parts = (
        ("Correct", right, style.RIGHT, (0.3, 1), 100.0 if shares else None),
        ("Incorrect", ~right & ~other, style.WRONG, (0.16, 1), None),
        ("Other", other, style.NEUTRAL, (0.1, 0.45), None),
    )
    strong = np.zeros_like(right)
    for place, (name, inside, colour, opacities, most) in enumerate(parts, start=1):
        part = np.where(inside, values, np.nan)
        if np.isnan(part).all():
            continue
        gap = 1 if size <= MOST_CLASSES_ALL_CLICKABLE else 0
        most = most or float(np.nanmax(part))
        figure.add_heatmap(
            z=part, coloraxis=f"coloraxis{place}", xgap=gap, ygap=gap, hoverinfo="skip"
        )
        figure.layout[f"coloraxis{place}"] = {
            "colorscale": tuple(enumerate(style.faded(colour, each) for each in opacities)),
            "cmin": 0,
            "cmax": most,
            "showscale": name != "Other",
            "colorbar": _bar_above(name, "%" if shares else "", 0.54 * (place - 1)),
        }
        if name == "Incorrect":
            strong = np.nan_to_num(part) > 0.75 * most
    _add_markers(figure, counts, share, videos, rows, predicted, classes, columns)
    if size <= _MOST_CLASSES_WITH_NUMBERS:
        _add_numbers(figure, values, strong, style.LIGHT_PAGE if dark else style.DARK_PAGE)
    _label_axes(figure, [classes[index] for index in rows], columns)
    _frame(figure, list(rows), predicted[:size], counts.shape[1], chosen)
    return figure


def _add_markers(
    figure: go.Figure, counts: Array, share: Array, videos: Array, rows: Array,
    predicted: Sequence[int], classes: Sequence[str], columns: Sequence[str],
) -> None:
    """A marker on every cell, or on those with the most videos where they would be too many."""
    y, x = np.indices(counts.shape).reshape(2, -1)
    many = len(rows) > MOST_CLASSES_ALL_CLICKABLE
    if many:
        most = np.argsort(-counts[y, x], kind="stable")[:MOST_CLICKABLE_CELLS]
        most = most[counts[y, x][most] > 0]
        y, x = y[most], x[most]
    counted = [
        f"{counts[i, j]} of {videos[i]} videos ({share[i, j]:.1%})" if videos[i] else "no videos"
        for i, j in zip(y, x, strict=True)
    ]
    figure.add_scatter(
        x=x, y=y, mode="markers", showlegend=False,
        marker={"symbol": "square", "size": 6 if many else 18, "opacity": 0},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
        customdata=[
            (int(rows[i]), int(predicted[j]), plain(classes[rows[i]]), plain(columns[j]), count)
            for i, j, count in zip(y, x, counted, strict=True)
        ],
        hovertemplate="%{customdata[4]}<br>true class: %{customdata[2]}"
        "<br>predicted: %{customdata[3]}<extra></extra>",
    )
    # With a marker on every cell the nearest one is that of the cell under the pointer.
    figure.update_layout(hovermode="closest", hoverdistance=4 if many else 40)


def _add_numbers(figure: go.Figure, values: Array, strong: Array, ink: str) -> None:
    """The value of every cell, in white on a strong red, elsewhere in `ink`."""
    for inside, colour in ((~strong, ink), (strong, style.LIGHT_PAGE)):
        y, x = np.nonzero(inside & ~np.isnan(values))
        figure.add_scatter(
            x=x, y=y, mode="text", text=[f"{value:.0f}" for value in values[y, x]],
            textfont={"size": 11, "color": colour}, hoverinfo="skip", showlegend=False,
        )


def _label_axes(figure: go.Figure, rows: Sequence[str], columns: Sequence[str]) -> None:
    step = ceil(len(rows) / 60)
    for axis, names in ((figure.layout.yaxis, rows), (figure.layout.xaxis, columns)):
        axis.update(
            tickvals=list(range(0, len(names), step)),
            ticktext=[plain(shorten(name, _LETTERS)) for name in names[::step]],
            range=[-0.5, len(names) - 0.5], showgrid=False, zeroline=False, fixedrange=True,
        )
        if len(rows) > MOST_CLASSES_ALL_CLICKABLE:
            axis.tickfont = {"size": 9}
    figure.layout.yaxis.update(range=[len(rows) - 0.5, -0.5], title="True class")
    figure.layout.xaxis.update(tickangle=-90, title="Predicted class")


def _frame(
    figure: go.Figure, rows: Sequence[int], columns: Sequence[int], width: int, chosen: Cell
) -> None:
    """A frame around the chosen cell, row or column, where it is shown."""
    if chosen == ANY_CELL:
        return
    if {chosen.true} - {None, *rows} or {chosen.predicted} - {None, *columns}:
        return
    x = (0, width - 1) if chosen.predicted is None else (columns.index(chosen.predicted),) * 2
    y = (0, len(rows) - 1) if chosen.true is None else (rows.index(chosen.true),) * 2
    thick = 3 if len(rows) <= MOST_CLASSES_ALL_CLICKABLE else 2
    figure.add_shape(
        x0=x[0] - 0.5, x1=x[1] + 0.5, y0=y[0] - 0.5, y1=y[1] + 0.5,
        line={"color": style.CATEGORICAL[0], "width": thick},
    )


def _height(size: int) -> int:
    return min(max(_PLOT[0], _CELL * size), _PLOT[1]) + _LABELS


def _bar_above(title: str, unit: str, left: float) -> dict[str, object]:
    return {
        "orientation": "h", "title": {"text": title, "side": "top"}, "ticksuffix": unit,
        "x": left, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "len": 0.46,
        "thickness": 10, "nticks": 4,
    }


def share_bars(
    bars: Sequence[Bar], colours: Sequence[str], *, title: str, chosen: int | None = None
) -> go.Figure:
    """Counts as horizontal bars with their share beside them, the first on top.

    The `customdata` of a bar, for clicks, begins with its index. colours: one per bar, or one for
    all. chosen: index of the bar that is framed. Raises ValueError without bars.
    """
    if not bars:
        raise ValueError("no bars to draw")
    figure = blank(28 * len(bars) + 70)
    figure.add_bar(
        x=[bar.videos for bar in bars],
        y=list(range(len(bars))),
        orientation="h",
        marker={
            "color": list(colours) if len(colours) > 1 else colours[0],
            "line": {
                "color": style.NEUTRAL,
                "width": [4 if place == chosen else 0 for place in range(len(bars))],
            },
        },
        text=[
            f"{bar.videos} ({percent(bar.videos / bar.total) if bar.total else '–'})"
            for bar in bars
        ],
        textposition="outside",
        textangle=0,
        cliponaxis=False,
        customdata=[
            (place, plain(bar.name), plain(bar.detail)) for place, bar in enumerate(bars)
        ],
        hovertemplate="%{customdata[1]}<br>%{text}<br>%{customdata[2]}<extra></extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        showlegend=False,
    )
    figure.update_yaxes(
        tickvals=list(range(len(bars))),
        ticktext=[plain(bar.label) for bar in bars],
        range=[len(bars) - 0.5, -0.5], showgrid=False, zeroline=False, fixedrange=True,
    )
    # Room for the text beside the longest bar.
    most = max(bar.videos for bar in bars) or 1
    figure.update_xaxes(title=title, range=[0, 1.3 * most], fixedrange=True, nticks=6)
    return figure


def reliability_diagram(runs: Sequence[Reliability]) -> go.Figure:
    """Accuracy against mean confidence of the videos of each confidence bin, with intervals, and
    the number of videos per bin below; the dotted line is perfect calibration.

    Raises ValueError without runs.
    """
    if not runs:
        raise ValueError("no runs to draw")
    figure = blank(480)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="perfect calibration",
        line={"color": style.NEUTRAL, "width": 1, "dash": "dot"}, hoverinfo="skip",
    )
    for place, (name, found, low, high) in enumerate(runs):
        colour, symbol = style.CATEGORICAL[place], style.SYMBOLS[place]
        filled = found.videos > 0
        spans = [
            f"confidence {100 * start:.0f}% to {100 * end:.0f}%"
            for start, end in zip(found.edges[:-1], found.edges[1:], strict=True)
        ]
        details = [
            (span, int(count), low[i], high[i])
            for i, (span, count) in enumerate(zip(spans, found.videos, strict=True))
        ]
        figure.add_scatter(
            x=found.confidence[filled],
            y=found.accuracy[filled],
            error_y={
                "array": (high - found.accuracy)[filled],
                "arrayminus": (found.accuracy - low)[filled],
                "color": colour, "thickness": 1, "width": 3,
            },
            mode="lines+markers",
            name=plain(name),
            legendgroup=str(place),
            line={"color": colour, "width": 2},
            marker={"color": colour, "symbol": symbol, "size": 9},
            customdata=[detail for detail, full in zip(details, filled, strict=True) if full],
            hovertemplate=f"{plain(name)}<br>%{{customdata[0]}}, mean %{{x:.1%}}"
            "<br>accuracy %{y:.1%} on %{customdata[1]} videos"
            "<br>95% interval %{customdata[2]:.1%} to %{customdata[3]:.1%}<extra></extra>",
        )
        figure.add_bar(
            x=(found.edges[:-1] + found.edges[1:]) / 2,
            y=found.videos,
            yaxis="y2",
            marker={"color": colour},
            name=plain(name),
            legendgroup=str(place),
            showlegend=False,
            customdata=spans,
            hovertemplate=f"{plain(name)}<br>%{{customdata}}: %{{y}} videos<extra></extra>",
        )
    figure.update_layout(
        bargap=0.1,
        yaxis={
            "domain": [0.36, 1], "range": [-0.02, 1.02], "tickformat": ".0%",
            "title": "Accuracy",
        },
        yaxis2={
            **figure.layout.yaxis.to_plotly_json(),
            "domain": [0, 0.28], "range": None, "tickformat": None, "title": "Videos", "nticks": 4,
        },
        xaxis={
            "anchor": "y2", "range": [-0.01, 1.01], "tickformat": ".0%",
            "title": "Confidence (probability of the predicted class)",
        },
    )
    return figure
