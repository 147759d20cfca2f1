"""Layers of a run as numbers, curves and a map: every drawn value is counted another way here."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest

from dsanet_core.errors import RecordError
from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.layer_table import (
    LayerTable,
    all_videos,
    difference,
    group_spans,
    is_uniform,
    layer_table,
    stages_of,
)
from dsanet_core.figures.layers import colour_span, layer_curves, layer_map, layer_summary
from dsanet_core.records import DISTANCES, Layers, Run
from tests.figures.checks import check_suits_both_pages
from tools.made_up_run import made_up_run

VIDEOS, CATEGORIES, BLOCKS = 47, 9, 6


def run_of(seed: int = 0, **choices: object) -> Run:
    return made_up_run(VIDEOS, CATEGORIES, BLOCKS, seed=seed, dsa=True, **choices)  # type: ignore[arg-type]


def table_of(run: Run, layers: Layers | None = None) -> LayerTable:
    layers = run.selections if layers is None else layers
    assert layers is not None
    groups = ["even" if index % 2 == 0 else "odd" for index in range(len(run.classes))]
    return layer_table(run, layers, groups)


@pytest.fixture
def table() -> LayerTable:
    return table_of(run_of())


def curves(figure: go.Figure) -> dict[tuple[str, str], go.Scatter]:
    """The curves without their bands, by axis and quantity."""
    return {(t.yaxis or "y", t.name): t for t in figure.data if "lines" in t.mode and not t.fill}


def test_categories_without_videos_are_left_out() -> None:
    run = made_up_run(5, CATEGORIES, BLOCKS)
    assert run.selections is not None
    mean, spread = run.selections.mean.copy(), run.selections.spread.copy()
    mean[5:], spread[5:] = np.nan, np.nan
    empty = replace(run.selections, mean=mean, spread=spread)
    table = table_of(run, empty)
    assert table.categories == run.classes[:5]
    assert list(table.videos) == [1] * 5
    for drawn in (layer_curves(table), layer_map(table), layer_summary(all_videos(table))):
        check_suits_both_pages(drawn)


def test_all_videos_are_counted_once_each_in_mean_and_spread() -> None:
    rng = np.random.default_rng(3)
    run = made_up_run(VIDEOS, 4, 2)
    per_video = rng.dirichlet(np.ones(4), (VIDEOS, 2))  # (videos, blocks, dependencies)
    own = [per_video[run.label == index] for index in range(4)]
    layers = Layers(
        ("layer1.0.sda", "layer2.0.sda"), ("LST", "LT", "LS", "S122"),
        np.stack([values.mean(0) for values in own]), np.stack([values.std(0) for values in own]),
    )
    whole = all_videos(table_of(run, layers))
    assert whole.spread is not None
    np.testing.assert_allclose(whole.value[0], per_video.mean(0), atol=1e-12)
    np.testing.assert_allclose(whole.spread[0], per_video.std(0), atol=1e-12)
    assert list(whole.videos) == [VIDEOS]


def test_a_stage_is_the_mean_of_its_blocks(table: LayerTable) -> None:
    stages = table.by_stage()
    assert stages.columns == tuple(stages_of(table.columns)) == ("res2", "res3", "res4", "res5")
    for column, stage in enumerate(stages.columns):
        number = f"layer{int(stage[-1]) - 1}."
        own = [i for i, block in enumerate(table.columns) if block.startswith(number)]
        np.testing.assert_allclose(stages.value[:, column], table.value[:, own].mean(1))
    np.testing.assert_array_equal(stages.by_stage().value, stages.value)


def test_blocks_of_other_names_stand_alone() -> None:
    assert stages_of(("layer1.0.sda", "layer1.1.sda", "neck")) == {"res2": [0, 1], "neck": [2]}


def test_a_difference_is_the_first_minus_the_second_by_name_of_the_category() -> None:
    first, second = table_of(run_of(0)), table_of(run_of(1))
    shuffled = second.take([4, 2, 8, 0])
    change = difference(first, shuffled)
    assert change.categories == tuple(first.categories[row] for row in (0, 2, 4, 8))
    np.testing.assert_allclose(
        change.value, first.value[[0, 2, 4, 8]] - second.value[[0, 2, 4, 8]]
    )
    assert change.is_difference and change.spread is None


def test_runs_that_cannot_be_compared_are_refused_with_what_differs() -> None:
    first = table_of(run_of())
    with pytest.raises(RecordError, match=r"6 and 5 blocks, 'layer"):
        difference(first, table_of(made_up_run(VIDEOS, CATEGORIES, 5)))
    other = replace(first, quantities=("LST", "LT", "LS", "S222"))
    with pytest.raises(RecordError, match=r"quantities, 'S122'"):
        difference(first, other)
    with pytest.raises(RecordError, match="no class in common"):
        difference(first, replace(first, categories=tuple("abcdefghi")))


def test_equal_weights_in_every_video_are_uniform_and_nothing_else_is() -> None:
    layers = run_of().selections
    assert layers is not None
    equal = np.full_like(layers.mean, 0.25)
    assert is_uniform(replace(layers, mean=equal, spread=0 * equal))
    assert not is_uniform(replace(layers, mean=equal)), "equal on average alone"
    assert not is_uniform(layers)


def test_groups_have_spans_only_where_each_stands_together() -> None:
    assert group_spans(("a", "a", "b", "")) == {"a": (0, 1), "b": (2, 2), "": (3, 3)}
    assert group_spans(("a", "b", "a")) == {}
    assert group_spans(("a", "a")) == {}


def test_curves_are_the_weights_of_every_block_in_the_order_of_the_table(
    table: LayerTable,
) -> None:
    shown = table.take([7, 1, 3])
    drawn = curves(layer_curves(shown, spread=False))
    assert len(drawn) == BLOCKS * 4
    for row in range(BLOCKS):
        for place, name in enumerate(table.quantities):
            trace = drawn["y" if row == 0 else f"y{row + 1}", name]
            np.testing.assert_allclose(trace.y, table.value[[7, 1, 3], row, place], rtol=1e-6)
    figure = layer_curves(shown)
    assert [text.split(" ")[1] for text in figure.layout.xaxis.ticktext] == ["007", "001", "003"]


def test_the_band_is_one_standard_deviation_on_both_sides(table: LayerTable) -> None:
    bands = [trace for trace in layer_curves(table).data if trace.fill]
    assert len(bands) == BLOCKS * 4
    assert table.spread is not None
    upper, lower = np.split(np.asarray(bands[5].y), 2)
    np.testing.assert_allclose(upper - lower[::-1], 2 * table.spread[:, 1, 1], rtol=1e-4)
    assert not any(trace.fill for trace in layer_curves(table, spread=False).data)
    low, high = layer_curves(table).layout.yaxis.range
    assert all(low <= np.min(band.y) and np.max(band.y) <= high for band in bands)


def test_a_dependency_has_its_colour_and_one_legend_entry(table: LayerTable) -> None:
    marks = style.dependency_marks(table.quantities)
    traces = list(curves(layer_curves(table)).values())
    assert all(trace.line.color == marks[trace.name][0] for trace in traces)
    assert sorted(t.name for t in traces if t.showlegend) == sorted(table.quantities)


def test_many_categories_are_named_on_hover_alone_and_told_apart_by_dashes() -> None:
    table = table_of(made_up_run(200, 100, 2))
    figure = layer_curves(table)
    assert figure.layout.xaxis.showticklabels is False
    assert tuple(figure.layout.xaxis.ticktext) == table.categories
    assert len({trace.line.dash for trace in curves(figure).values()}) == 4


def test_the_map_holds_every_value_and_every_row_can_be_clicked(table: LayerTable) -> None:
    figure = layer_map(table, chosen=table.categories[2])
    maps = [trace for trace in figure.data if trace.type == "heatmap"]
    assert [trace.name for trace in maps] == list(table.quantities)
    for place, trace in enumerate(maps):
        np.testing.assert_allclose(trace.z, table.value[:, :, place], rtol=1e-6)
    starts = [trace.x0 for trace in maps]
    assert all(b - a > BLOCKS for a, b in pairwise(starts)), "panels apart"
    squares = figure.data[-1]
    assert tuple(squares.customdata) == table.categories
    assert [s == "square" for s in squares.marker.symbol] == [i == 2 for i in range(CATEGORIES)]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1], "first row on top"


def test_one_quantity_alone_fills_the_map(table: LayerTable) -> None:
    (trace,) = [t for t in layer_map(table.only("LS")).data if t.type == "heatmap"]
    np.testing.assert_allclose(trace.z, table.value[:, :, 2], rtol=1e-6)


def test_differences_stand_in_points_on_a_scale_centred_at_0() -> None:
    change = difference(table_of(run_of(0)), table_of(run_of(1)))
    figure = layer_map(change)
    scale = figure.layout.coloraxis
    assert scale.cmin == -scale.cmax == pytest.approx(-100 * np.abs(change.value).max())
    assert scale.colorscale[1][0] == 0.5 and scale.colorscale[0][1] == style.CATEGORICAL[1]
    np.testing.assert_allclose(figure.data[0].z, 100 * change.value[:, :, 0], rtol=1e-5)
    assert "points" in figure.layout.coloraxis.colorbar.title.text
    assert not any(trace.fill for trace in layer_curves(change).data)
    assert colour_span(change)[1] == pytest.approx(np.abs(change.value).max())


def test_distances_of_kernels_are_no_shares() -> None:
    run = run_of()
    table = table_of(run, run.kernels)
    assert table.quantities == DISTANCES and not table.is_share
    figure = layer_summary(all_videos(table))
    assert figure.layout.yaxis.title.text == "Distance"
    assert "%" not in figure.data[0].hovertemplate.split("identity: %{y")[1].split("}")[0]
    assert not figure.layout.shapes or all(shape.y0 == 0 for shape in figure.layout.shapes)


def test_the_summary_draws_the_means_with_their_spread(table: LayerTable) -> None:
    whole = all_videos(table)
    assert whole.spread is not None
    for place, trace in enumerate(layer_summary(whole).data):
        np.testing.assert_allclose(trace.y, whole.value[0, :, place])
        np.testing.assert_allclose(trace.error_y.array, whole.spread[0, :, place])
    assert list(layer_summary(whole).layout.xaxis.ticktext) == [
        str(int(block.split(".")[1]) + 1) for block in table.columns
    ]


def test_figures_suit_both_pages_and_no_name_becomes_markup(table: LayerTable) -> None:
    odd = replace(table, categories=("<b>x</b>", *table.categories[1:]))
    drawn, mapped = layer_curves(odd, chosen="<b>x</b>"), layer_map(odd)
    for figure in (drawn, mapped, layer_summary(all_videos(odd))):
        check_suits_both_pages(figure)
    for text in (drawn.layout.xaxis.ticktext[0], mapped.layout.yaxis.ticktext[0],
                 mapped.data[-1].text[0]):
        assert text.startswith("&lt;b&gt;x")
