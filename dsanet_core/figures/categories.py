"""Which categories which network answers best, and what it leans on there (SDA, Figure 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from textwrap import wrap as wrap_lines
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import palette
from dsanet_core.figures.style import blank, plain, run_names
from dsanet_core.records import Array, Run

_COLOURS = palette.CATEGORICAL[:4]  # the fifth is a grey, as the base is
_PATTERNS = ("", "/", "x", ".", "-", "+", "|")
"""Of the bars, the first plain: once the colours have all been used they come again with the next
pattern."""
_LETTERS, _LINES, _LINE_PIXELS = 30, 3, 15
"""A category's name beside its bars: letters in a line, lines, and the height of one."""
_HEADING_PIXELS, _LEGEND_PIXELS, _AXIS_PIXELS = 30, 19, 64
_MANY = 150
"""Bars, of which more make each of them thinner."""
_LEAST_POINTS = 1.0
"""The axis of the weights reaches at least so far: what is small shall look so."""
_SPLIT = (0.63, 0.68)
"""Where the panel of the accuracies ends, and that of the weights begins."""


class CategoryRow(NamedTuple):
    """One category in several runs.

    label: its class index. videos: how many it has. accuracy: (runs,) share of them that
    is right, the base first. gain: largest difference of another run's accuracy to the base's,
    0 without another; best: the place of that run, the first of several, None where none gains.
    weights: (dependencies,) mean attention weight over the blocks of a network, less that
    dependency's average over all categories; empty without one.
    """

    label: int
    name: str
    videos: int
    accuracy: tuple[float, ...]
    gain: float
    best: int | None
    weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class CategoryTable:
    """Every category that has videos, in the order of the classes.

    runs: their names, the base first. left_out: videos that not all runs could read. empty:
    categories without videos. weights_of: place of the run whose attention weights stand in the
    rows, None without.
    """

    runs: tuple[str, ...]
    rows: tuple[CategoryRow, ...]
    left_out: int = 0
    empty: tuple[str, ...] = ()
    weights_of: int | None = None
    dependencies: tuple[str, ...] = ()


def selects(run: Run) -> bool:
    """Whether a run has attention weights that could differ: several dependencies, not averaged."""
    layers = run.selections
    if layers is None or len(layers.quantities) < 2:
        return False
    return bool(np.nanmax(np.abs(layers.mean - 1 / len(layers.quantities))) > 1e-5)


def shared_rows(runs: Sequence[Run]) -> Array:
    """Rows of the dataset that all runs have, ascending."""
    return reduce(np.intersect1d, [run.row for run in runs])


def centred_weights(run: Run) -> Array:
    """(classes, dependencies) attention weights averaged over blocks, each dependency less its own
    average over all categories that have videos (SDA, footnote 2). Raises ValueError without."""
    if run.selections is None:
        raise ValueError(f"{run.id} selects no dependencies")
    weights = run.selections.mean.mean(1)
    return np.asarray(weights - np.nanmean(weights, axis=0))


def compare_categories(runs: Sequence[Run], weights_of: int | None = None) -> CategoryTable:
    """Accuracy of every category over the videos that all runs have; the first run is the base.

    weights_of: place of the run whose attention weights stand beside them.
    Raises ValueError for runs of other classes than the first or without a video in common.
    """
    classes = runs[0].classes
    if any(run.classes != classes for run in runs):
        raise ValueError("runs of different classes")
    shared = shared_rows(runs)
    places = [np.searchsorted(run.row, shared) for run in runs]
    label = runs[0].label[places[0]]
    if not len(label):
        raise ValueError("runs without a video in common")
    videos = np.bincount(label, minlength=len(classes))
    hits = np.stack(
        [
            np.bincount(label[run.correct[place]], minlength=len(classes))
            for run, place in zip(runs, places, strict=True)
        ]
    )  # (runs, classes)
    weights = np.zeros((len(classes), 0))
    dependencies: tuple[str, ...] = ()
    if weights_of is not None:
        weights = centred_weights(runs[weights_of])
        layers = runs[weights_of].selections
        dependencies = () if layers is None else layers.quantities
    rows = [
        CategoryRow(
            int(index),
            classes[index],
            int(videos[index]),
            tuple((hits[:, index] / videos[index]).tolist()),
            *_gain(hits[:, index], int(videos[index])),
            tuple(weights[index].tolist()),
        )
        for index in np.flatnonzero(videos)
    ]
    everything = reduce(np.union1d, [run.row for run in runs])
    return CategoryTable(
        runs=tuple(run_names(runs)),
        rows=tuple(rows),
        left_out=len(everything) - len(label),
        empty=tuple(classes[index] for index in np.flatnonzero(videos == 0)),
        weights_of=weights_of,
        dependencies=dependencies,
    )


def _gain(hits: Array, videos: int) -> tuple[float, int | None]:
    """Largest gain over the first, and the place of the run that has it. Of counts: a difference
    of shares is not exactly 0 where nothing is gained."""
    if len(hits) == 1:
        return 0.0, None
    best = int(np.argmax(hits[1:])) + 1
    gained = int(hits[best] - hits[0])
    return gained / videos, best if gained > 0 else None


def most_improved(rows: Sequence[CategoryRow], count: int | None = None) -> list[CategoryRow]:
    """The categories that gain most (all without a count), grouped by the run that gains most, in
    the order of the runs; those that none improves come last."""
    ranked = sorted(rows, key=lambda row: (-row.gain, -max(row.accuracy), row.label))[:count]
    return sorted(ranked, key=_group)


def _group(row: CategoryRow) -> float:
    return float("inf") if row.best is None else row.best


def run_mark(place: int) -> tuple[str, str]:
    """Colour and pattern of the bars of a run, by its place; the base is grey."""
    if place == 0:
        return palette.NEUTRAL, ""
    turn, colour = divmod(place - 1, len(_COLOURS))
    return _COLOURS[colour], _PATTERNS[turn % len(_PATTERNS)]


def category_accuracy(
    table: CategoryTable, rows: Sequence[CategoryRow], chosen: int | None = None
) -> go.Figure:
    """Accuracy of every run in some categories as bars, and beside them the attention weights of
    each dependency as lines.

    rows: some of the table's, as of `most_improved`, from top to bottom; a dotted line and a
    heading stand before each group. chosen: index of the class that is framed. What is drawn has
    (class index, text for the hover) as its customdata. Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("no categories to draw")
    bar = 11 if len(rows) * len(table.runs) <= _MANY else 8
    lines = max(min(_LINES, len(wrap_lines(row.name, _LETTERS))) for row in rows)
    pixels = max(bar * len(table.runs) + 8, lines * _LINE_PIXELS + 6)
    heading = _HEADING_PIXELS / pixels if len(table.runs) > 1 else 0
    groups = [list(members) for _, members in groupby(rows, key=_group)]
    places: list[list[float]] = []
    end = -0.5
    for members in groups:
        end += heading
        places.append([end + 0.5 + step for step in range(len(members))])
        end += len(members)
    height = round((end + 0.5) * pixels)
    legend = _LEGEND_PIXELS * (1 + max(len(table.runs), len(table.dependencies)))
    figure = blank(height + legend + _AXIS_PIXELS + 8)
    flat = [place for group in places for place in group]
    _add_bars(figure, table, rows, flat)
    if table.dependencies:
        _add_weights(figure, table, groups, places, height)
    for members, group in zip(groups, places, strict=True) if heading else ():
        _add_heading(figure, table, members[0].best, group[0] - 0.5 - heading)
    for row, place in zip(rows, flat, strict=True):
        if row.label == chosen:
            _add_frame(figure, place)
    figure.update_layout(
        barmode="group",
        bargap=0.2,
        clickmode="event+select",
        margin={"t": legend + _AXIS_PIXELS},
        legend=_legend("Accuracy (bars)", 0, height),
    )
    figure.update_yaxes(
        tickvals=flat,
        ticktext=[_short_name(row.name) for row in rows],
        range=[end, -0.5],
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(side="top", title={"standoff": 6})
    figure.layout.xaxis.update(
        title={"text": "Right (%)"},
        range=[0, 101],
        nticks=6,
        domain=[0, _SPLIT[0] if table.dependencies else 1],
    )
    return figure


def _add_bars(
    figure: go.Figure, table: CategoryTable, rows: Sequence[CategoryRow], places: list[float]
) -> None:
    for number, name in enumerate(table.runs):
        colour, pattern = run_mark(number)
        figure.add_bar(
            x=[100 * row.accuracy[number] for row in rows],
            y=places,
            orientation="h",
            name=f"{plain(name)}{' (base)' if number == 0 and len(table.runs) > 1 else ''}",
            marker={
                "color": colour,
                "pattern": {"shape": pattern, "fgcolor": colour, "fillmode": "replace"},
                "line": {"width": 1 if pattern else 0, "color": colour},
            },
            # A bar that was clicked is framed by the page: the others need not fade.
            unselected={"marker": {"opacity": 1}},
            customdata=[(row.label, _bar_text(table, row, number)) for row in rows],
            hovertemplate="%{customdata[1]}<extra></extra>",
        )


def _bar_text(table: CategoryTable, row: CategoryRow, number: int) -> str:
    share = row.accuracy[number]
    right = round(share * row.videos)
    text = f"{plain(row.name)}<br>{plain(table.runs[number])}: {100 * share:.1f} % right, "
    text += f"{right} of {row.videos} video{'' if row.videos == 1 else 's'}"
    if number == 0:
        return text
    return f"{text}<br>{_points(share - row.accuracy[0])} against {plain(table.runs[0])}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} points".replace("-", "−")


def _add_weights(
    figure: go.Figure,
    table: CategoryTable,
    groups: Sequence[Sequence[CategoryRow]],
    places: Sequence[Sequence[float]],
    height: int,
) -> None:
    """A line per dependency, broken between two groups."""
    most = 0.0
    for column, (name, (colour, symbol)) in enumerate(
        palette.dependency_marks(table.dependencies).items()
    ):
        points = list(_broken(groups, places, column))
        values = [100 * value for _, value, _ in points if value is not None]
        most = max(most, *map(abs, values))
        figure.add_scatter(
            x=[None if value is None else 100 * value for _, value, _ in points],
            y=[place for place, _, _ in points],
            xaxis="x2",
            legend="legend2",
            mode="lines+markers",
            name=plain(name),
            line={"color": colour, "width": 2},
            marker={"color": colour, "symbol": symbol, "size": 8},
            unselected={"marker": {"opacity": 1}},
            customdata=[
                (0, "")
                if row is None
                else (
                    row.label,
                    f"{plain(row.name)}<br>weight of {plain(name)}: {_points(row.weights[column])}"
                    "<br>from its average over all categories",
                )
                for _, _, row in points
            ],
            hovertemplate="%{customdata[1]}<extra></extra>",
        )
    span = 1.15 * max(most, _LEAST_POINTS)
    name = "" if table.weights_of is None else plain(table.runs[table.weights_of])
    figure.update_layout(
        xaxis2={
            **figure.layout.xaxis.to_plotly_json(),
            "domain": [_SPLIT[1], 1],
            "range": [-span, span],
            "nticks": 5,
            "zerolinecolor": palette.NEUTRAL,
            "zerolinewidth": 1,
            "title": {"text": "Weight (points)"},
        },
        legend2=_legend(f"Weights (lines) of<br>{name}", _SPLIT[1], height),
    )


def _broken(
    groups: Sequence[Sequence[CategoryRow]], places: Sequence[Sequence[float]], column: int
) -> Iterator[tuple[float, float | None, CategoryRow | None]]:
    """(place, weight, row) of every category, and a gap after each group."""
    for members, group in zip(groups, places, strict=True):
        for row, place in zip(members, group, strict=True):
            yield place, row.weights[column], row
        yield group[-1] + 0.5, None, None


def _add_heading(figure: go.Figure, table: CategoryTable, best: int | None, top: float) -> None:
    """A dotted line, and below it which run gains most in the categories that follow."""
    text = "No run gains" if best is None else f"Most gained by <b>{plain(table.runs[best])}</b>"
    if top > -0.5:
        figure.add_shape(
            type="line", xref="paper", x0=0, x1=1, y0=top, y1=top,
            line={"color": palette.NEUTRAL, "width": 1, "dash": "dot"},
        )  # fmt: skip
    figure.add_annotation(
        text=text, xref="paper", x=0, y=top, xanchor="left", yanchor="top", yshift=-4,
        showarrow=False, font={"size": 12},
    )  # fmt: skip


def _add_frame(figure: go.Figure, place: float) -> None:
    figure.add_shape(
        xref="paper", x0=0, x1=1, y0=place - 0.48, y1=place + 0.48, layer="below",
        line={"color": palette.NEUTRAL, "width": 2, "dash": "dot"}, fillcolor=palette.GRID,
    )  # fmt: skip


def _short_name(name: str) -> str:
    lines = wrap_lines(name, _LETTERS)
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"{lines[_LINES - 1][: _LETTERS - 1]}…"]
    return "<br>".join(map(plain, lines))


def _legend(title: str, x: float, height: int) -> dict[str, object]:
    return {
        "title": {"text": title},
        "orientation": "v",
        "x": x,
        "xanchor": "left",
        "y": 1 + _AXIS_PIXELS / max(1, height),
        "yanchor": "bottom",
    }
