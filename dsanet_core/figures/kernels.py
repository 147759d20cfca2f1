"""Dynamic kernels of DSA blocks (DSANet, Eq. 2): per channel the weights of the previous, the same
and the next snippet."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.style import blank, plain
from dsanet_core.records import Analysis, Kernel


def tap_names(taps: int) -> list[str]:
    """Names of the taps of a kernel by the offset of their snippet."""
    names: dict[float, str] = {-1: "previous snippet", 0: "same snippet", 1: "next snippet"}
    offsets = [tap - (taps - 1) / 2 for tap in range(taps)]
    return [names.get(offset, f"snippet {offset:+g}") for offset in offsets]


def kernel_heatmap(kernel: Kernel, view: int = 0) -> go.Figure:
    """Taps x channels of one view's kernel, on a fixed scale from 0 to 1."""
    taps = kernel.values.shape[-1]
    figure = blank(120 + 46 * taps)
    figure.add_heatmap(
        z=kernel.values[view].T,
        y=tap_names(taps),
        zmin=0,
        zmax=1,
        colorscale=style.SEQUENTIAL,
        colorbar={"title": "Weight", "thickness": 12},
        xgap=1,
        ygap=2,
        hovertemplate="channel %{x} · %{y}<br>weight %{z:.3f}"
        f" (averaging: {1 / taps:.3f})<extra></extra>",
    )
    figure.update_xaxes(title=f"Aggregated channel (of {kernel.channels_total})", showgrid=False)
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return figure


def kernel_ternary(kernel: Kernel) -> go.Figure:
    """The three taps of each channel on their simplex, one series per view.

    The top corner is the identity (a channel keeps its own snippet), the centre is averaging.
    Raises ValueError unless the kernel has 3 taps.
    """
    if kernel.values.shape[-1] != 3:
        raise ValueError(f"kernel of {kernel.values.shape[-1]} taps; a simplex shows 3")
    figure = blank(440)
    views = len(kernel.values)
    for view, values in enumerate(kernel.values):
        previous, same, following = values.T
        order = view % len(style.CATEGORICAL)
        figure.add_scatterternary(
            a=same,
            b=previous,
            c=following,
            mode="markers",
            name=f"view {view + 1} of {views}",
            marker={
                "color": style.CATEGORICAL[order],
                "symbol": style.SYMBOLS[order],
                "size": 8,
                "opacity": 0.75,
            },
            customdata=np.arange(len(values)),
            hovertemplate="channel %{customdata}<br>previous %{b:.3f} · same %{a:.3f} · "
            "next %{c:.3f}<extra></extra>",
        )
    figure.add_scatterternary(
        a=[1, 1 / 3],
        b=[0, 1 / 3],
        c=[0, 1 / 3],
        mode="markers+text",
        text=["identity", "averaging"],
        textposition=["middle right", "top right"],
        marker={"symbol": "x-thin", "size": 11, "line": {"width": 2, "color": style.NEUTRAL}},
        cliponaxis=False,
        showlegend=False,
        hovertemplate="%{text}<extra></extra>",
    )
    corner = {
        "gridcolor": style.GRID,
        "linecolor": style.NEUTRAL,
        "tickvals": [0.2, 0.4, 0.6, 0.8],
    }
    figure.update_layout(
        margin={"l": 60, "r": 60, "t": 40, "b": 40},
        ternary={
            "sum": 1,
            "bgcolor": style.TRANSPARENT,
            "aaxis": {"title": {"text": "Same"}, **corner},
            "baxis": {"title": {"text": "Previous"}, **corner},
            "caxis": {"title": {"text": "Next"}, **corner},
        },
    )
    return figure


def kernel_distances(analysis: Analysis) -> go.Figure:
    """Distance of each block's kernels from the identity and from averaging.

    Mean total-variation distance over views and channels, 0 (equal) to 1. Raises ValueError for a
    model without DSA blocks.
    """
    if not analysis.kernels:
        raise ValueError(f"{analysis.model.name} has no DSA blocks")
    blocks = [plain(kernel.block) for kernel in analysis.kernels]
    figure = blank(110 + 56 * len(blocks))
    # Not the colours of two models: no models are compared here.
    identity, average = style.CATEGORICAL[2:4]
    for name, colour, distances in (
        ("to identity", identity, [k.distance_to_identity for k in analysis.kernels]),
        ("to averaging", average, [k.distance_to_average for k in analysis.kernels]),
    ):
        figure.add_bar(
            x=distances,
            y=blocks,
            orientation="h",
            name=name,
            marker={"color": colour},
            hovertemplate=f"%{{y}}<br>{name}: %{{x:.3f}}<extra></extra>",
        )
    figure.update_xaxes(title="Mean total-variation distance", range=[0, 1])
    figure.update_yaxes(autorange="reversed", type="category")
    return figure
