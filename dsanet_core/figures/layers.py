"""Quantities of every block for every category: SDA's weights (SDA, Figure 5), DSA's kernels."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import palette
from dsanet_core.figures.layer_style import (
    LEAST_CHANGE,
    axis_title,
    column_name,
    drawn_values,
    hover_detail,
    hover_text,
    stage_spans,
    tick_format,
)
from dsanet_core.figures.layer_table import LayerTable, group_spans
from dsanet_core.figures.style import blank, plain, shorten, stage_and_place
from dsanet_core.records import Array

NAMED = 45
"""Up to so many categories are named along an axis of curves; more would not fit."""
MARKED = 60
"""Up to so many, a symbol stands at every category; more would hide the curves."""
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def layer_summary(table: LayerTable) -> go.Figure:
    """The one row of `all_videos`, a line per quantity through the network, with its spread."""
    figure = blank(330)
    columns = len(table.columns)
    marks = palette.dependency_marks(table.quantities)
    for place, (name, (colour, symbol)) in enumerate(marks.items()):
        # Side by side, so that the bars of the spread stand apart.
        shift = 0.09 * (place - (len(marks) - 1) / 2)
        figure.add_scatter(
            x=np.arange(columns) + shift,
            y=drawn_values(table)[0, :, place],
            error_y=None if table.spread is None else {
                "type": "data", "array": table.spread[0, :, place], "thickness": 1.2, "width": 0,
            },
            customdata=hover_detail(table, place)[0],
            text=[plain(column_name(column)) for column in table.columns],
            mode="lines+markers",
            name=plain(name),
            line={"color": colour, "width": 2},
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertemplate=f"%{{text}}<br>{hover_text(table, name, 'y')}<extra></extra>",
        )
    _add_neutral(figure, table, ["y"])
    figure.update_xaxes(
        tickvals=list(range(columns)),
        ticktext=[plain(_place_name(column)) for column in table.columns],
        range=[-0.5, columns - 0.5],
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(title=axis_title(table), tickformat=tick_format(table), nticks=6)
    figure.update_layout(margin={"b": 48})
    for stage, first, last in stage_spans(table.columns):
        figure.add_annotation(
            text=f"<b>{plain(stage)}</b>", x=(first + last) / 2, y=0, yref="paper", yshift=-24,
            yanchor="top", showarrow=False,
        )
        if first > 0:
            figure.add_vline(first - 0.5, line={"color": palette.NEUTRAL, "width": 1})
    return figure


def layer_curves(table: LayerTable, *, spread: bool = True, chosen: str = "") -> go.Figure:
    """Figure 5: a row of curves per block or stage, the categories along the axis that all share.

    One scale for all rows. spread: a band of one standard deviation on both sides, where known.
    chosen: a category that is marked.
    """
    count, rows = len(table.categories), len(table.columns)
    row_height = 190 if rows <= 4 else 120
    named = count <= NAMED
    figure = blank(row_height * rows + 60)
    x = np.arange(count, dtype=np.float32)
    traces: list[go.Scatter] = []
    marks = palette.dependency_marks(table.quantities)
    drawn, deviation = drawn_values(table), table.spread if spread else None
    for row in range(rows):
        axis = _axis(row)
        for place, (name, (colour, symbol)) in enumerate(marks.items()):
            y = drawn[:, row, place].astype(np.float32)
            if deviation is not None:
                traces.append(_band(x, y, deviation[:, row, place], colour, name, axis))
            traces.append(go.Scatter(
                x=x,
                y=y,
                yaxis=axis,
                customdata=hover_detail(table, place)[:, row],
                mode="lines+markers" if count <= MARKED else "lines",
                name=plain(name),
                legendgroup=name,
                showlegend=row == 0,
                line={
                    "color": colour,
                    "width": 1.5,
                    "dash": "solid" if count <= MARKED else _DASHES[place % len(_DASHES)],
                },
                marker={"color": colour, "symbol": symbol, "size": 6},
                hovertemplate=f"{hover_text(table, name, 'y')}<extra></extra>",
            ))
    figure.add_traces(traces)
    _stack_rows(figure, table, _range(drawn, deviation, _neutral(table)))
    figure.update_xaxes(
        tickvals=list(range(count)),
        ticktext=[
            plain(shorten(name, 30) if named else name) for name in table.categories
        ],
        showticklabels=named,
        tickangle=-60 if named and count > 4 else 0,
        range=[-0.6, count - 0.4],
        showgrid=named,
        zeroline=False,
        anchor=_axis(rows - 1),
    )
    if not named:
        figure.update_xaxes(title=f"{count} categories in the chosen order; names on hover")
    figure.update_layout(hovermode="x unified", margin={"t": 64})
    _mark_groups_across(figure, table)
    if chosen in table.categories:
        place = table.categories.index(chosen)
        figure.add_shape(
            type="line", x0=place, x1=place, yref="paper", y0=0, y1=1,
            line={"color": palette.NEUTRAL, "width": 2, "dash": "dot"},
        )
    return figure


def _axis(row: int) -> str:
    return "y" if row == 0 else f"y{row + 1}"


def _place_name(column: str) -> str:
    stage = stage_and_place(column)
    return "" if stage is None else str(stage[1])


def _band(x: Array, y: Array, spread: Array, colour: str, name: str, axis: str) -> go.Scatter:
    """One standard deviation on both sides of a curve, as a polygon."""
    spread = spread.astype(np.float32)
    return go.Scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([y + spread, (y - spread)[::-1]]),
        yaxis=axis,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=_translucent(colour),
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )


def _translucent(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _range(drawn: Array, spread: Array | None, neutral: float | None) -> tuple[float, float]:
    """One scale for all rows: all values and bands, the neutral value too."""
    band = np.zeros(1) if spread is None else spread
    low, high = float((drawn - band).min()), float((drawn + band).max())
    if neutral is not None:
        low, high = min(low, neutral), max(high, neutral)
    pad = 0.06 * max(high - low, LEAST_CHANGE)
    return low - pad, high + pad


def _neutral(table: LayerTable) -> float | None:
    """The value that says nothing: no difference, or the share that averaging gives."""
    if table.is_difference:
        return 0.0
    return 1 / len(table.quantities) if table.is_share else None


def _add_neutral(figure: go.Figure, table: LayerTable, axes: list[str]) -> None:
    neutral = _neutral(table)
    if neutral is None:
        return
    figure.update_layout(shapes=[*figure.layout.shapes, *(
        {
            "type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": axis, "y0": neutral,
            "y1": neutral, "line": {"color": palette.NEUTRAL, "width": 1, "dash": "dash"},
            "layer": "below",
        }
        for axis in axes
    )])


def _stack_rows(figure: go.Figure, table: LayerTable, limits: tuple[float, float]) -> None:
    """A vertical axis for every column of the table, one below the other, each with its name."""
    rows = len(table.columns)
    gap = 0.22 / rows
    share = (1 - gap * (rows - 1)) / rows
    base = figure.layout.yaxis.to_plotly_json()
    axes, names = {}, []
    for row, column in enumerate(table.columns):
        top = 1 - row * (share + gap)
        axes[f"yaxis{row + 1}" if row else "yaxis"] = base | {
            "domain": [max(0.0, top - share), top],
            "range": list(limits),
            "nticks": 5 if rows <= 4 else 4,
            "tickformat": tick_format(table),
            "zeroline": False,
            "anchor": "x",
        }
        names.append({
            "text": f"<b>{plain(column_name(column))}</b>", "xref": "paper", "x": 0,
            "xanchor": "left", "yref": "paper", "y": top, "yanchor": "bottom", "showarrow": False,
            "font": {"size": 12},
        })
    above = {"yref": "container", "y": 1, "yanchor": "top"}
    figure.update_layout(annotations=names, legend=above, **axes)
    _add_neutral(figure, table, [_axis(row) for row in range(rows)])


def _mark_groups_across(figure: go.Figure, table: LayerTable) -> None:
    """Lines between the groups, and their names above, where each has a place of its own."""
    spans = group_spans(table.groups)
    lines, names = [], []
    for group, (first, last) in spans.items():
        if first > 0:
            lines.append({
                "type": "line", "x0": first - 0.5, "x1": first - 0.5, "yref": "paper", "y0": 0,
                "y1": 1, "line": {"color": palette.NEUTRAL, "width": 1},
            })
        names.append({
            "text": plain(shorten(group or "no group", 16)), "x": (first + last) / 2, "y": 1,
            "yref": "paper", "yanchor": "bottom", "yshift": 16, "showarrow": False,
            "font": {"size": 11},
        })
    figure.update_layout(
        shapes=[*figure.layout.shapes, *lines],
        annotations=[*figure.layout.annotations, *names],
    )
