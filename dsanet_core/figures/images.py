"""Images inside figures: a grid of pictures and maps, the frames of snippets, colour scales."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable
from math import ceil

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures.style import blank
from dsanet_core.records import Analysis, Array

FRAME_PIXELS = 64
"""Height of one frame if the figure is wide enough."""
SINGLE_PIXELS = 88
"""The same for snippets of a single frame, which form one row."""

STACK = 4
"""Maximum number of frames of a snippet in one column, in order of time."""
CELL = 0.94
"""Side of a map in a grid of unit squares."""


def image_grid(height: int) -> go.Figure:
    """A plane of unit squares, x to the right, y downwards from 0, for pictures and maps."""
    figure = blank(height)
    hidden = {"visible": False, "constrain": "domain", "fixedrange": True}
    figure.update_xaxes(hidden | {"constraintoward": "center"})
    figure.update_yaxes(hidden | {"constraintoward": "top", "scaleanchor": "x"})
    return figure


def heading(figure: go.Figure, top: float, text: str, *, left: float = 0) -> float:
    """A line of text above a row; returns the y at which the row begins."""
    figure.add_annotation(
        text=text, x=left, y=top - 0.14, xanchor="left", showarrow=False, font={"size": 13}
    )
    return top - 0.3


def write_times(figure: go.Figure, top: float, times: Iterable[float]) -> float:
    """The time of each frame below a row; returns the y at which the next row begins."""
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
    """A picture as a square; below: drawn under maps at the same position instead of over them."""
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
    figure: go.Figure, values: Array, column: float, top: float, scale: str, hover: str
) -> None:
    """A map (h, w) as a square, its first row on top."""
    height, width = values.shape
    figure.add_heatmap(
        z=values[::-1],
        x0=column + CELL / width / 2,
        dx=CELL / width,
        y0=top - CELL + CELL / height / 2,
        dy=CELL / height,
        coloraxis=scale,
        hovertemplate=hover,
    )


def colour_scale(
    colours: object, low: float, high: float, title: str, left: float
) -> dict[str, object]:
    """A colour scale with a colour bar below the figure; left: start as a share of its width."""
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


def add_frames(figure: go.Figure, analysis: Analysis) -> None:
    """Draw each snippet's frames above its time and enlarge the figure for them; no effect without
    thumbnails."""
    if analysis.thumbnails.size == 0:
        return
    middle = (analysis.pts_seconds.min(1) + analysis.pts_seconds.max(1)) / 2
    apart = np.diff(middle)
    end = max(analysis.video.duration_seconds, float(analysis.pts_seconds.max()))
    width = float(apart[apart > 0].min()) if (apart > 0).any() else end / len(middle)
    columns = ceil(analysis.thumbnails.shape[1] / STACK)
    rows = ceil(analysis.thumbnails.shape[1] / columns)
    pixels = SINGLE_PIXELS if analysis.thumbnails.shape[1] == 1 else rows * FRAME_PIXELS
    height = figure.layout.height + pixels
    band = pixels / height
    for centre, frames in zip(middle, analysis.thumbnails, strict=True):
        figure.add_layout_image(
            source=png_address(_grid(frames, columns)),
            xref="x",
            yref="paper",
            x=float(centre),
            y=1 - band,
            sizex=0.96 * width,
            sizey=band,
            xanchor="center",
            yanchor="bottom",
            sizing="contain",
        )
    figure.update_layout(height=height)
    figure.update_yaxes(domain=[0, 0.98 - band])


def crops_of_view(analysis: Analysis, view: int) -> Array:
    """(T, side, side, 3): the part of each thumbnail inside a view's crop, in the view's order."""
    frames = analysis.frames_of_view(analysis.thumbnails, view)
    protocol = analysis.protocol
    height, width = frames.shape[1:3]
    side = max(1, round(min(height, width) * protocol.crop / protocol.resize))
    part = view // protocol.num_groups / 2 if protocol.num_crops == 3 else 0.5
    down, across = (0.5, part) if width >= height else (part, 0.5)
    top, left = int((height - side) * down), int((width - side) * across)
    return np.asarray(frames[:, top : top + side, left : left + side])


def _grid(frames: Array, columns: int) -> Array:
    """(T, h, w, 3) -> one picture, the frames row by row."""
    count, height, width, _ = frames.shape
    rows = ceil(count / columns)
    sheet = np.full((rows * columns, height, width, 3), 127, np.uint8)
    sheet[:count] = frames
    sheet = sheet.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    return sheet.reshape(rows * height, columns * width, 3)


def png_address(picture: Array) -> str:
    """(H, W, 3) uint8 as a data URL: Plotly takes no arrays, and figures import no codec."""
    height, width, _ = picture.shape
    no_filter = np.zeros((height, 1), np.uint8)
    rows = np.hstack([no_filter, picture.reshape(height, -1)]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
