"""A plane of unit squares for pictures and maps of frames, and colour scales below it."""

from __future__ import annotations

from collections.abc import Iterable

import plotly.graph_objects as go

from dsanet_core.figures.frames import png_address
from dsanet_core.figures.style import blank
from dsanet_core.records import Array

CELL = 0.94
"""Side of a map, where the next one begins at 1."""


def board(height: int) -> go.Figure:
    """A plane of unit squares, x to the right, y downwards from 0, for pictures and maps."""
    figure = blank(height)
    hidden = {"visible": False, "constrain": "domain", "fixedrange": True}
    figure.update_xaxes(hidden | {"constraintoward": "center"})
    figure.update_yaxes(hidden | {"constraintoward": "top", "scaleanchor": "x"})
    return figure


def heading(figure: go.Figure, top: float, text: str, *, left: float = 0) -> float:
    """A line of text above a row; the height where the row begins."""
    figure.add_annotation(
        text=text, x=left, y=top - 0.14, xanchor="left", showarrow=False, font={"size": 13}
    )
    return top - 0.3


def write_times(figure: go.Figure, top: float, times: Iterable[float]) -> float:
    """When each frame of a row was, below it; the height where the next row begins."""
    for column, seconds in enumerate(times):
        figure.add_annotation(
            text=f"{seconds:.1f} s",
            x=column + CELL / 2,
            y=top - 0.1,
            showarrow=False,
            font={"size": 11},
        )
    return top - 0.22


def add_picture(
    figure: go.Figure, picture: Array, column: float, top: float, *, below: bool = False
) -> None:
    """A picture as a square. below: under the maps in the same place, in place of above them."""
    figure.add_layout_image(
        source=png_address(picture),
        xref="x",
        yref="y",
        x=column,
        y=top,
        sizex=CELL,
        sizey=CELL,
        sizing="stretch",
        layer="below" if below else "above",
    )


def add_map(
    figure: go.Figure, values: Array, column: float, top: float, scale: str, said: str
) -> None:
    """A map (h, w) as a square: its first row on top, though y grows upwards."""
    height, width = values.shape
    figure.add_heatmap(
        z=values[::-1],
        x0=column + CELL / width / 2,
        dx=CELL / width,
        y0=top - CELL + CELL / height / 2,
        dy=CELL / height,
        coloraxis=scale,
        hovertemplate=said,
    )


def colour_scale(
    colours: object, low: float, high: float, title: str, left: float
) -> dict[str, object]:
    """A colour scale with its bar below the figure, from `left` of its width on."""
    bar = {
        "orientation": "h",
        "title": {"text": title, "side": "top"},
        "x": left,
        "xanchor": "left",
        "y": 0,
        "yanchor": "top",
        "len": 0.46,
        "thickness": 10,
        "nticks": 5,
    }
    return {"colorscale": colours, "cmin": low, "cmax": high, "colorbar": bar}
