"""The frames a snippet saw, as pictures inside a figure."""

from __future__ import annotations

import base64
import struct
import zlib
from math import ceil, sqrt

import numpy as np
import plotly.graph_objects as go

from dsanet_core.records import Analysis, Array

BAND = 0.36
"""Share of the figure's height that the pictures take, above the scores."""


def add_frames(figure: go.Figure, analysis: Analysis) -> None:
    """Put each snippet's frames, in rows from its first to its last, over its place in time.

    The y axis gives up the upper `BAND` of the figure. Nothing happens without thumbnails.
    """
    if analysis.thumbnails.size == 0:
        return
    middle = (analysis.pts_seconds.min(1) + analysis.pts_seconds.max(1)) / 2
    apart = np.diff(middle)
    end = max(analysis.video.duration_seconds, float(analysis.pts_seconds.max()))
    width = float(apart[apart > 0].min()) if (apart > 0).any() else end / len(middle)
    for centre, frames in zip(middle, analysis.thumbnails, strict=True):
        figure.add_layout_image(
            source=_png_address(_grid(frames)),
            xref="x",
            yref="paper",
            x=float(centre),
            y=1,
            sizex=0.97 * width,
            sizey=BAND - 0.03,
            xanchor="center",
            yanchor="top",
            sizing="contain",
        )
    figure.update_yaxes(domain=[0, 1 - BAND])


def _grid(frames: Array) -> Array:
    """(T, h, w, 3) -> one picture, T frames row by row on a grid that is as square as can be."""
    count, height, width, _ = frames.shape
    columns = ceil(sqrt(count))
    rows = ceil(count / columns)
    sheet = np.full((rows * columns, height, width, 3), 127, np.uint8)
    sheet[:count] = frames
    sheet = sheet.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    return sheet.reshape(rows * height, columns * width, 3)


def _png_address(picture: Array) -> str:
    """(H, W, 3) uint8 as a data address. Plotly takes no arrays, and this floor has no codec."""
    height, width, _ = picture.shape
    no_filter = np.zeros((height, 1), np.uint8)
    rows = np.hstack([no_filter, picture.reshape(height, -1)]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
