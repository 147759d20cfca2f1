"""SDA's weights (SDA, Figure 5) or DSA's kernels of every block, per class: curves and a map."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.layer_table import LayerTable, group_spans, stages_of
from dsanet_core.figures.style import blank, block_label, plain, shorten, stage_and_place
from dsanet_core.records import Array

MOST_TICK_LABELS = 45
"""Up to this many classes are labelled along an axis of curves."""
MOST_SYMBOLS = 60
"""Up to this many classes each value has a symbol; more would hide the curves."""
LEAST_CHANGE, LEAST_SPAN = 0.01, 0.02
"""Least range of a scale, so that small differences look small."""
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_MAP_LETTERS = 38
"""Letters of a class name beside its row."""
_MAP_TOP = 100
"""Pixels above the first row, for the colour bar and the panel titles."""


def layer_summary(table: LayerTable) -> go.Figure:
    """The one row of `all_videos`: a line per quantity through the network, with its spread."""
    figure = blank(330)
    columns = len(table.columns)
    marks = style.dependency_marks(table.quantities)
    for index, (name, (colour, symbol)) in enumerate(marks.items()):
        # Side by side, so that the error bars do not overlap.
        shift = 0.09 * (index - (len(marks) - 1) / 2)
        figure.add_scatter(
            x=np.arange(columns) + shift,
            y=table.scaled[0, :, index],
            error_y=None if table.spread is None else {
                "type": "data", "array": table.spread[0, :, index], "thickness": 1.2, "width": 0,
            },
            customdata=table.hover_data(index)[0],
            text=[plain(block_label(column)) for column in table.columns],
            mode="lines+markers",
            name=plain(name),
            line={"color": colour, "width": 2},
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertemplate=f"%{{text}}<br>{table.hover_template(name, 'y')}<extra></extra>",
        )
    _add_neutral_lines(figure, table, ["y"])
    figure.update_xaxes(
        tickvals=list(range(columns)),
        ticktext=[plain(_number_in_stage(column)) for column in table.columns],
        range=[-0.5, columns - 0.5],
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(title=table.axis_title, tickformat=table.tick_format, nticks=6)
    figure.update_layout(margin={"b": 48})
    for stage, indices in stages_of(table.columns).items():
        figure.add_annotation(
            text=f"<b>{plain(stage)}</b>", x=(indices[0] + indices[-1]) / 2, y=0, yref="paper",
            yshift=-24, yanchor="top", showarrow=False,
        )
        if indices[0] > 0:
            figure.add_vline(indices[0] - 0.5, line={"color": style.NEUTRAL, "width": 1})
    return figure


def layer_curves(table: LayerTable, *, spread: bool = True, chosen: str = "") -> go.Figure:
    """Figure 5: a row of curves per block or stage, the classes along a shared axis.

    All rows have one scale. spread: draws a band of one standard deviation on both sides, where
    known. chosen: a class that is marked.
    """
    count, rows = len(table.categories), len(table.columns)
    row_height = 190 if rows <= 4 else 120
    labelled, with_symbols = count <= MOST_TICK_LABELS, count <= MOST_SYMBOLS
    figure = blank(row_height * rows + 60)
    x = np.arange(count, dtype=np.float32)
    traces: list[go.Scatter] = []
    marks = style.dependency_marks(table.quantities)
    values, deviation = table.scaled, table.spread if spread else None
    for row in range(rows):
        axis = _axis(row)
        for index, (name, (colour, symbol)) in enumerate(marks.items()):
            y = values[:, row, index].astype(np.float32)
            if deviation is not None:
                traces.append(_band(x, y, deviation[:, row, index], colour, name, axis))
            traces.append(go.Scatter(
                x=x,
                y=y,
                yaxis=axis,
                customdata=table.hover_data(index)[:, row],
                mode="lines+markers" if with_symbols else "lines",
                name=plain(name),
                legendgroup=name,
                showlegend=row == 0,
                line={
                    "color": colour,
                    "width": 1.5,
                    "dash": "solid" if with_symbols else _DASHES[index % len(_DASHES)],
                },
                marker={"color": colour, "symbol": symbol, "size": 6},
                hovertemplate=f"{table.hover_template(name, 'y')}<extra></extra>",
            ))
    figure.add_traces(traces)
    _stack_rows(figure, table, _range(values, deviation, _neutral(table)))
    figure.update_xaxes(
        tickvals=list(range(count)),
        ticktext=[plain(shorten(name, 30) if labelled else name) for name in table.categories],
        showticklabels=labelled,
        tickangle=-60 if labelled and count > 4 else 0,
        range=[-0.6, count - 0.4],
        showgrid=labelled,
        zeroline=False,
        anchor=_axis(rows - 1),
    )
    if not labelled:
        figure.update_xaxes(title=f"{count} classes in the chosen order (hover for names)")
    figure.update_layout(hovermode="x unified", margin={"t": 64})
    _mark_groups(figure, table)
    if chosen in table.categories:
        _add_vertical_line(figure, table.categories.index(chosen), width=2, dash="dot")
    return figure


def _axis(row: int) -> str:
    return "y" if row == 0 else f"y{row + 1}"


def _number_in_stage(column: str) -> str:
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
        fillcolor=style.faded(colour, 0.18),
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )


def _range(values: Array, spread: Array | None, neutral: float | None) -> tuple[float, float]:
    """One scale for all rows: it covers all values, bands and the neutral value."""
    band = np.zeros(1) if spread is None else spread
    low, high = float((values - band).min()), float((values + band).max())
    if neutral is not None:
        low, high = min(low, neutral), max(high, neutral)
    pad = 0.06 * max(high - low, LEAST_CHANGE)
    return low - pad, high + pad


def _neutral(table: LayerTable) -> float | None:
    """The uninformative value: no difference, or the equal share that averaging gives."""
    if table.is_difference:
        return 0.0
    return 1 / len(table.quantities) if table.is_share else None


def _add_neutral_lines(figure: go.Figure, table: LayerTable, axes: list[str]) -> None:
    neutral = _neutral(table)
    if neutral is None:
        return
    figure.update_layout(shapes=[*figure.layout.shapes, *(
        {
            "type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": axis, "y0": neutral,
            "y1": neutral, "line": {"color": style.NEUTRAL, "width": 1, "dash": "dash"},
            "layer": "below",
        }
        for axis in axes
    )])


def _stack_rows(figure: go.Figure, table: LayerTable, limits: tuple[float, float]) -> None:
    """A titled vertical axis for every column of the table, one below the other."""
    rows = len(table.columns)
    gap = 0.22 / rows
    share = (1 - gap * (rows - 1)) / rows
    base = figure.layout.yaxis.to_plotly_json()
    axes, titles = {}, []
    for row, column in enumerate(table.columns):
        top = 1 - row * (share + gap)
        axes[f"yaxis{row + 1}" if row else "yaxis"] = base | {
            "domain": [max(0.0, top - share), top],
            "range": list(limits),
            "nticks": 5 if rows <= 4 else 4,
            "tickformat": table.tick_format,
            "zeroline": False,
            "anchor": "x",
        }
        titles.append({
            "text": f"<b>{plain(block_label(column))}</b>", "xref": "paper", "x": 0,
            "xanchor": "left", "yref": "paper", "y": top, "yanchor": "bottom", "showarrow": False,
            "font": {"size": 12},
        })
    above = {"yref": "container", "y": 1, "yanchor": "top"}
    figure.update_layout(annotations=titles, legend=above, **axes)
    _add_neutral_lines(figure, table, [_axis(row) for row in range(rows)])


def _mark_groups(figure: go.Figure, table: LayerTable) -> None:
    """Lines between the groups and their names above, where the classes are sorted by group."""
    for group, (first, last) in group_spans(table.groups).items():
        if first > 0:
            _add_vertical_line(figure, first - 0.5)
        _write_above(
            figure, plain(shorten(group or "no group", 16)), (first + last) / 2, 16, 11
        )


def layer_map(table: LayerTable, *, chosen: str = "") -> go.Figure:
    """Classes down, blocks or stages across, a panel per quantity, all on one colour scale.

    The square before a row can be clicked; its custom data is the class name.
    """
    count, columns = len(table.categories), len(table.columns)
    cell = 20 if count <= 30 else 16 if count <= 60 else 12
    figure = blank(cell * count + _MAP_TOP + 24)
    step = columns + max(0.6, 0.06 * columns)
    names = [plain(block_label(column)) for column in table.columns]
    ticks: dict[float, str] = {}
    for index, quantity in enumerate(table.quantities):
        start = index * step
        ticks |= {start + column: name for column, name in enumerate(names)}
        figure.add_heatmap(
            z=table.scaled[:, :, index].astype(np.float32),
            x0=start,
            dx=1,
            y0=0,
            dy=1,
            customdata=table.hover_data(index),
            coloraxis="coloraxis",
            name=plain(quantity),
            hovertemplate=(
                f"%{{y}}<br>%{{x}}<br>{table.hover_template(quantity, 'z')}<extra></extra>"
            ),
        )
        _add_panel_titles(figure, table, quantity, start)
    last = (len(table.quantities) - 1) * step + columns
    squares_x = -0.5 - 0.018 * last
    _add_squares(figure, table, squares_x, min(cell - 4, 11), chosen)
    figure.update_xaxes(
        tickvals=list(ticks), ticktext=list(ticks.values()), showticklabels=False, showgrid=False,
        zeroline=False, range=[squares_x - 0.02 * last, last - 0.5], fixedrange=True,
    )
    figure.update_yaxes(
        tickvals=list(range(count)),
        ticktext=[plain(shorten(name, _MAP_LETTERS)) for name in table.categories],
        tickfont={"size": 12 if cell > 12 else 10},
        range=[count - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    for group, (first, _) in group_spans(table.groups).items():
        if first > 0:
            figure.add_hline(
                first - 0.5, line={"color": style.NEUTRAL, "width": 1.5, "dash": "dot"},
                name=group,
            )
    figure.update_layout(coloraxis=_colour_axis(table), margin={"t": _MAP_TOP})
    return figure


def _add_squares(
    figure: go.Figure, table: LayerTable, x: float, size: int, chosen: str
) -> None:
    """A clickable square before every row of the map, filled for the chosen class."""
    count = len(table.categories)
    figure.add_scatter(
        x=[x] * count,
        y=list(range(count)),
        customdata=list(table.categories),
        text=[
            f"{plain(name)}<br>{f'{plain(group)}, ' if group else ''}{number} videos"
            for name, group, number in zip(
                table.categories, table.groups, table.videos.tolist(), strict=True
            )
        ],
        mode="markers",
        marker={
            "symbol": ["square" if name == chosen else "square-open" for name in table.categories],
            "color": style.MODEL_A,
            "size": size,
            "line": {"width": 1.5},
        },
        cliponaxis=False,
        showlegend=False,
        hovertemplate="%{text}<br>Click to open it on the page Categories<extra></extra>",
    )


def colour_span(table: LayerTable) -> tuple[float, float]:
    """Values at both ends of the map's colour scale: the least and the greatest value, or plus and
    minus the greatest difference."""
    if table.is_difference:
        most = max(float(np.abs(table.value).max()), LEAST_CHANGE)
        return -most, most
    low, high = float(table.value.min()), float(table.value.max())
    if high - low < LEAST_SPAN:
        return (low + high - LEAST_SPAN) / 2, (low + high + LEAST_SPAN) / 2
    return low, high


def _add_panel_titles(figure: go.Figure, table: LayerTable, quantity: str, start: float) -> None:
    """The quantity and the stages above a panel of the map, and a line between two stages."""
    middle = start + (len(table.columns) - 1) / 2
    # Light lines stand out from Cividis on both pages; from differences, which fade into the page,
    # only grey ones do.
    colour = style.NEUTRAL if table.is_difference else style.LIGHT_PAGE
    _write_above(figure, f"<b>{plain(quantity)}</b>", middle, 18, 12)
    for stage, indices in stages_of(table.columns).items():
        _write_above(figure, plain(stage), start + (indices[0] + indices[-1]) / 2, 2, 10)
        if indices[0] > 0:
            _add_vertical_line(figure, start + indices[0] - 0.5, colour=colour)


def _write_above(figure: go.Figure, text: str, x: float, shift: int, size: int) -> None:
    """Text `shift` pixels above the plot."""
    figure.add_annotation(
        text=text, x=x, y=1, yref="paper", yanchor="bottom", yshift=shift, showarrow=False,
        font={"size": size},
    )


def _add_vertical_line(
    figure: go.Figure, x: float, *, colour: str = style.NEUTRAL, width: int = 1,
    dash: str = "solid",
) -> None:
    """A line over the whole height of the plot."""
    figure.add_shape(
        type="line", x0=x, x1=x, yref="paper", y0=0, y1=1,
        line={"color": colour, "width": width, "dash": dash},
    )


def _colour_axis(table: LayerTable) -> dict[str, object]:
    low, high = (table.scale * end for end in colour_span(table))
    return {
        "colorscale": style.DIVERGING if table.is_difference else style.SEQUENTIAL,
        "cmin": low,
        "cmax": high,
        "colorbar": {
            "orientation": "h",
            "title": {"text": table.axis_title, "side": "top"},
            "tickformat": table.tick_format,
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
