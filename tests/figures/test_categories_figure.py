"""The figure of the categories: what it counts, how it orders, and that it can be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from sklearn.metrics import recall_score

from dsanet_core.figures import (
    CategoryTable,
    category_accuracy,
    compare_categories,
    most_improved,
    selects,
    shared_rows,
)
from dsanet_core.figures.categories import centred_weights, run_mark
from dsanet_core.records import Layers, Run
from dsanet_core.text_format import percent
from tests.figures.checks import check_suits_both_pages
from tools.made_up_run import made_up_run

NAMES = ("plain", "one", "two", "sec")


def made_up_runs(videos: int = 240, categories: int = 12) -> list[Run]:
    return [
        made_up_run(videos, categories, 3, seed=seed, skill=1 + 0.4 * seed, name=name, sda=seed > 0)
        for seed, name in enumerate(NAMES)
    ]


def without(run: Run, gone: np.ndarray) -> Run:
    """The run with some of its videos unreadable."""
    columns = ("row", "video", "label", "predicted", "confidence", "label_score", "label_rank")
    return replace(run, **{name: getattr(run, name)[~gone] for name in columns})


def traces(figure: go.Figure, kind: str) -> list[Any]:
    return [trace for trace in figure.data if trace.type == kind]


def test_accuracy_of_a_category_is_its_recall() -> None:
    runs = made_up_runs()
    table = compare_categories(runs)
    assert table.runs == NAMES
    for place, run in enumerate(runs):
        recall = recall_score(run.label, run.predicted, average=None)
        assert [row.accuracy[place] for row in table.rows] == pytest.approx(recall.tolist())
    assert {row.videos for row in table.rows} == {20}


def test_gain_is_the_largest_over_the_base_and_belongs_to_the_first_run_that_has_it() -> None:
    for row in compare_categories(made_up_runs()).rows:
        gains = [share - row.accuracy[0] for share in row.accuracy[1:]]
        assert row.gain == pytest.approx(max(gains))
        expected = 1 + int(np.argmax(np.round(gains, 9))) if max(gains) > 1e-9 else None
        assert row.best == expected


def test_the_most_improved_stand_in_groups_by_the_run_that_gains_most() -> None:
    rows = compare_categories(made_up_runs()).rows
    shown = most_improved(rows, 7)
    largest = sorted((row.gain for row in rows), reverse=True)[:7]
    assert sorted((row.gain for row in shown), reverse=True) == largest
    groups = [row.best for row in shown]
    assert groups == sorted(groups, key=lambda best: 99 if best is None else best)
    for best in set(groups):
        gains = [row.gain for row in shown if row.best == best]
        assert gains == sorted(gains, reverse=True)
    assert len(most_improved(rows)) == len(rows)


def test_categories_that_no_run_improves_come_last() -> None:
    base, other, *_ = made_up_runs()
    worse = replace(other, label_rank=np.maximum(other.label_rank, base.label_rank))
    table = compare_categories([base, worse])
    assert {row.best for row in table.rows} == {None}
    assert max(row.gain for row in table.rows) <= 0
    figure = category_accuracy(table, most_improved(table.rows, 5))
    assert [note.text for note in figure.layout.annotations] == ["No run gains"]


def test_weights_are_centred_by_each_dependencys_own_average_over_the_categories() -> None:
    run = made_up_runs()[3]
    assert run.selections is not None
    weights = run.selections.mean.mean(axis=1)  # over blocks
    for column in range(4):
        own = weights[:, column] - weights[:, column].mean()
        assert centred_weights(run)[:, column] == pytest.approx(own)
    table = compare_categories([run], 0)
    assert np.array([row.weights for row in table.rows]).mean(0) == pytest.approx(np.zeros(4))
    assert table.dependencies == ("LST", "LT", "LS", "S122")


def test_a_category_without_videos_is_left_out_and_named() -> None:
    runs = [without(run, run.label == 5) for run in made_up_runs()]
    layers = runs[3].selections
    assert layers is not None
    mean = layers.mean.copy()
    mean[5] = np.nan
    runs[3] = replace(runs[3], selections=replace(layers, mean=mean))
    table = compare_categories(runs, 3)
    assert table.empty == (runs[0].classes[5],)
    assert 5 not in {row.label for row in table.rows}
    assert np.isfinite([row.weights for row in table.rows]).all()


def test_only_videos_that_every_run_could_read_count() -> None:
    first, second, *_ = made_up_runs()
    second = without(second, np.arange(240) < 100)
    table = compare_categories([first, second])
    assert table.left_out == 100
    assert shared_rows([first, second]).tolist() == list(range(100, 240))
    late = first.row >= 100
    for row in table.rows:
        own = late & (first.label == row.label)
        assert row.videos == own.sum()
        assert row.accuracy[0] == pytest.approx(first.correct[own].mean())


@pytest.mark.parametrize("change", ["classes", "rows"])
def test_runs_that_cannot_be_compared_are_an_error(change: str) -> None:
    first, second, *_ = made_up_runs()
    if change == "classes":
        model = replace(second.model, classes=second.classes[::-1])
        second = replace(second, model=model)
    else:
        second = replace(second, row=second.row + 1000)
    with pytest.raises(ValueError, match=r"different classes|in common"):
        compare_categories([first, second])


def test_only_weights_that_could_differ_are_drawn() -> None:
    plain, *_, sec = made_up_runs()
    assert selects(sec)
    assert not selects(plain)
    assert sec.selections is not None
    alone = Layers(sec.selections.blocks, ("LT",), *(np.ones((12, 3, 1)) for _ in range(2)))
    even = replace(sec.selections, mean=np.full((12, 3, 4), 0.25))
    assert not selects(replace(sec, selections=alone))
    assert not selects(replace(sec, selections=even))


def drawn(count: int | None = None, chosen: int | None = None) -> tuple[CategoryTable, go.Figure]:
    table = compare_categories(made_up_runs(), 3)
    return table, category_accuracy(table, most_improved(table.rows, count), chosen)


def test_bars_are_accuracies_in_per_cent_and_say_so_with_their_meaning() -> None:
    table, figure = drawn()
    bars = traces(figure, "bar")
    assert [bar.name for bar in bars] == ["plain (baseline)", "one", "two", "sec"]
    rows = {row.label: row for row in table.rows}
    for place, bar in enumerate(bars):
        for length, (label, text) in zip(bar.x, bar.customdata, strict=True):
            row = rows[label]
            assert length == pytest.approx(100 * row.accuracy[place])
            right = round(row.accuracy[place] * row.videos)
            assert f"{row.name}<br>" in text
            assert f"{percent(length / 100)} correct, {right} of 20 videos" in text
            assert ("points compared with plain" in text) == (place > 0)


def test_lines_are_weights_in_points_and_break_between_groups() -> None:
    table, figure = drawn()
    lines = traces(figure, "scatter")
    assert [line.name for line in lines] == list(table.dependencies)
    shown = most_improved(table.rows)
    groups = len({row.best for row in shown})
    assert groups > 1
    for column, line in enumerate(lines):
        assert [value for value in line.x if value is not None] == pytest.approx(
            [100 * row.weights[column] for row in shown]
        )
        assert sum(value is None for value in line.x) == groups
        assert line.xaxis == "x2", "weights have an axis of their own"
    dotted = [shape for shape in figure.layout.shapes if shape.type == "line"]
    assert len(dotted) == groups - 1
    assert all(shape.line.dash == "dot" for shape in dotted)


def test_bars_names_and_lines_of_a_category_stand_at_one_height() -> None:
    table, figure = drawn(6)
    shown = most_improved(table.rows, 6)
    heights = dict(zip([row.label for row in shown], figure.layout.yaxis.tickvals, strict=True))
    for trace in figure.data:
        for place, (label, text) in zip(trace.y, trace.customdata, strict=True):
            assert not text or place == heights[label]
    names = [text.replace("<br>", " ") for text in figure.layout.yaxis.ticktext]
    assert names == [row.name for row in shown]


def test_the_chosen_category_is_framed() -> None:
    chosen = most_improved(compare_categories(made_up_runs()).rows)[4].label
    _, figure = drawn(chosen=chosen)
    (frame,) = (shape for shape in figure.layout.shapes if shape.type != "line")
    assert (frame.y0 + frame.y1) / 2 == pytest.approx(figure.layout.yaxis.tickvals[4])


def test_one_run_alone_has_no_gains_and_no_groups() -> None:
    table = compare_categories(made_up_runs()[:1])
    figure = category_accuracy(table, most_improved(table.rows))
    assert not figure.layout.annotations
    assert [bar.name for bar in figure.data] == ["plain"]
    lengths = list(figure.data[0].x)
    assert lengths == sorted(lengths, reverse=True)
    check_suits_both_pages(figure)


@pytest.mark.parametrize("runs", [2, 4, 8])
def test_174_categories_stay_legible(runs: int) -> None:
    many = [made_up_run(1740, 174, 2, seed=seed, name=f"run {seed}") for seed in range(runs)]
    table = compare_categories(many, 0)
    figure = category_accuracy(table, most_improved(table.rows))
    axis = figure.layout.yaxis
    plot = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    pixels = plot / (axis.range[0] - axis.range[1])
    lines = max(text.count("<br>") + 1 for text in axis.ticktext)
    assert len(axis.ticktext) == 174
    assert pixels >= 15 * lines
    assert 0.8 * pixels / runs >= 6, "a bar is thick enough to be clicked"
    check_suits_both_pages(figure)


def test_every_run_has_a_mark_of_its_own_and_the_base_is_grey() -> None:
    marks = [run_mark(place) for place in range(12)]
    assert len(set(marks)) == 12
    assert marks[0][1] == "" and marks[0][0] not in {colour for colour, _ in marks[1:]}


def test_markup_and_overlong_names_do_no_harm() -> None:
    name = "<b>Pretending</b> " + "or trying and failing to twist something " * 5
    runs = [
        replace(run, model=replace(run.model, classes=(name, *run.classes[1:])))
        for run in made_up_runs()
    ]
    table = compare_categories(runs, 3)
    figure = category_accuracy(table, most_improved(table.rows))
    assert "<b>Pre" not in str(figure.to_plotly_json())
    assert max(text.count("<br>") for text in figure.layout.yaxis.ticktext) == 2
    check_suits_both_pages(figure)


def test_runs_of_one_network_are_told_apart_by_their_id() -> None:
    first, second = (made_up_run(48, 12, 2, seed=seed, name="same") for seed in range(2))
    assert compare_categories([first, second]).runs == ("same-0", "same-1")


def test_nothing_to_draw_is_an_error() -> None:
    table, _ = drawn()
    with pytest.raises(ValueError, match="no classes"):
        category_accuracy(table, [])
