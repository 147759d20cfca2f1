"""Accuracy against cost: every point at its place, and names that can be read."""

from __future__ import annotations

from itertools import pairwise
from math import log10

import plotly.graph_objects as go
import pytest

from dsanet_core.figures import CostPoint, accuracy_against_cost
from dsanet_core.zoo.paper_tables import KINETICS, paper_rows
from tests.figures.checks import check_suits_both_pages

PAPER = {
    "proposed": [CostPoint("DSA <b>", 503.0, 77.7, "4×8×3"), CostPoint("DSA <b>", 1006.0, 78.2)],
    "others": [CostPoint("TSM", 990.0, 74.1), CostPoint("NL", 8460.0, 76.5)],
}
PLOT_WIDTH, LETTER, LINE, MARKER = 600, 6.5, 15, 10
"""Pixels of the plot on a page of 768, of a letter and a line of text of 12 px, of a marker."""


def points_of(figure: go.Figure) -> list[go.Scatter]:
    return [trace for trace in figure.data if "markers" in trace.mode]


def test_points_stand_at_their_cost_and_accuracy() -> None:
    figure = accuracy_against_cost(PAPER, measured_here=False)
    for trace, (group, members) in zip(points_of(figure), PAPER.items(), strict=True):
        assert trace.name == group
        drawn = {(x, y) for x, y in zip(trace.x, trace.y, strict=True)}
        assert drawn == {(point.gmacs, point.top1) for point in members}


def test_the_cost_axis_is_logarithmic_with_plain_ticks_and_holds_all_points() -> None:
    axis = accuracy_against_cost(PAPER, measured_here=False).layout.xaxis
    assert axis.type == "log"
    assert axis.range[0] < log10(503) and axis.range[1] > log10(8460)
    assert set(axis.ticktext) >= {"500", "1000", "5000"}
    assert all(low < high for low, high in pairwise(axis.tickvals))


def test_printed_points_are_hollow_and_measured_ones_filled() -> None:
    printed = points_of(accuracy_against_cost(PAPER, measured_here=False))
    measured = points_of(accuracy_against_cost(PAPER, measured_here=True))
    assert all(trace.marker.symbol.endswith("-open") for trace in printed)
    assert not any(trace.marker.symbol.endswith("-open") for trace in measured)
    assert len({trace.marker.symbol for trace in printed}) == len({t.marker.color for t in printed})
    assert len(printed) == 2


def test_a_name_stands_once_and_never_as_markup() -> None:
    texts = [t for trace in points_of(accuracy_against_cost(PAPER, measured_here=False))
             for t in trace.text]
    assert sorted(text.strip() for text in texts) == ["", "DSA &lt;b&gt;", "NL", "TSM"]


def test_a_line_joins_points_of_one_name_only() -> None:
    figure = accuracy_against_cost(PAPER, measured_here=False)
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    assert list(lines[0].x) == [503.0, 1006.0]
    assert list(lines[1].x) == [8460.0, None, 990.0]
    assert all(trace.hoverinfo == "skip" for trace in lines)


def test_one_point_alone_has_axes_around_it() -> None:
    figure = accuracy_against_cost({"one": [CostPoint("a", 2.0, 50.0)]}, measured_here=True)
    low, high = figure.layout.xaxis.range
    assert low < log10(2) < high
    assert figure.layout.yaxis.range[0] < 50 < figure.layout.yaxis.range[1]
    assert list(figure.layout.xaxis.ticktext)


def test_no_points_are_refused() -> None:
    with pytest.raises(ValueError, match="no points"):
        accuracy_against_cost({"none": []}, measured_here=True)


def test_it_survives_json_and_suits_both_pages() -> None:
    figure = accuracy_against_cost(PAPER, measured_here=False)
    check_suits_both_pages(figure)
    assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text


def test_every_network_of_dsanets_figure_is_named_and_no_name_meets_another_on_a_narrow_page() -> (
    None
):
    rows = [row for row in paper_rows() if row.table == "4"]
    points = [CostPoint(r.label, r.video_gmacs or 0.0, r.top1[KINETICS]) for r in rows]
    figure = accuracy_against_cost({"paper": points}, measured_here=False)
    trace = points_of(figure)[0]
    assert sorted(text.strip() for text in trace.text) == sorted(row.label for row in rows)

    (left, right), (low, high) = figure.layout.xaxis.range, figure.layout.yaxis.range
    boxes: list[tuple[str, float, float, float, float]] = []
    for x, y, text, side in zip(trace.x, trace.y, trace.text, trace.textposition, strict=True):
        centre_x = (log10(x) - left) / (right - left) * PLOT_WIDTH
        centre_y = (y - low) / (high - low) * (figure.layout.height - 100)
        boxes.append(("marker", centre_x - 4, centre_y - 4, centre_x + 4, centre_y + 4))
        wide = LETTER * (len(text) - 1)  # two narrow spaces
        across = {"right": 1, "left": -1, "center": 0}[side.split()[1]]
        up = {"top": 1, "bottom": -1, "middle": 0}[side.split()[0]]
        middle_x = centre_x + across * (wide / 2 + MARKER / 2)
        middle_y = centre_y + up * (LINE / 2 + MARKER / 2)
        boxes.append((text, middle_x - wide / 2, middle_y - LINE / 2, middle_x + wide / 2,
                      middle_y + LINE / 2))
    names = [box for box in boxes if box[0] != "marker"]
    assert all(box[1] >= 0 and box[3] <= PLOT_WIDTH for box in names)
    for place, (name, x0, y0, x1, y1) in enumerate(names):
        for other, a0, b0, a1, b1 in [*names[:place], *names[place + 1 :]]:
            assert x1 <= a0 or a1 <= x0 or y1 <= b0 or b1 <= y0, (name, other)
