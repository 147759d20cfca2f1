"""Two networks on the same video, side by side (DSANet, Figure 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import palette
from dsanet_core.figures.style import blank, percent, plain, wrap
from dsanet_core.records import Analysis, Array

_WRONG, _UNKNOWN, _RIGHT = 0, 1, 2


@dataclass(frozen=True)
class _Cell:
    """The best category at one place (a snippet, or the video) and what is known of it."""

    category: str
    probability: float
    verdict: int

    @property
    def text(self) -> str:
        symbol = {_RIGHT: f"{palette.RIGHT_SYMBOL} ", _WRONG: f"{palette.WRONG_SYMBOL} "}
        said = f"{symbol.get(self.verdict, '')}{percent(self.probability)}"
        return f"<b>{said}</b><br>{wrap(self.category, 60)}"


def compare_snippets(a: Analysis, b: Analysis, true_label: str | None = None) -> go.Figure:
    """Best category and probability of each snippet and of the video, one column per network.

    With a true label, right answers are green and ticked, wrong ones red and crossed; without,
    all are grey.
    """
    count = max(len(a.snippet_scores), len(b.snippet_scores))
    columns = (_column(a, count, true_label), _column(b, count, true_label))
    rows = list(zip(*columns, strict=True))
    places = [*(f"snippet {index + 1}" for index in range(count)), "video"]
    figure = blank(40 + 46 * len(rows))
    figure.add_heatmap(
        z=[[cell.verdict if cell else None for cell in row] for row in rows],
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
        zmin=_WRONG,
        zmax=_RIGHT,
        colorscale=[[0, palette.WRONG], [0.5, palette.NEUTRAL], [1, palette.RIGHT]],
        showscale=False,
        xgap=6,
        ygap=3,
    )
    figure.update_xaxes(side="top", type="category", showgrid=False)
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return figure


def disagreement(a: Analysis, b: Analysis) -> go.Figure:
    """Where two networks part ways: probability of `a` minus that of `b`, for what each predicts.

    One series per predicted category, per snippet and for the video. A category that a network
    does not know has probability 0 there. Networks whose snippets saw different frames are
    compared for the video alone.
    """
    answers: dict[str, list[str]] = {}
    for analysis, row in zip((a, b), _model_names(a, b), strict=True):
        answers.setdefault(analysis.top(1)[0][0], []).append(row)
    same = a.frame_index.shape == b.frame_index.shape and bool(
        (a.frame_index == b.frame_index).all()
    )
    snippets = len(a.snippet_scores) if same else 0
    figure = blank(320)
    colours = (palette.MODEL_A, palette.MODEL_B)
    for (name, models), colour in zip(answers.items(), colours, strict=False):
        difference = 100 * (_scores_of(a, name, snippets) - _scores_of(b, name, snippets))
        figure.add_bar(
            x=[*(f"Snippet {index + 1}" for index in range(snippets)), "Video"],
            y=difference,
            name=f"{plain(name)}: answer of {' and '.join(models)}",
            marker={"color": colour},
            hovertemplate=f"%{{x}} · {plain(name)}<br>%{{y:+.1f}} points<extra></extra>",
        )
    figure.update_xaxes(type="category")
    title = f"Points of probability<br>{' − '.join(_model_names(a, b))}"
    figure.update_yaxes(title=title, range=[-105, 105], zerolinecolor=palette.NEUTRAL)
    return figure


def _column(analysis: Analysis, count: int, true_label: str | None) -> list[_Cell | None]:
    """Cells of one network: snippets, None where it has fewer than `count`, then the video."""
    cells: list[_Cell | None] = [
        _cell(analysis, scores, true_label) for scores in analysis.snippet_scores
    ]
    missing: list[_Cell | None] = [None] * (count - len(cells))
    return [*cells, *missing, _cell(analysis, analysis.video_scores, true_label)]


def _cell(analysis: Analysis, scores: Array, true_label: str | None) -> _Cell:
    best = int(np.argmax(scores))
    category = analysis.model.classes[best]
    verdict = _UNKNOWN
    if true_label is not None:
        verdict = _RIGHT if category == true_label else _WRONG
    return _Cell(category, float(scores[best]), verdict)


def _place_names(a: Analysis, b: Analysis, count: int) -> list[str]:
    """Snippets with the seconds they saw, where both networks saw the same ones."""
    names = [f"Snippet {index + 1}" for index in range(count)]
    if a.pts_seconds.shape == b.pts_seconds.shape and np.allclose(a.pts_seconds, b.pts_seconds):
        spans = zip(names, a.pts_seconds.min(1), a.pts_seconds.max(1), strict=True)
        names = [f"{name}<br>{first:.1f} to {last:.1f} s" for name, first, last in spans]
    return [*names, "<b>Whole video</b>"]


def _model_names(a: Analysis, b: Analysis) -> list[str]:
    """Names of the columns; the same network twice still needs two columns."""
    names = [plain(a.model.name), plain(b.model.name)]
    return names if names[0] != names[1] else [f"{names[0]} (A)", f"{names[1]} (B)"]


def _scores_of(analysis: Analysis, category: str, snippets: int) -> Array:
    """(snippets + 1,) probability of a category: its first snippets, then the video."""
    if category not in analysis.model.classes:
        return np.zeros(snippets + 1)
    index = analysis.model.classes.index(category)
    return np.append(analysis.snippet_scores[:snippets, index], analysis.video_scores[index])
