"""Figures of the page Errors: every cell at its place, and a mark to click on it."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from dsanet_core.figures.errors import (
    MOST_CLASSES_ALL_CLICKABLE,
    MOST_CLICKABLE_CELLS,
    Bar,
    Cell,
    Reliability,
    confusion_matrix,
    reliability_diagram,
    share_bars,
)
from dsanet_core.records import Array, Calibration
from tests.figures.checks import check_suits_both_pages

CLASSES = ("left", "right <b>", "up", "down")
CONFUSION = np.array([
    [5, 3, 0, 2],
    [4, 5, 1, 0],
    [0, 0, 9, 0],
    [0, 0, 0, 0],
])


def cells(figure: go.Figure) -> dict[tuple[int, int], float]:
    """(row, column) -> the number that colours it, of all heat maps."""
    found = {}
    for trace in figure.data:
        if trace.type == "heatmap":
            for place in zip(*np.nonzero(~np.isnan(trace.z)), strict=True):
                assert place not in found, "a cell has one colour"
                found[int(place[0]), int(place[1])] = float(trace.z[place])
    return found


def scatters(figure: go.Figure, mode: str) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.type == "scatter" and trace.mode == mode]


def markers(figure: go.Figure) -> go.Scatter:
    return scatters(figure, "markers")[0]


def test_every_cell_that_is_not_zero_has_its_count() -> None:
    figure = confusion_matrix(CONFUSION, CLASSES, range(4), shares=False)
    expected = {
        (i, j): CONFUSION[i, j] for i in range(4) for j in range(4) if CONFUSION[i, j]
    }
    assert cells(figure) == expected


def test_shares_are_of_the_true_category() -> None:
    figure = confusion_matrix(CONFUSION, CLASSES, range(4), shares=True)
    assert cells(figure)[0, 1] == 30.0
    assert cells(figure)[2, 2] == 100.0


def test_right_answers_have_a_scale_of_their_own() -> None:
    figure = confusion_matrix(CONFUSION, CLASSES, range(4), shares=False)
    right, wrong = (trace for trace in figure.data if trace.type == "heatmap")
    assert {i for i, j in zip(*np.nonzero(~np.isnan(right.z)), strict=True) if i == j} == {0, 1, 2}
    assert np.isnan(np.diag(wrong.z)).all()
    assert right.coloraxis != wrong.coloraxis
    assert figure.layout[wrong.coloraxis].cmax == 4


def test_rows_run_from_the_top_and_columns_from_the_left() -> None:
    figure = confusion_matrix(CONFUSION, CLASSES, [2, 0], shares=False)
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]
    assert list(figure.layout.yaxis.ticktext) == ["up", "left"]
    assert cells(figure)[0, 0] == 9 and cells(figure)[1, 1] == 5


def test_what_is_not_shown_stands_in_a_last_column_so_that_rows_are_whole() -> None:
    figure = confusion_matrix(CONFUSION, CLASSES, [0, 1], shares=True)
    assert figure.layout.xaxis.ticktext[-1] == "other classes"
    rows = cells(figure)
    assert sum(value for (row, _), value in rows.items() if row == 0) == pytest.approx(100)
    assert rows[0, 2] == 20.0
    assert "other classes" not in confusion_matrix(
        CONFUSION, CLASSES, range(4), shares=True
    ).layout.xaxis.ticktext


def test_a_click_on_any_cell_means_its_categories() -> None:
    figure = confusion_matrix(CONFUSION, CLASSES, [1, 0], shares=True)
    trace = markers(figure)
    meant = {
        (int(y), int(x)): tuple(data[:2])
        for x, y, data in zip(trace.x, trace.y, trace.customdata, strict=True)
    }
    assert meant == {(0, 0): (1, 1), (0, 1): (1, 0), (0, 2): (1, -1),
                     (1, 0): (0, 1), (1, 1): (0, 0), (1, 2): (0, -1)}
    assert trace.marker.opacity == 0, "the heat map below is what is seen"


def test_names_are_never_markup() -> None:
    figure = confusion_matrix(CONFUSION, CLASSES, range(4), shares=True)
    assert "right &lt;b&gt;" in figure.layout.xaxis.ticktext
    assert not any("<b>" in str(data) for data in markers(figure).customdata)


def test_every_number_stands_in_its_cell_and_only_there() -> None:
    figure = confusion_matrix(CONFUSION, CLASSES, range(4), shares=False)
    said = {
        (int(y), int(x)): float(text)
        for trace in scatters(figure, "text")
        for x, y, text in zip(trace.x, trace.y, trace.text, strict=True)
    }
    assert said == cells(figure)


def many(count: int) -> tuple[Array, tuple[str, ...]]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 9, (count, count)), tuple(f"category {i}" for i in range(count))


def test_of_very_many_cells_those_with_most_videos_can_be_clicked() -> None:
    confusion, classes = many(60)
    figure = confusion_matrix(confusion, classes, range(60), shares=False)
    trace = markers(figure)
    assert len(trace.x) == MOST_CLICKABLE_CELLS < np.count_nonzero(confusion)
    counts = confusion[np.array(trace.y), np.array(trace.x)]
    left = np.sort(confusion.ravel())[: -len(counts)]
    assert counts.min() >= left.max()
    assert len(cells(figure)) == np.count_nonzero(confusion), "but all are drawn"


def test_up_to_a_limit_every_cell_can_be_clicked() -> None:
    confusion, classes = many(MOST_CLASSES_ALL_CLICKABLE)
    figure = confusion_matrix(confusion, classes, range(MOST_CLASSES_ALL_CLICKABLE), shares=False)
    assert len(markers(figure).x) == MOST_CLASSES_ALL_CLICKABLE**2


def test_a_chosen_cell_row_or_column_is_framed() -> None:
    for chosen, frame in (
        (Cell(0, 1), (-0.5, 0.5, 0.5, 1.5)),
        (Cell(0, None), (-0.5, 2.5, 0.5, 1.5)),
        (Cell(None, 0), (0.5, 1.5, -0.5, 1.5)),
    ):
        figure = confusion_matrix(CONFUSION, CLASSES, [1, 0], shares=True, chosen=chosen)
        shape = figure.layout.shapes[0]
        assert (shape.x0, shape.x1, shape.y0, shape.y1) == frame


def test_a_choice_that_is_not_shown_has_no_frame() -> None:
    for chosen in (Cell(0, 2), Cell(3, None), Cell(None, None)):
        figure = confusion_matrix(CONFUSION, CLASSES, [1, 0], shares=True, chosen=chosen)
        assert not figure.layout.shapes


def test_a_matrix_without_errors_or_videos_is_drawn() -> None:
    figure = confusion_matrix(np.diag([3, 0]), CLASSES[:2], range(2), shares=True)
    assert cells(figure) == {(0, 0): 100.0}
    assert any("no videos" in str(data) for data in markers(figure).customdata)
    with pytest.raises(ValueError, match="no classes"):
        confusion_matrix(CONFUSION, CLASSES, [], shares=True)


def test_bars_say_count_and_share_and_frame_the_chosen_one() -> None:
    bars = [Bar("a <i>", 3, 12, "a → b", "of 12"), Bar("c", 0, 0, "c → d", "")]
    figure = share_bars(bars, ["#112233"], title="Videos", chosen=1)
    trace = figure.data[0]
    assert list(trace.text) == ["3 (25.0%)", "0 (–)"]
    assert [data[0] for data in trace.customdata] == [0, 1]
    assert list(figure.layout.yaxis.ticktext) == ["a &lt;i&gt;", "c"]
    assert trace.marker.line.width[0] == 0 < trace.marker.line.width[1]
    with pytest.raises(ValueError, match="no bars"):
        share_bars([], ["#112233"], title="Videos")


def reliability(name: str = "a network") -> Reliability:
    known = Calibration(
        np.linspace(0, 1, 4), np.array([0, 4, 6]), np.array([np.nan, 0.5, 0.9]),
        np.array([np.nan, 0.25, 1.0]), 0.16,
    )
    return Reliability(
        name, known, np.array([np.nan, 0.1, 0.6]), np.array([np.nan, 0.7, 1.0])
    )


def test_the_reliability_diagram_leaves_empty_bins_out_and_shows_intervals() -> None:
    figure = reliability_diagram([reliability(), reliability("another")])
    curves = scatters(figure, "lines+markers")
    assert [trace.name for trace in curves] == ["a network", "another"]
    assert list(curves[0].x) == [0.5, 0.9] and list(curves[0].y) == [0.25, 1.0]
    assert list(curves[0].error_y.array) == pytest.approx([0.45, 0.0])
    assert list(curves[0].error_y.arrayminus) == pytest.approx([0.15, 0.4])
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [list(trace.y) for trace in bars] == [[0, 4, 6]] * 2
    assert curves[0].marker.symbol != curves[1].marker.symbol
    with pytest.raises(ValueError, match="no runs"):
        reliability_diagram([])


def test_they_survive_json_and_suit_both_pages() -> None:
    for figure in (
        confusion_matrix(CONFUSION, CLASSES, range(4), shares=True, chosen=Cell(0, 1)),
        confusion_matrix(CONFUSION, CLASSES, range(2), shares=False, dark=True),
        share_bars([Bar("a", 1, 2, "a", "")], ["#112233"], title="Videos"),
        reliability_diagram([reliability()]),
    ):
        check_suits_both_pages(figure)
        assert figure.layout.xaxis.title.text
