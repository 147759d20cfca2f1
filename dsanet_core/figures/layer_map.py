"""Quantities of every block for every category as a map whose rows can be clicked."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import palette
from dsanet_core.figures.layer_style import (
    LEAST_CHANGE,
    LEAST_SPAN,
    axis_title,
    column_name,
    drawn_values,
    hover_detail,
    hover_text,
    stage_spans,
    tick_format,
    unit,
)
from dsanet_core.figures.layer_table import LayerTable, group_spans
from dsanet_core.figures.style import blank, plain, shorten

_LETTERS = 38
"""Of a category's name beside its row."""
_TOP = 100
"""Pixels above the first row, for the colour scale and the names of the panels."""


def layer_map(table: LayerTable, *, chosen: str = "") -> go.Figure:
    """Categories down, blocks or stages across, a panel per quantity, all on one scale of colours.

    Before every row stands a square that can be clicked; its custom data is the category.
    """
    count, columns = len(table.categories), len(table.columns)
    cell = 20 if count <= 30 else 16 if count <= 60 else 12
    figure = blank(cell * count + _TOP + 24)
    step = columns + max(0.6, 0.06 * columns)
    names = [plain(column_name(column)) for column in table.columns]
    ticks: dict[float, str] = {}
    for place, quantity in enumerate(table.quantities):
        start = place * step
        ticks |= {start + column: name for column, name in enumerate(names)}
        figure.add_heatmap(
            z=drawn_values(table)[:, :, place].astype(np.float32),
            x0=start,
            dx=1,
            y0=0,
            dy=1,
            customdata=hover_detail(table, place),
            coloraxis="coloraxis",
            name=plain(quantity),
            hovertemplate=f"%{{y}}<br>%{{x}}<br>{hover_text(table, quantity, 'z')}<extra></extra>",
        )
        _head_panel(figure, table, quantity, start)
    last = (len(table.quantities) - 1) * step + columns
    handle = -0.5 - 0.018 * last
    videos = table.videos.tolist()
    figure.add_scatter(
        x=[handle] * count,
        y=list(range(count)),
        customdata=list(table.categories),
        text=[
            f"{plain(name)}<br>{f'{plain(group)}, ' if group else ''}{number} videos"
            for name, group, number in zip(table.categories, table.groups, videos, strict=True)
        ],
        mode="markers",
        marker={
            "symbol": ["square" if name == chosen else "square-open" for name in table.categories],
            "color": palette.MODEL_A,
            "size": min(cell - 4, 11),
            "line": {"width": 1.5},
        },
        cliponaxis=False,
        showlegend=False,
        hovertemplate="%{text}<br>click: opens it on Categories<extra></extra>",
    )
    figure.update_xaxes(
        tickvals=list(ticks), ticktext=list(ticks.values()), showticklabels=False, showgrid=False,
        zeroline=False, range=[handle - 0.02 * last, last - 0.5], fixedrange=True,
    )
    figure.update_yaxes(
        tickvals=list(range(count)),
        ticktext=[plain(shorten(name, _LETTERS)) for name in table.categories],
        tickfont={"size": 12 if cell > 12 else 10},
        range=[count - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    for group, (first, _) in group_spans(table.groups).items():
        if first > 0:
            figure.add_hline(
                first - 0.5, line={"color": palette.NEUTRAL, "width": 1.5, "dash": "dot"},
                name=group,
            )
    figure.update_layout(coloraxis=_colours(table), margin={"t": _TOP})
    return figure


def colour_span(table: LayerTable) -> tuple[float, float]:
    """What the ends of the colour scale stand for: the least and the greatest value, or the
    greatest difference on both sides of 0."""
    if table.is_difference:
        most = max(float(np.abs(table.value).max()), LEAST_CHANGE)
        return -most, most
    low, high = float(table.value.min()), float(table.value.max())
    if high - low < LEAST_SPAN:
        return (low + high - LEAST_SPAN) / 2, (low + high + LEAST_SPAN) / 2
    return low, high


def _head_panel(figure: go.Figure, table: LayerTable, quantity: str, start: float) -> None:
    """A panel's quantity and stages above it, and a line between two stages."""
    middle = start + (len(table.columns) - 1) / 2
    # Light lines stand out from Cividis on both pages; from differences, which fade into the page,
    # only grey ones do.
    between = palette.NEUTRAL if table.is_difference else palette.LIGHT_PAGE
    _write_above(figure, f"<b>{plain(quantity)}</b>", middle, 18, 12)
    for stage, first, last in stage_spans(table.columns):
        _write_above(figure, plain(stage), start + (first + last) / 2, 2, 10)
        if first > 0:
            figure.add_shape(
                type="line", x0=start + first - 0.5, x1=start + first - 0.5, yref="paper", y0=0,
                y1=1, line={"color": between, "width": 1},
            )


def _write_above(figure: go.Figure, text: str, x: float, shift: int, size: int) -> None:
    figure.add_annotation(
        text=text, x=x, y=1, yref="paper", yanchor="bottom", yshift=shift, showarrow=False,
        font={"size": size},
    )


def _colours(table: LayerTable) -> dict[str, object]:
    low, high = (unit(table) * end for end in colour_span(table))
    return {
        "colorscale": palette.DIVERGING if table.is_difference else palette.SEQUENTIAL,
        "cmin": low,
        "cmax": high,
        "colorbar": {
            "orientation": "h",
            "title": {"text": axis_title(table), "side": "top"},
            "tickformat": tick_format(table),
            "x": 0,
            "xanchor": "left",
            "yref": "container",
            "y": 1,
            "yanchor": "top",
            "ypad": 2,
            "len": 0.5,
            "thickness": 10,
            "nticks": 5,
        },
    }
