"""Scores of snippets and of the video: of one model, and of two side by side (DSANet, Figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.images import add_frames
from dsanet_core.figures.style import blank, plain, same_frames, snippet_word, wrap
from dsanet_core.records import Analysis, Array
from dsanet_core.text_format import percent, seconds_range

_INCORRECT, _UNKNOWN, _CORRECT = 0, 1, 2

_LEAST_PIXELS, _MOST_PIXELS = 42, 1000
"""Height of the shortest cell, and of all together, if cells are drawn over time."""
_CELLS: dict[str, Any] = {
    "zmin": _INCORRECT,
    "zmax": _CORRECT,
    "colorscale": [[0, style.WRONG], [0.5, style.NEUTRAL], [1, style.RIGHT]],
    "showscale": False,
    "xgap": 6,
    "ygap": 3,
}


def snippet_timeline(analysis: Analysis, class_indices: Sequence[int]) -> go.Figure:
    """Probability of the given classes per snippet over time, below the frames of each snippet.

    A marker is drawn at the middle of a snippet and a bar from its first to its last frame (none
    for a single frame); the dotted line is the video's score. Two traces per class: snippets, then
    video.
    """
    first, last = analysis.pts_seconds.min(1), analysis.pts_seconds.max(1)
    end = max(analysis.video.duration_seconds, float(last.max()))
    word = analysis.protocol.snippet_word
    figure = blank(320)
    for order, index in enumerate(class_indices):
        colour = style.CATEGORICAL[order % len(style.CATEGORICAL)]
        symbol = style.SYMBOLS[order % len(style.SYMBOLS)]
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
    """The k most probable classes of the video, best on top."""
    best = analysis.top(k)
    figure = blank(40 + 44 * len(best))
    figure.add_bar(
        x=[score for _, score in best],
        y=list(range(len(best))),
        orientation="h",
        text=[percent(score) for _, score in best],
        textposition="auto",
        marker={"color": style.MODEL_A},
        customdata=[plain(name) for name, _ in best],
        hovertemplate="%{customdata}: %{x:.2%}<extra></extra>",
    )
    figure.update_xaxes(title="Probability", range=[0, 1.02], dtick=0.25, tickformat=".0%")
    # Positions are numbers: two classes of the same name would share one bar.
    figure.update_yaxes(
        autorange="reversed",
        tickvals=list(range(len(best))),
        ticktext=[wrap(name, 36) for name, _ in best],
        showgrid=False,
        zeroline=False,
    )
    return figure


@dataclass(frozen=True)
class _Cell:
    """The top class of a snippet or of the video, and its correctness."""

    category: str
    probability: float
    outcome: int

    @property
    def text(self) -> str:
        symbol = {_CORRECT: f"{style.RIGHT_SYMBOL} ", _INCORRECT: f"{style.WRONG_SYMBOL} "}
        score = f"{symbol.get(self.outcome, '')}{percent(self.probability)}"
        return f"<b>{score}</b><br>{wrap(self.category, 60)}"


def compare_snippets(a: Analysis, b: Analysis, true_label: str | None = None) -> go.Figure:
    """Top class and probability of each snippet and of the video, one column per model.

    Models that saw the same frames share a row per snippet. Otherwise each model's snippets are
    drawn at their own times, from top to bottom, and extend halfway to the next. With a true
    label, correct predictions are green with a tick and incorrect ones red with a cross; without
    one, all are grey.
    """
    if not same_frames(a, b) and all(map(_is_increasing, (a, b))):
        return _compare_by_time(a, b, true_label)
    count = max(len(a.snippet_scores), len(b.snippet_scores))
    columns = (_column(a, count, true_label), _column(b, count, true_label))
    rows = list(zip(*columns, strict=True))
    word = snippet_word([a, b])
    places = [*(f"{word} {index + 1}" for index in range(count)), "video"]
    figure = blank(40 + 46 * len(rows))
    figure.add_heatmap(
        z=[[cell.outcome if cell else None for cell in row] for row in rows],
        x=_model_names(a, b),
        y=_place_names(a, b, count),
        text=[[cell.text if cell else "" for cell in row] for row in rows],
        texttemplate="%{text}",
        textfont={"size": 12},
        customdata=[
            [(place, plain(cell.category)) if cell else ("", "") for cell in row]
            for place, row in zip(places, rows, strict=True)
        ],
        hovertemplate="%{x} · %{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        hoverongaps=False,
        **_CELLS,
    )
    figure.update_xaxes(side="top", type="category", showgrid=False)
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return figure


def _compare_by_time(a: Analysis, b: Analysis, true_label: str | None) -> go.Figure:
    """One column of cells per model over a common time axis; below, the whole video."""
    end = max(max(each.video.duration_seconds, float(each.pts_seconds.max())) for each in (a, b))
    edges = [np.array([0.0, *halfway, end]) for halfway in map(_halfway, (a, b))]
    row = end / max(len(a.snippet_scores), len(b.snippet_scores))
    least = min(float(np.diff(each).min()) for each in edges)
    names = _model_names(a, b)
    figure = blank(40 + min(_MOST_PIXELS, round(_LEAST_PIXELS * (end + 1.3 * row) / least)))
    for column, (analysis, name) in enumerate(zip((a, b), names, strict=True)):
        *cells, video = _column(analysis, len(analysis.snippet_scores), true_label)
        spans = [seconds_range(first, last) for first, last in _spans(analysis)]
        for found, between, places in (
            (cells, edges[column].tolist(), spans),
            ([video], [end + 0.25 * row, end + 1.25 * row], ["video"]),
        ):
            shown = [cell for cell in found if cell is not None]
            figure.add_heatmap(
                z=[[cell.outcome] for cell in shown],
                x=[column, column + 1],
                y=between,
                text=[[cell.text] for cell in shown],
                texttemplate="%{text}",
                textfont={"size": 12},
                customdata=[
                    [(place, plain(cell.category))]
                    for place, cell in zip(places, shown, strict=True)
                ],
                hovertemplate=f"{name} · %{{customdata[0]}}<br>%{{customdata[1]}}<extra></extra>",
                **_CELLS,
            )
    seconds = np.arange(0, end, max(1, round(end / 8)))
    figure.update_xaxes(
        side="top", tickvals=[0.5, 1.5], ticktext=names, showgrid=False, zeroline=False
    )
    figure.update_yaxes(
        range=[end + 1.3 * row, 0],
        tickvals=[*seconds, end + 0.75 * row],
        ticktext=[*(f"{second:g} s" for second in seconds), "<b>Whole video</b>"],
        showgrid=False,
        zeroline=False,
    )
    return figure


def disagreement(a: Analysis, b: Analysis) -> go.Figure:
    """Disagreement of two models: probability of `a` minus that of `b` for their predictions.

    One series per predicted class, per snippet and for the video. A class that a model does not
    have gets probability 0. Models whose snippets have different frames are compared only for the
    video.
    """
    predictions: dict[str, list[str]] = {}
    for analysis, row in zip((a, b), _model_names(a, b), strict=True):
        predictions.setdefault(analysis.top(1)[0][0], []).append(row)
    snippets = len(a.snippet_scores) if same_frames(a, b) else 0
    word = snippet_word([a, b]).capitalize()
    figure = blank(320)
    colours = (style.MODEL_A, style.MODEL_B)
    for (name, models), colour in zip(predictions.items(), colours, strict=False):
        difference = 100 * (_scores_of(a, name, snippets) - _scores_of(b, name, snippets))
        figure.add_bar(
            x=[*(f"{word} {index + 1}" for index in range(snippets)), "Video"],
            y=difference,
            name=f"{plain(name)}: predicted by {' and '.join(models)}",
            marker={"color": colour},
            width=None if snippets else 0.2,
            showlegend=True,
            hovertemplate=f"%{{x}} · {plain(name)}<br>%{{y:+.1f}} points<extra></extra>",
        )
    figure.update_xaxes(type="category")
    title = f"Points of probability<br>{' − '.join(_model_names(a, b))}"
    figure.update_yaxes(title=title, range=[-105, 105], zerolinecolor=style.NEUTRAL)
    return figure


def _spans(analysis: Analysis) -> list[tuple[float, float]]:
    """First and last second of each snippet."""
    return list(
        zip(analysis.pts_seconds.min(1).tolist(), analysis.pts_seconds.max(1).tolist(), strict=True)
    )


def _middles(analysis: Analysis) -> Array:
    return np.asarray(analysis.pts_seconds.min(1) + analysis.pts_seconds.max(1)) / 2


def _halfway(analysis: Analysis) -> Array:
    """(snippets - 1,) seconds halfway between the middles of adjacent snippets."""
    middle = _middles(analysis)
    return np.asarray((middle[1:] + middle[:-1]) / 2)


def _is_increasing(analysis: Analysis) -> bool:
    """True if every snippet is later than the previous one; in very short videos some coincide."""
    return bool((np.diff(_middles(analysis)) > 0).all())


def _column(analysis: Analysis, count: int, true_label: str | None) -> list[_Cell | None]:
    """Cells of one model: snippets, padded with None to `count`, then the video."""
    cells: list[_Cell | None] = [
        _cell(analysis, scores, true_label) for scores in analysis.snippet_scores
    ]
    missing: list[_Cell | None] = [None] * (count - len(cells))
    return [*cells, *missing, _cell(analysis, analysis.video_scores, true_label)]


def _cell(analysis: Analysis, scores: Array, true_label: str | None) -> _Cell:
    best = int(np.argmax(scores))
    category = analysis.model.classes[best]
    outcome = _UNKNOWN
    if true_label is not None:
        outcome = _CORRECT if category == true_label else _INCORRECT
    return _Cell(category, float(scores[best]), outcome)


def _place_names(a: Analysis, b: Analysis, count: int) -> list[str]:
    """Row labels: snippets, with their times if both models share them, and the whole video."""
    names = [f"{snippet_word([a, b]).capitalize()} {index + 1}" for index in range(count)]
    if same_frames(a, b):
        spans = zip(names, _spans(a), strict=True)
        names = [f"{name}<br>{seconds_range(first, last)}" for name, (first, last) in spans]
    return [*names, "<b>Whole video</b>"]


def _model_names(a: Analysis, b: Analysis) -> list[str]:
    """Names of the columns; those of the same model are told apart by A and B."""
    names = [plain(a.model.name), plain(b.model.name)]
    return names if names[0] != names[1] else [f"{names[0]} (A)", f"{names[1]} (B)"]


def _scores_of(analysis: Analysis, category: str, snippets: int) -> Array:
    """(snippets + 1,) probability of a class: the first snippets, then the video."""
    if category not in analysis.model.classes:
        return np.zeros(snippets + 1)
    index = analysis.model.classes.index(category)
    return np.append(analysis.snippet_scores[:snippets, index], analysis.video_scores[index])
