"""Accuracy per class in several runs, with SDA's weights beside it (SDA, Figure 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from textwrap import wrap as wrap_lines
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.style import blank, plain, run_names
from dsanet_core.records import Array, Run
from dsanet_core.text_format import percent, plural, points

_COLOURS = style.CATEGORICAL[:4]  # the fifth is a grey, as the base is
_PATTERNS = ("", "/", "x", ".", "-", "+", "|")
"""Fill patterns of bars: once all colours are used, they repeat with the next pattern."""
_LETTERS, _LINES, _LINE_PIXELS = 30, 3, 15
"""A class name beside its bars: letters per line, lines, and pixels per line."""
_HEADING_PIXELS, _LEGEND_PIXELS, _AXIS_PIXELS = 30, 19, 64
_MOST_THICK_BARS = 150
"""More bars than this are drawn thinner."""
_LEAST_POINTS = 1.0
"""Least extent of the axis of weights, so that small differences look small."""
_SPLIT = (0.63, 0.68)
"""End of the panel of accuracies and start of the panel of weights, shares of the width."""


class CategoryRow(NamedTuple):
    """One class in several runs.

    label: class index. videos: number of its videos. accuracy: (runs,) the baseline first. gain:
    largest accuracy of another run minus the baseline's, 0 without another run; best: index of that
    run, the first of several, None without a gain. weights: (dependencies,) mean weight over
    the blocks of a model, minus that dependency's average over all classes; empty without.
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
    """Every class that has videos, in the order of the classes.

    runs: names, the baseline first. left_out: number of videos that not all runs could read. empty:
    classes without videos. weights_of: index of the run whose SDA weights are in the rows, or None.
    """

    runs: tuple[str, ...]
    rows: tuple[CategoryRow, ...]
    left_out: int = 0
    empty: tuple[str, ...] = ()
    weights_of: int | None = None
    dependencies: tuple[str, ...] = ()


def selects(run: Run) -> bool:
    """True for a run with several SDA dependencies whose weights are not all equal."""
    layers = run.selections
    if layers is None or len(layers.quantities) < 2:
        return False
    return bool(np.nanmax(np.abs(layers.mean - 1 / len(layers.quantities))) > 1e-5)


def shared_rows(runs: Sequence[Run]) -> Array:
    """Rows of the dataset that all runs have, ascending."""
    return reduce(np.intersect1d, [run.row for run in runs])


def centred_weights(run: Run) -> Array:
    """(classes, dependencies) SDA weights averaged over blocks, each dependency minus its own
    average over all classes with videos (SDA, footnote 2). Raises ValueError without SDA blocks."""
    if run.selections is None:
        raise ValueError(f"{run.id} has no SDA blocks")
    weights = run.selections.mean.mean(1)
    return np.asarray(weights - np.nanmean(weights, axis=0))


def compare_categories(runs: Sequence[Run], weights_of: int | None = None) -> CategoryTable:
    """Accuracy of every class over the videos that all runs have; the first run is the baseline.

    weights_of: index of the run whose SDA weights are added. Raises ValueError for runs of other
    classes than the first, or without a video in common.
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
    """Largest gain over the first run, and the index of the run that has it.

    hits: (runs,) counts, since a difference of shares is not exactly 0 where nothing is gained.
    """
    if len(hits) == 1:
        return 0.0, None
    best = int(np.argmax(hits[1:])) + 1
    gained = int(hits[best] - hits[0])
    return gained / videos, best if gained > 0 else None


def most_improved(rows: Sequence[CategoryRow], count: int | None = None) -> list[CategoryRow]:
    """The `count` classes with the largest gain (None: all), grouped by the run that gains most, in
    the order of the runs; classes without a gain come last."""
    ranked = sorted(rows, key=lambda row: (-row.gain, -max(row.accuracy), row.label))[:count]
    return sorted(ranked, key=_group)


def _group(row: CategoryRow) -> float:
    return float("inf") if row.best is None else row.best


def run_mark(place: int) -> tuple[str, str]:
    """Colour and pattern of the bars of a run, by its index; the baseline is grey."""
    if place == 0:
        return style.NEUTRAL, ""
    turn, colour = divmod(place - 1, len(_COLOURS))
    return _COLOURS[colour], _PATTERNS[turn % len(_PATTERNS)]


def category_accuracy(
    table: CategoryTable, rows: Sequence[CategoryRow], chosen: int | None = None
) -> go.Figure:
    """Accuracy of every run per class as bars, and the weights of each dependency as lines.

    rows: some of the table's, as of `most_improved`, from top to bottom; each group has a heading
    and is set off by a dotted line. chosen: index of the class that is framed. Custom data of bars
    and points: (class index, hover text). Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("no classes to draw")
    bar = 11 if len(rows) * len(table.runs) <= _MOST_THICK_BARS else 8
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
        title={"text": "Accuracy (%)"},
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
            name=f"{plain(name)}{' (baseline)' if number == 0 and len(table.runs) > 1 else ''}",
            marker={
                "color": colour,
                "pattern": {"shape": pattern, "fgcolor": colour, "fillmode": "replace"},
                "line": {"width": 1 if pattern else 0, "color": colour},
            },
            # The figure frames the chosen class itself: other bars need not fade.
            unselected={"marker": {"opacity": 1}},
            customdata=[(row.label, _bar_text(table, row, number)) for row in rows],
            hovertemplate="%{customdata[1]}<extra></extra>",
        )


def _bar_text(table: CategoryTable, row: CategoryRow, number: int) -> str:
    share = row.accuracy[number]
    right = round(share * row.videos)
    text = f"{plain(row.name)}<br>{plain(table.runs[number])}: {percent(share)} correct, "
    text += f"{right} of {plural(row.videos, 'video')}"
    if number == 0:
        return text
    return f"{text}<br>{points(share - row.accuracy[0])} compared with {plain(table.runs[0])}"


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
        style.dependency_marks(table.dependencies).items()
    ):
        path = list(_broken(groups, places, column))
        values = [100 * value for _, value, _ in path if value is not None]
        most = max(most, *map(abs, values))
        figure.add_scatter(
            x=[None if value is None else 100 * value for _, value, _ in path],
            y=[place for place, _, _ in path],
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
                    f"{plain(row.name)}<br>weight of {plain(name)}: {points(row.weights[column])}"
                    "<br>relative to its mean over all classes",
                )
                for _, _, row in path
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
            "zerolinecolor": style.NEUTRAL,
            "zerolinewidth": 1,
            "title": {"text": "Weight (points)"},
        },
        legend2=_legend(f"SDA weights (lines) of<br>{name}", _SPLIT[1], height),
    )


def _broken(
    groups: Sequence[Sequence[CategoryRow]], places: Sequence[Sequence[float]], column: int
) -> Iterator[tuple[float, float | None, CategoryRow | None]]:
    """(y, weight, row) of every class, and a gap after each group."""
    for members, group in zip(groups, places, strict=True):
        for row, place in zip(members, group, strict=True):
            yield place, row.weights[column], row
        yield group[-1] + 0.5, None, None


def _add_heading(figure: go.Figure, table: CategoryTable, best: int | None, top: float) -> None:
    """A dotted line, and below it the run that gains most in the classes that follow."""
    text = "No run gains" if best is None else f"Largest gain: <b>{plain(table.runs[best])}</b>"
    if top > -0.5:
        figure.add_shape(
            type="line", xref="paper", x0=0, x1=1, y0=top, y1=top,
            line={"color": style.NEUTRAL, "width": 1, "dash": "dot"},
        )  # fmt: skip
    figure.add_annotation(
        text=text, xref="paper", x=0, y=top, xanchor="left", yanchor="top", yshift=-4,
        showarrow=False, font={"size": 12},
    )  # fmt: skip


def _add_frame(figure: go.Figure, place: float) -> None:
    figure.add_shape(
        xref="paper", x0=0, x1=1, y0=place - 0.48, y1=place + 0.48, layer="below",
        line={"color": style.NEUTRAL, "width": 2, "dash": "dot"}, fillcolor=style.GRID,
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
