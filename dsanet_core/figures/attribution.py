"""Attributions: heat maps of frames, contributions over time, insertion and deletion curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.images import (
    add_frames,
    add_map,
    add_picture,
    colour_scale,
    crops_of_view,
    heading,
    image_grid,
    write_times,
)
from dsanet_core.figures.style import blank, plain
from dsanet_core.records import Analysis, Array, Attribution, Faithfulness
from dsanet_core.text_format import percent, seconds_range, signed

CELLS = 16
"""Maximum grid size of a shown map per side: finer maps look like noise."""
LEAST_HEAT, LEAST_SHARE = 1e-4, 0.01
"""Minimum extent of the scales, so that small values look small."""
HEAT_UNIT = "Logit per 1% of the image"
_FRAME_PIXELS = 400


def heat(attribution: Attribution, crop: int = 0) -> Array:
    """(snippets, frames, h, w) logits per 1% of a frame's area for one crop; h, w <= `CELLS`.

    Densities, so that methods and models with different grids share a scale. A frame's mean times
    100 is its contribution to the explained logit, summed over crops `Attribution.per_frame`.
    """
    protocol, sampling = attribution.protocol, attribution.protocol.sampling
    own = slice(crop * protocol.num_groups, (crop + 1) * protocol.num_groups)
    maps = _coarse(attribution.maps[own].astype(np.float64))          # (groups, frames, h, w)
    maps = maps.reshape(len(maps), protocol.group_size, sampling.frames_per_snippet,
                        *maps.shape[2:])
    found = np.zeros((sampling.num_snippets, *maps.shape[2:]))
    found[protocol.snippet_of_view[own]] = maps
    # At video level the logit is a mean over the groups, each of which sees its own snippets.
    explained = protocol.num_groups if attribution.snippet is None else 1
    return np.asarray(found / explained)


def heat_limit(attributions: Sequence[Attribution]) -> float:
    """End of the shared heat scale, on both sides of 0: the 99.5th percentile of all absolute
    values, so that single peaks do not make the rest pale, but at least a quarter of the peak."""
    values = np.concatenate([
        np.abs(heat(each, crop)).ravel()
        for each in attributions for crop in range(each.protocol.num_crops)
    ])
    return max(LEAST_HEAT, float(np.quantile(values, 0.995)), float(values.max()) / 4)


def heat_strip(
    analysis: Analysis,
    attribution: Attribution,
    *,
    most: float,
    crop: int = 0,
    columns: int = 8,
) -> go.Figure:
    """Heat maps over all frames used, snippet by snippet; 0 is transparent.

    most: end of the heat scale (`heat_limit`). crop: crop index. columns: frames per row.
    """
    maps, pictures = heat(attribution, crop), _pictures(analysis, crop)
    snippets, frames = maps.shape[:2]
    figure = image_grid(_FRAME_PIXELS)
    per_line = max(1, columns // frames) if frames <= columns else 1
    top = 0.0
    for start in range(0, snippets, per_line):
        members = range(start, min(start + per_line, snippets))
        if frames > 1:
            for place, snippet in enumerate(members):
                share = float(attribution.per_snippet[snippet])
                title = f"Snippet {snippet + 1}: {_logit(share)}"
                bottom = heading(figure, top, title, left=place * frames)
            top = bottom
        cells = [(snippet, frame) for snippet in members for frame in range(frames)]
        for line in range(0, len(cells), columns):
            part = cells[line : line + columns]
            for column, cell in enumerate(part):
                if pictures is not None:
                    add_picture(figure, _grey(pictures[cell]), column, top, below=True)
                hover = _hover_text(analysis, attribution, *cell)
                add_map(figure, maps[cell].astype(np.float32), column, top, "coloraxis", hover)
            top = write_times(figure, top - 1, [analysis.pts_seconds[cell] for cell in part])
        top -= 0.12
    figure.update_layout(
        coloraxis=_heat_scale(most),
        xaxis={"range": [0, columns]},
        yaxis={"range": [top, 0]},
        height=round(-top * (740 if columns > 4 else 360) / columns + 84),
    )
    return figure


def heat_frame(
    analysis: Analysis,
    attribution: Attribution,
    snippet: int,
    frame: int,
    *,
    most: float,
    crop: int = 0,
) -> go.Figure:
    """One frame as the model's input, and the same frame with its heat map."""
    values = heat(attribution, crop)[snippet, frame].astype(np.float32)
    pictures = _pictures(analysis, crop)
    figure = image_grid(_FRAME_PIXELS)
    if pictures is not None:
        add_picture(figure, pictures[snippet, frame], 0, 0)
        add_picture(figure, _grey(pictures[snippet, frame]), 1, 0, below=True)
    add_map(figure, values, 1, 0, "coloraxis", _hover_text(analysis, attribution, snippet, frame))
    figure.update_layout(
        coloraxis=_heat_scale(most), xaxis={"range": [0, 2]}, yaxis={"range": [-1, 0]},
    )
    return figure


def importance(
    analysis: Analysis, attribution: Attribution, *, span: tuple[float, float] = (0, 0)
) -> go.Figure:
    """Contribution of each snippet to the explained logit over time, and of each video frame.

    The contributions of a video frame are summed over the snippets that contain it. span: range
    that the snippets' axis covers at least, to share its scale with another figure.
    """
    shares, frames = attribution.per_snippet, attribution.per_frame
    first, last = analysis.pts_seconds.min(1), analysis.pts_seconds.max(1)
    middle = (first + last) / 2
    word = analysis.protocol.snippet_word
    end = max(analysis.video.duration_seconds, float(last.max()))
    figure = blank(240 if frames.shape[1] == 1 else 400)
    texts = [
        f"{word} {place} · {seconds_range(*span)}<br>{_logit(share)}{_part(share, attribution)}"
        for place, (span, share) in enumerate(
            zip(zip(first, last, strict=True), shares, strict=True), 1
        )
    ]
    _signed_bars(figure, middle, shares, texts, 0.8 * _least_gap(middle, end), legend=True)
    add_frames(figure, analysis)
    top = (figure.layout.yaxis.domain or (0, 1))[1]
    figure.update_yaxes(title=f"{word.capitalize()}s<br>(logit)", zerolinecolor=style.NEUTRAL,
                        nticks=6)  # fmt: skip
    figure.update_xaxes(title="Time (s)", range=[0, end])
    low, high = min(0.0, shares.min(), span[0]), max(0.0, shares.max(), span[1])
    room = 0.08 * max(high - low, LEAST_SHARE)
    figure.layout.yaxis.range = [low - room, high + room]
    figure.update_layout(legend={"y": 1.0, "yanchor": "bottom"}, barmode="overlay")
    if frames.shape[1] > 1:
        times, sums, frame_texts = _per_video_frame(analysis, attribution)
        _signed_bars(
            figure, times, sums, frame_texts, 0.7 * _least_gap(times, end), yaxis="y2", legend=False
        )
        figure.layout.yaxis.domain = [0.5 * top, top]
        figure.update_layout(
            xaxis={"anchor": "y2"},
            yaxis2={**figure.layout.yaxis.to_plotly_json(), "domain": [0, 0.42 * top],
                    "range": None, "title": {"text": "Frames<br>(logit)"}},
        )  # fmt: skip
    return figure


def insertion_deletion(faithfulness: Faithfulness) -> go.Figure:
    """Probability of the class while parts are inserted or deleted, most important first; bands
    range from the lowest to the highest random order."""
    figure = blank(340)
    shares = 100 * faithfulness.shares
    insertion, deletion = style.CATEGORICAL[2:4]
    for name, curve, others, colour, dash in (
        ("insertion", faithfulness.insertion, faithfulness.random_insertion, insertion, "solid"),
        ("deletion", faithfulness.deletion, faithfulness.random_deletion, deletion, "dash"),
    ):
        low, high = others.min(0), others.max(0)
        figure.add_scatter(
            x=[*shares, *shares[::-1]],
            y=[*high, *low[::-1]],
            fill="toself",
            fillcolor=style.faded(colour, 0.22),
            line={"width": 0},
            name=f"{name}, {len(others)} random orders",
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=shares,
            y=curve,
            customdata=others.mean(0),
            mode="lines+markers",
            marker={"symbol": "circle" if dash == "solid" else "square", "size": 6},
            line={"color": colour, "width": 2, "dash": dash},
            name=name,
            hovertemplate=f"{name}: %{{x:.0f}}% of {plain(faithfulness.parts)}<br>"
            "probability %{y:.1%}, mean of random orders %{customdata:.1%}<extra></extra>",
        )
    figure.update_xaxes(title=f"Share of {plain(faithfulness.parts)} (%)", range=[-2, 102])
    figure.update_yaxes(title="Probability", range=[-0.03, 1.03], tickformat=".0%")
    return figure


def _coarse(maps: Array) -> Array:
    """(..., h, w) logits -> logits per 1% of the area on a grid of at most `CELLS` per side."""
    height, width = maps.shape[-2:]
    dense = maps * (height * width / 100)
    for axis, size in ((-2, height), (-1, width)):
        edges = np.linspace(0, size, min(size, CELLS) + 1).astype(int)
        counts = np.diff(edges)
        dense = np.add.reduceat(dense, edges[:-1], axis=axis)
        dense /= counts[:, None] if axis == -2 else counts
    return np.asarray(dense)


def _pictures(analysis: Analysis, crop: int) -> Array | None:
    """(snippets, frames, side, side, 3): the part of each thumbnail inside a crop."""
    if analysis.thumbnails.size == 0:
        return None
    protocol = analysis.protocol
    views = range(crop * protocol.num_groups, (crop + 1) * protocol.num_groups)
    crops = np.stack([crops_of_view(analysis, view) for view in views])
    shape = (protocol.num_groups, protocol.group_size, protocol.sampling.frames_per_snippet)
    found = np.zeros((protocol.sampling.num_snippets, shape[2], *crops.shape[2:]), np.uint8)
    found[protocol.snippet_of_view[views]] = crops.reshape(*shape, *crops.shape[2:])
    return found


def _grey(picture: Array) -> Array:
    """Grey and half contrast, so that the colours of the heat map stand out."""
    luma = picture @ np.array([0.299, 0.587, 0.114])
    return np.repeat((64 + luma[..., None] / 2).astype(np.uint8), 3, -1)


def _hover_text(analysis: Analysis, attribution: Attribution, snippet: int, frame: int) -> str:
    share = float(attribution.per_frame[snippet, frame])
    word = analysis.protocol.snippet_word
    place = f"{word} {snippet + 1}"
    if word == "snippet":
        place += f", frame {frame + 1}"
    return (
        f"{place} · {analysis.pts_seconds[snippet, frame]:.2f} s<br>"
        f"%{{z:+.4f}} logit per 1% of the image<br>"
        f"whole frame: {_logit(share)}<extra></extra>"
    )


def _per_video_frame(
    analysis: Analysis, attribution: Attribution
) -> tuple[Array, Array, list[str]]:
    """Times, contributions and hover texts of the distinct video frames, in order of time."""
    index, place = np.unique(analysis.frame_index, return_inverse=True)
    place = place.reshape(analysis.frame_index.shape)
    sums = np.bincount(place.ravel(), attribution.per_frame.ravel(), len(index))
    times = np.zeros(len(index))
    times[place] = analysis.pts_seconds
    texts = []
    for row, seconds in enumerate(times):
        members = [str(snippet + 1) for snippet in np.flatnonzero((place == row).any(1))]
        word = "snippet" if len(members) == 1 else "snippets"
        texts.append(f"{seconds:.2f} s · in {word} {', '.join(members)}<br>{_logit(sums[row])}")
    return times, np.asarray(sums), texts


def _signed_bars(
    figure: go.Figure,
    x: Array,
    y: Array,
    texts: list[str],
    width: float,
    *,
    legend: bool,
    yaxis: str = "y",
) -> None:
    """Bars upwards for support of the class and downwards against it, in their colours."""
    for name, own, colour in (
        ("supports the class", y >= 0, style.FOR),
        ("counts against the class", y < 0, style.AGAINST),
    ):
        chosen = np.flatnonzero(own)
        figure.add_bar(
            x=x[chosen],
            y=y[chosen],
            width=width,
            yaxis=yaxis,
            name=name,
            legendgroup=name,
            showlegend=legend,
            marker={"color": colour},
            customdata=[texts[place] for place in chosen],
            hovertemplate="%{customdata}<extra></extra>",
        )


def _least_gap(x: Array, end: float) -> float:
    """Smallest distance between two neighbours."""
    apart = np.diff(np.sort(x))
    return float(apart[apart > 0].min()) if (apart > 0).any() else end / max(len(x), 1)


def _part(share: float, attribution: Attribution) -> str:
    """A contribution as a percentage of the explained difference."""
    difference = attribution.score - attribution.baseline_score
    if abs(difference) < LEAST_SHARE:
        return ""
    return f", {percent(share / difference, 0)} of the difference from the baseline"


def _logit(value: float) -> str:
    return f"{signed(value)} logit"


def _heat_scale(most: float) -> dict[str, object]:
    scale = colour_scale(style.HEAT, -most, most, f"{HEAT_UNIT}, blue for, orange against", 0.0)
    bar = scale["colorbar"]
    assert isinstance(bar, dict)
    bar["len"] = 0.94
    return scale
