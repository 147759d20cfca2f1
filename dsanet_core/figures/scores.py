"""What a network says of a video: per snippet along the time, and for the whole video."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from dsanet_core.figures import palette
from dsanet_core.figures.frames import add_frames
from dsanet_core.figures.style import blank, plain, wrap
from dsanet_core.records import Analysis
from dsanet_core.text_format import percent, seconds_range


def snippet_timeline(analysis: Analysis, class_indices: Sequence[int]) -> go.Figure:
    """Probability of chosen categories per snippet, over the time each snippet saw.

    A marker stands at the middle of a snippet, its bar spans the first to the last frame seen (a
    single frame has none); the dotted line is the video's score. Two traces per category: snippets,
    then video. Above stand the frames of each snippet.
    """
    first, last = analysis.pts_seconds.min(1), analysis.pts_seconds.max(1)
    end = max(analysis.video.duration_seconds, float(last.max()))
    word = analysis.protocol.snippet_word
    figure = blank(320)
    for order, index in enumerate(class_indices):
        colour = palette.CATEGORICAL[order % len(palette.CATEGORICAL)]
        symbol = palette.SYMBOLS[order % len(palette.SYMBOLS)]
        name = analysis.model.classes[index]
        figure.add_scatter(
            x=(first + last) / 2,
            y=analysis.snippet_scores[:, index],
            error_x={"array": (last - first) / 2, "thickness": 3, "width": 0, "color": colour},
            mode="lines+markers",
            name=wrap(name, 60),
            legendgroup=str(index),
            marker={"symbol": symbol, "size": 10, "color": colour},
            line={"color": colour, "width": 1},
            customdata=[
                f"{word} {place} · {seconds_range(*span)}"
                for place, span in enumerate(zip(first, last, strict=True), 1)
            ],
            hovertemplate=f"%{{customdata}}<br>{plain(name)}: %{{y:.1%}}<extra></extra>",
        )
        score = float(analysis.video_scores[index])
        figure.add_scatter(
            x=[0.0, end],
            y=[score, score],
            mode="lines",
            name="video",
            legendgroup=str(index),
            showlegend=False,
            line={"color": colour, "width": 2, "dash": "dot"},
            hovertemplate=f"whole video<br>{plain(name)}: {percent(score)}<extra></extra>",
        )
    figure.update_xaxes(title="Time (s)", range=[0, end])
    figure.update_yaxes(title="Probability", range=[-0.03, 1.03], tickformat=".0%")
    add_frames(figure, analysis)
    return figure


def top_bars(analysis: Analysis, k: int = 5) -> go.Figure:
    """The k most probable categories of the video, best on top."""
    best = analysis.top(k)
    figure = blank(40 + 44 * len(best))
    figure.add_bar(
        x=[score for _, score in best],
        y=list(range(len(best))),
        orientation="h",
        text=[percent(score) for _, score in best],
        textposition="auto",
        marker={"color": palette.MODEL_A},
        customdata=[plain(name) for name, _ in best],
        hovertemplate="%{customdata}: %{x:.2%}<extra></extra>",
    )
    figure.update_xaxes(title="Probability", range=[0, 1.02], dtick=0.25, tickformat=".0%")
    # Places are numbers: two categories of the same name would share one bar.
    figure.update_yaxes(
        autorange="reversed",
        tickvals=list(range(len(best))),
        ticktext=[wrap(name, 36) for name, _ in best],
        showgrid=False,
        zeroline=False,
    )
    return figure
