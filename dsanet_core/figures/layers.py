"""Quantities of every block for every category: SDA's weights (SDA, Figure 5), DSA's kernels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import palette
from dsanet_core.figures.layer_table import LayerTable, group_spans, stages_of
from dsanet_core.figures.style import blank, plain, shorten, stage_and_place
from dsanet_core.records import Array

NAMED = 45
"""Up to so many categories are named along an axis of curves; more would not fit."""
MARKED = 60
"""Up to so many, a symbol stands at every category; more would hide the curves."""
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_LEAST_CHANGE, _LEAST_SPAN = 0.01, 0.02
"""Colour scales reach at least so far: what is small shall look so."""
_LETTERS = 38
"""Of a category's name beside its row."""
_TOP = 100


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
            y=_drawn(table)[0, :, place],
            error_y=None if table.spread is None else {
                "type": "data", "array": table.spread[0, :, place], "thickness": 1.2, "width": 0,
            },
            customdata=_detail(table, place)[0],
            text=[plain(column_name(column)) for column in table.columns],
            mode="lines+markers",
            name=plain(name),
            line={"color": colour, "width": 2},
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertemplate=f"%{{text}}<br>{_said(table, name, 'y')}<extra></extra>",
        )
    _add_neutral(figure, table, ["y"])
    figure.update_xaxes(
        tickvals=list(range(columns)),
        ticktext=[plain(_place_name(column)) for column in table.columns],
        range=[-0.5, columns - 0.5],
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(title=_axis_title(table), tickformat=_tick_format(table), nticks=6)
    figure.update_layout(margin={"b": 48})
    for stage, first, last in _stage_spans(table.columns):
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
    drawn, deviation = _drawn(table), table.spread if spread else None
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
                customdata=_detail(table, place)[:, row],
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
                hovertemplate=f"{_said(table, name, 'y')}<extra></extra>",
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
            z=_drawn(table)[:, :, place].astype(np.float32),
            x0=start,
            dx=1,
            y0=0,
            dy=1,
            customdata=_detail(table, place),
            coloraxis="coloraxis",
            name=plain(quantity),
            hovertemplate=f"%{{y}}<br>%{{x}}<br>{_said(table, quantity, 'z')}<extra></extra>",
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


def column_name(column: str) -> str:
    """layer2.1.sda -> "res3, block 2"; a stage and any other name as it is."""
    stage = stage_and_place(column)
    return column if stage is None else f"{stage[0]}, block {stage[1]}"


def colour_span(table: LayerTable) -> tuple[float, float]:
    """What the ends of the colour scale stand for: the least and the greatest value, or the
    greatest difference on both sides of 0."""
    if table.is_difference:
        most = max(float(np.abs(table.value).max()), _LEAST_CHANGE)
        return -most, most
    low, high = float(table.value.min()), float(table.value.max())
    if high - low < _LEAST_SPAN:
        return (low + high - _LEAST_SPAN) / 2, (low + high + _LEAST_SPAN) / 2
    return low, high


def _axis(row: int) -> str:
    return "y" if row == 0 else f"y{row + 1}"


def _place_name(column: str) -> str:
    stage = stage_and_place(column)
    return "" if stage is None else str(stage[1])


def _stage_spans(columns: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    """Stage, its first and its last column."""
    for stage, places in stages_of(columns).items():
        yield stage, places[0], places[-1]


def _axis_title(table: LayerTable) -> str:
    if table.is_difference:
        return "Difference (points)" if table.is_share else "Difference"
    return "Weight" if table.is_share else "Distance"


def _tick_format(table: LayerTable) -> str:
    return ".0%" if table.is_share and not table.is_difference else ""


def _drawn(table: LayerTable) -> Array:
    """The values on the axes: differences of shares in points, all else as it is."""
    return table.value * _unit(table)


def _unit(table: LayerTable) -> float:
    return 100.0 if table.is_share and table.is_difference else 1.0


def _detail(table: LayerTable, place: int) -> Array:
    """(categories, columns, 1 or 2): what a hover text adds, in points where weights are: the
    standard deviation, or the values of both runs."""
    terms = (table.spread,) if table.terms is None else table.terms
    scale = 100 if table.is_share else 1
    parts = [scale * term[:, :, place] for term in terms if term is not None]
    return np.stack(parts, -1).astype(np.float32)


def _said(table: LayerTable, name: str, axis: str) -> str:
    """The hover text of one value."""
    name = plain(name)
    if not table.is_difference:
        if table.is_share:
            return f"{name}: %{{{axis}:.1%}} ± %{{customdata[0]:.1f}} points"
        return f"{name}: %{{{axis}:.3f}} ± %{{customdata[0]:.3f}}"
    if table.is_share:
        both = "%{customdata[0]:.1f} % against %{customdata[1]:.1f} %"
        return f"{name}: %{{{axis}:+.1f}} points, {both}"
    both = "%{customdata[0]:.3f} against %{customdata[1]:.3f}"
    return f"{name}: %{{{axis}:+.3f}}, {both}"


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
    pad = 0.06 * max(high - low, _LEAST_CHANGE)
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
            "tickformat": _tick_format(table),
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


def _head_panel(figure: go.Figure, table: LayerTable, quantity: str, start: float) -> None:
    """A panel's quantity and stages above it, and a line between two stages."""
    middle = start + (len(table.columns) - 1) / 2
    # Light lines stand out from Cividis on both pages; from differences, which fade into the page,
    # only grey ones do.
    between = palette.NEUTRAL if table.is_difference else palette.LIGHT_PAGE
    _write_above(figure, f"<b>{plain(quantity)}</b>", middle, 18, 12)
    for stage, first, last in _stage_spans(table.columns):
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
    low, high = (_unit(table) * end for end in colour_span(table))
    return {
        "colorscale": palette.DIVERGING if table.is_difference else palette.SEQUENTIAL,
        "cmin": low,
        "cmax": high,
        "colorbar": {
            "orientation": "h",
            "title": {"text": _axis_title(table), "side": "top"},
            "tickformat": _tick_format(table),
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
