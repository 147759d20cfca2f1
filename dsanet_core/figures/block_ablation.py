"""Block importance: the probability lost without each block, for a video and per class of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.style import blank, block_label, plain, shorten
from dsanet_core.records import Array, Effects, RunEffects
from dsanet_core.text_format import percent, points

LEAST_POINTS = 1.0
"""Minimum extent of the scales, in points of probability."""
_LETTERS, _LETTERS_AT_BAR = 38, 30
"""Maximum length of a class name beside its row, and beside a bar."""


def block_effects(
    effects: Effects, classes: Sequence[str], *, strongest_first: bool = False
) -> go.Figure:
    """Points of probability that the class loses with each block made neutral.

    Blocks in model order from top to bottom, or by decreasing drop. A bar is labelled with the new
    prediction if that changes.
    """
    order = np.arange(len(effects.blocks))
    if strongest_first:
        order = np.argsort(-effects.drop, kind="stable")
    lost = 100 * effects.drop[order]
    figure = blank(130 + 34 * len(order))
    hover = [
        f"{plain(effects.changes[place])}<br>{plain(classes[effects.category])}: "
        f"{percent(effects.before)} → {percent(float(effects.after[place]))}, "
        f"{points(float(effects.drop[place]))} lost<br>"
        f"prediction: {plain(classes[effects.answers[place]])}"
        for place in order
    ]
    texts = [
        "" if effects.answers[place] == effects.category
        else f"→ {plain(shorten(classes[effects.answers[place]], _LETTERS_AT_BAR))}"
        for place in order
    ]
    places = np.arange(len(order))
    for name, own, colour in (
        ("supports the class", lost >= 0, style.FOR),
        ("counts against the class", lost < 0, style.AGAINST),
    ):
        chosen = np.flatnonzero(own)
        figure.add_bar(
            x=lost[chosen],
            y=places[chosen],
            orientation="h",
            name=name,
            showlegend=True,
            marker={"color": colour},
            text=[texts[place] for place in chosen],
            textposition="outside",
            cliponaxis=False,
            customdata=[hover[place] for place in chosen],
            hovertemplate="%{customdata}<extra></extra>",
        )
    low, high = min(0.0, lost.min(initial=0)), max(LEAST_POINTS, lost.max(initial=0))
    # Room for the labels at the ends of bars.
    room = 0.5 * (high - low)
    labelled = {bool(lost[place] >= 0) for place in places if texts[place]}
    figure.update_xaxes(
        title="Points of probability lost without the block", zerolinecolor=style.NEUTRAL,
        range=[low - (room if False in labelled else 0), high + (room if True in labelled else 0)],
    )
    figure.update_yaxes(
        tickvals=places,
        ticktext=[plain(block_label(effects.blocks[place])) for place in order],
        range=[len(order) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )
    figure.update_layout(barmode="overlay")
    return figure


def effects_of_categories(
    effects: RunEffects, classes: Sequence[str], rows: Sequence[int], *, chosen: str = ""
) -> go.Figure:
    """Rows are classes, columns are blocks: points of the true class's probability lost with a
    block made neutral, averaged over the class's videos.

    rows: class indices in the order to draw; those without videos are left out. chosen: the class
    whose name is bold.
    """
    rows = [row for row in rows if effects.videos[row]]
    cell = 22 if len(rows) <= 30 else 14
    names = [plain(block_label(block)) for block in effects.blocks]
    lost = 100 * effects.drop[rows]
    figure = blank(max(160, cell * len(rows)) + 150)
    figure.add_heatmap(
        z=lost.astype(np.float32),
        x=list(range(len(names))),
        y=list(range(len(rows))),
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        customdata=_accuracies(effects, rows),
        text=[[f"{plain(classes[row])}<br>{name}" for name in names] for row in rows],
        hovertemplate="%{text}<br>%{z:+.1f} points lost on average over %{customdata[2]:.0f} videos"
        "<br>accuracy: %{customdata[0]:.1f}% → %{customdata[1]:.1f}%<extra></extra>",
    )
    most = max(LEAST_POINTS, float(np.abs(lost).max(initial=0)))
    figure.update_layout(
        coloraxis={
            "colorscale": style.DIVERGING, "cmin": -most, "cmax": most,
            "colorbar": {
                "orientation": "h", "len": 0.5, "thickness": 10, "nticks": 5, "x": 0,
                "xanchor": "left", "yref": "container", "y": 1, "yanchor": "top", "ypad": 2,
                "title": {"text": "Points of probability lost", "side": "top"},
            },
        },
        margin={"t": 64},
    )
    figure.update_xaxes(
        tickvals=list(range(len(names))), ticktext=names, showgrid=False, zeroline=False,
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[
            f"<b>{name}</b>" if classes[row] == chosen else name
            for row in rows for name in [plain(shorten(classes[row], _LETTERS))]
        ],
        tickfont={"size": 12 if cell > 14 else 10},
        range=[len(rows) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )
    return figure


def effects_of_blocks(effects: RunEffects) -> go.Figure:
    """One bar per block: points lost on average over all videos, each video counted once."""
    lost, *accuracies = (
        100 * effects.over_videos(values)
        for values in (effects.drop, effects.before, effects.after)
    )
    names = [plain(block_label(block)) for block in effects.blocks]
    figure = blank(300)
    figure.add_bar(
        x=list(range(len(names))),
        y=lost,
        width=0.6,
        marker={"color": [style.FOR if each >= 0 else style.AGAINST for each in lost]},
        customdata=[
            (plain(change), float(accuracies[0]), float(after))
            for change, after in zip(effects.changes, accuracies[1], strict=True)
        ],
        hovertemplate="%{customdata[0]}<br>%{y:+.1f} points lost on average"
        "<br>accuracy: %{customdata[1]:.1f}% → %{customdata[2]:.1f}%<extra></extra>",
    )
    reach = max(LEAST_POINTS, float(np.abs(lost).max(initial=0)))
    low = -1.1 * reach if (lost < 0).any() else 0
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=names, showgrid=False)
    figure.update_yaxes(
        title="Points of probability lost", range=[low, 1.1 * reach],
        zerolinecolor=style.NEUTRAL,
    )
    return figure


def _accuracies(effects: RunEffects, rows: Sequence[int]) -> Array:
    """(rows, blocks, 3): accuracy in % before and after, and the number of videos."""
    after = effects.after[rows]
    before = np.broadcast_to(effects.before[rows, None], after.shape)
    videos = np.broadcast_to(effects.videos[rows, None], after.shape)
    return np.stack([100 * before, 100 * after, videos], -1).astype(np.float32)
