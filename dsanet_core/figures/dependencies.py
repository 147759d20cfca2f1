"""SDA blocks for a video: dependency weights, gates, responses (SDA, section 4.5, Figure 5)."""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.images import (
    add_map,
    add_picture,
    colour_scale,
    crops_of_view,
    heading,
    image_grid,
    write_times,
)
from dsanet_core.figures.style import blank, block_label, plain, stage_and_place
from dsanet_core.records import Analysis, Array, Selection
from dsanet_core.text_format import percent

RESPONSE_PIXELS = 290
LEAST_CHANGE, LEAST_SPAN = 0.01, 0.02
"""Minimum extent of the scales of differences and gates, so that small values look small."""


def dependency_weights(analysis: Analysis, view: int = 0, chosen: str = "") -> go.Figure:
    """Weights of each dependency in every SDA block of a model, for one view.

    Upper chart: shares that sum to 1. Lower chart: points above or below equal shares, as in
    Figure 5 of SDA. The chosen block is framed. Raises ValueError without SDA blocks.
    """
    selections = analysis.selections
    if not selections:
        raise ValueError(f"{analysis.model.name} has no SDA blocks")
    names = list(dict.fromkeys(name for each in selections for name in each.dependencies))
    figure = blank(500)
    for name, (colour, symbol) in style.dependency_marks(names).items():
        rows = [
            (place, float(each.weights[view, column]), float(each.centred_weights[view, column]))
            for place, each in enumerate(selections)
            for column in [i for i, other in enumerate(each.dependencies) if other == name]
        ]
        places, weights, centred = zip(*rows, strict=True)
        labels = [plain(block_label(selections[place].block)) for place in places]
        hover = f"%{{customdata}}<br>{plain(name)}: "
        figure.add_bar(
            x=places,
            y=weights,
            customdata=labels,
            text=[percent(weight, 0) for weight in weights],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            marker={"color": colour},
            name=plain(name),
            legendgroup=name,
            showlegend=False,
            hovertemplate=f"{hover}%{{y:.1%}}<extra></extra>",
        )
        figure.add_scatter(
            x=places,
            y=[100 * value for value in centred],
            customdata=labels,
            yaxis="y2",
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"color": colour, "symbol": symbol, "size": 10},
            name=plain(name),
            legendgroup=name,
            hovertemplate=f"{hover}%{{y:+.1f}} points from equal shares<extra></extra>",
        )
    most = max(float(np.abs(each.centred_weights[view]).max()) for each in selections)
    figure.update_layout(
        barmode="stack",
        bargap=0.12,
        uniformtext={"mode": "hide", "minsize": 11},
        yaxis={"domain": [0.5, 1], "range": [0, 1], "tickformat": ".0%", "title": "Weight"},
        yaxis2={
            **figure.layout.yaxis.to_plotly_json(),
            "domain": [0, 0.44],
            "range": [-max(5, 115 * most), max(5, 115 * most)],
            "zerolinecolor": style.NEUTRAL,
            "zerolinewidth": 1,
            "title": "Points from<br>equal shares",
        },
        margin={"b": 52},
    )
    _name_blocks(figure, [each.block for each in selections], chosen)
    return figure


def gate_maps(analysis: Analysis, selection: Selection, view: int = 0) -> go.Figure:
    """Gate maps of a block for a view's frames: input frames, gate, gate under equal weights, and
    their difference.

    Both gates share one scale, from the lowest to the highest value in any view; the scale of the
    differences is centred at 0. Up to 8 frames per row, 16 if there are more than 16.
    """
    times = analysis.frames_of_view(analysis.pts_seconds, view)
    gate, average = (
        each[view].astype(np.float32) for each in (selection.gate, selection.average_gate)
    )
    rows: list[tuple[str, Array, str]] = [
        ("Gate: share that passes at each location", gate, "coloraxis"),
        ("Gate under equal weights", average, "coloraxis"),
        ("Difference: effect of selection", gate - average, "coloraxis2"),
    ]
    pictures = crops_of_view(analysis, view) if analysis.thumbnails.size else None
    columns = _columns(len(times))
    figure = image_grid(RESPONSE_PIXELS)
    top = 0.0
    for start in range(0, len(times), columns):
        part = range(start, min(start + columns, len(times)))
        if pictures is not None:
            top = heading(figure, top, "Input frames")
            for frame in part:
                add_picture(figure, pictures[frame], frame - start, top)
            top -= 1
        top = write_times(figure, top, [times[frame] for frame in part])
        for title, maps, scale in rows:
            top = heading(figure, top, title)
            for frame in part:
                hover = f"frame {frame + 1} · {times[frame]:.2f} s<br>%{{z:.3f}}<extra></extra>"
                add_map(figure, maps[frame], frame - start, top, scale, hover)
            top -= 1
        top -= 0.2
    gates = selection.gate, selection.average_gate
    low, high = (float(end) for end in (min(g.min() for g in gates), max(g.max() for g in gates)))
    if high - low < LEAST_SPAN:
        low, high = ((low + high + sign * LEAST_SPAN) / 2 for sign in (-1, 1))
    most = max(float(np.abs(gate - average).max()), LEAST_CHANGE)
    figure.update_layout(
        coloraxis=colour_scale(style.SEQUENTIAL, low, high, "Gate", 0.0),
        coloraxis2=colour_scale(style.DIVERGING, -most, most, "Difference", 0.54),
        xaxis={"range": [0, columns]},
        yaxis={"range": [top, 0]},
        height=round(-top * _pixels(columns) + 84),
    )
    return figure


def gate_over_time(analysis: Analysis, selection: Selection, view: int = 0) -> go.Figure:
    """Mean gate of each frame of a view, with the block's weights and with equal weights."""
    times = analysis.frames_of_view(analysis.pts_seconds, view)
    figure = blank(240)
    for name, gate, colour, symbol, dash in (
        ("selection", selection.gate, style.MODEL_A, "circle", "solid"),
        ("equal weights", selection.average_gate, style.MODEL_B, "square", "dot"),
    ):
        figure.add_scatter(
            x=times,
            y=gate[view].mean((1, 2), dtype=np.float64),
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 2, "dash": dash},
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertemplate=f"%{{x:.2f}} s<br>{name}: %{{y:.3f}}<extra></extra>",
        )
    figure.update_xaxes(title="Time (s)")
    figure.update_yaxes(title="Mean gate", nticks=5)
    return figure


def dependency_response(
    analysis: Analysis, selection: Selection, dependency: str, view: int = 0
) -> go.Figure:
    """Response of a dependency, averaged over channels, on its own grid.

    A number (LST), a map (LT), a curve over frames (LS), or a map per frame (S122); all responses
    of a block share one scale, from 0 to the largest in any view.
    """
    response = selection.responses[selection.dependencies.index(dependency)][view].astype(
        np.float32
    )
    most = max(float(each.max()) for each in selection.responses) or 1.0
    frames, height, width = response.shape
    if frames > 1 and height == width == 1:
        return _curve(analysis, selection, dependency, response[:, 0, 0], most, view)
    figure = image_grid(RESPONSE_PIXELS)
    columns = ceil(sqrt(frames))
    for place, values in enumerate(response):
        moment = _moment(analysis, view, place, frames)
        hover = f"{moment}%{{z:.3f}}<extra></extra>"
        add_map(figure, values, place % columns, -(place // columns), "coloraxis", hover)
    if response.size == 1:
        value = float(response[0, 0, 0])
        # Cividis is dark below its middle and light above.
        ink = style.LIGHT_PAGE if value < most / 2 else style.DARK_PAGE
        figure.add_annotation(
            text=f"{value:.3f}", x=0.5, y=-0.5, showarrow=False, font={"size": 26, "color": ink}
        )
    figure.update_layout(
        coloraxis=colour_scale(style.SEQUENTIAL, 0, most, "Response", 0.0) | {"showscale": True},
        xaxis={"range": [0, columns]},
        yaxis={"range": [-columns, 0]},
    )
    figure.layout.coloraxis.colorbar.len = 1
    return figure


def _curve(
    analysis: Analysis,
    selection: Selection,
    dependency: str,
    values: Array,
    most: float,
    view: int,
) -> go.Figure:
    """A response (t,) over the times of a view; a coarser grid is drawn at the middle times."""
    colour, symbol = style.dependency_marks(selection.dependencies)[dependency]
    times = analysis.frames_of_view(analysis.pts_seconds, view)
    middles = [part.mean() for part in np.array_split(times, len(values))]
    figure = blank(RESPONSE_PIXELS)
    figure.add_scatter(
        x=middles,
        y=values,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"color": colour, "symbol": symbol, "size": 8},
        showlegend=False,
        hovertemplate="%{x:.2f} s<br>%{y:.3f}<extra></extra>",
    )
    figure.update_xaxes(title="Time (s)", nticks=5)
    figure.update_yaxes(title="Response", range=[-0.04 * most, 1.04 * most], nticks=5)
    return figure


def _moment(analysis: Analysis, view: int, place: int, frames: int) -> str:
    """Time of a position on the time axis of a response."""
    if frames == 1:
        return "all frames<br>"
    times = analysis.frames_of_view(analysis.pts_seconds, view)
    middle = np.array_split(times, frames)[place].mean()
    return f"{middle:.2f} s<br>"


def _name_blocks(figure: go.Figure, blocks: list[str], chosen: str) -> None:
    """Ticks for the blocks, their stages below, and lines between stages."""
    stages = [stage_and_place(block) for block in blocks]
    ticks = [plain(blocks[i]) if stage is None else str(stage[1]) for i, stage in enumerate(stages)]
    names = ["" if stage is None else stage[0] for stage in stages]
    last = len(blocks) - 0.5
    figure.update_xaxes(
        tickvals=list(range(len(blocks))),
        ticktext=ticks,
        range=[-0.5, last],
        showgrid=False,
        zeroline=False,
        anchor="y2",
    )
    for name in filter(None, dict.fromkeys(names)):
        own = [place for place, other in enumerate(names) if other == name]
        figure.add_annotation(
            text=f"<b>{name}</b>",
            x=sum(own) / len(own),
            y=0,
            yref="paper",
            yshift=-26,
            yanchor="top",
            showarrow=False,
        )
        if own[0] > 0:
            figure.add_vline(own[0] - 0.5, line={"color": style.NEUTRAL, "width": 1})
    if chosen in blocks:
        place = blocks.index(chosen)
        figure.add_shape(
            x0=place - 0.48,
            x1=place + 0.48,
            y0=0,
            y1=1,
            yref="paper",
            line={"color": style.NEUTRAL, "width": 2, "dash": "dot"},
            fillcolor=style.GRID,
            layer="below",
        )


def _columns(frames: int) -> int:
    return 16 if frames > 16 else min(max(frames, 4), 8)


def _pixels(columns: int) -> int:
    """Side of a cell if the page is wide enough."""
    return 740 // max(columns, 7)
