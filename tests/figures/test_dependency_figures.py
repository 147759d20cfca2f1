"""Figures of SDA show what the record holds: weights, gates, responses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dsanet_core import figures
from dsanet_core.figures import (
    style,
)
from tests.factory import make_analysis, make_selection
from tests.figures.checks import check_suits_both_pages
from tests.figures.test_frames import picture
from tests.figures.test_palette import MEANINGFUL, VISION, contrast, distance

NAMES = ("LST", "LT", "LS", "S122")
SDA = make_analysis(0, frames=1, group_size=8, consensus="sda")
TWO_VIEWS = make_analysis(1, consensus="sda")
BLOCK = SDA.selections[1]
ALL = {
    "weights": figures.dependency_weights(SDA, chosen=BLOCK.block),
    "maps": figures.gate_maps(SDA, BLOCK),
    "time": figures.gate_over_time(SDA, BLOCK),
    **{name: figures.dependency_response(SDA, BLOCK, name) for name in NAMES},
}


@pytest.mark.parametrize("name", ALL)
def test_every_figure_survives_json_and_suits_both_pages(name: str) -> None:
    figure = ALL[name]
    check_suits_both_pages(figure)
    assert figure.layout.title.text is None, "the page has the headline"


@pytest.mark.parametrize("view", [0, 1])
def test_weights_are_stacked_as_shares_and_centred_as_points(view: int) -> None:
    figure = figures.dependency_weights(TWO_VIEWS, view)
    bars, lines = figure.data[::2], figure.data[1::2]
    weights = np.stack([each.weights[view] for each in TWO_VIEWS.selections], -1)
    np.testing.assert_allclose([each.y for each in bars], weights)
    np.testing.assert_allclose(sum(np.asarray(each.y) for each in bars), 1, rtol=1e-6)
    np.testing.assert_allclose([each.y for each in lines], 100 * (weights - 0.25), atol=1e-5)
    assert [each.name for each in lines] == list(NAMES)
    assert figure.layout.barmode == "stack"
    low, high = figure.layout.yaxis2.range
    assert low == -high < -100 * np.abs(weights - 0.25).max()


def test_blocks_are_named_by_stage_and_the_chosen_one_is_framed() -> None:
    figure = figures.dependency_weights(SDA, chosen="layer3.0.sda")
    assert list(figure.layout.xaxis.ticktext) == ["1", "2", "1", "2"]
    stages = {note.text: note.x for note in figure.layout.annotations}
    assert stages == {"<b>res2</b>": 0.5, "<b>res4</b>": 2, "<b>res5</b>": 3}
    frame = figure.layout.shapes[-1]
    assert (frame.x0 + frame.x1) / 2 == 2
    odd = replace(SDA, selections=(replace(BLOCK, block="elsewhere"),))
    assert list(figures.dependency_weights(odd).layout.xaxis.ticktext) == ["elsewhere"]


def test_blocks_with_other_dependencies_keep_their_own_columns() -> None:
    two = make_selection(3, block="layer2.0.sda", dependencies=("S144", "LT"))
    figure = figures.dependency_weights(replace(SDA, selections=(BLOCK, two)))
    found = {bars.name: dict(zip(bars.x, bars.y, strict=True)) for bars in figure.data[::2]}
    assert list(found["LST"]) == [0]
    assert found["S144"] == {1: pytest.approx(two.weights[0, 0])}
    assert found["LT"] == {
        0: pytest.approx(BLOCK.weights[0, 1]), 1: pytest.approx(two.weights[0, 1])
    }  # fmt: skip


def test_figures_of_sda_need_sda() -> None:
    with pytest.raises(ValueError, match="no SDA blocks"):
        figures.dependency_weights(make_analysis(0))


@pytest.mark.parametrize("view", [0, 1])
def test_every_frame_has_its_gate_the_average_gate_and_the_difference(view: int) -> None:
    selection = TWO_VIEWS.selections[2]
    figure = figures.gate_maps(TWO_VIEWS, selection, view)
    gate, average = (g[view].astype(float) for g in (selection.gate, selection.average_gate))
    assert len(figure.data) == 3 * 16
    shown: dict[str, list[np.ndarray]] = {"coloraxis": [], "coloraxis2": []}
    for trace in figure.data:
        shown[trace.coloraxis].append(np.asarray(trace.z)[::-1])
    # Two lines of eight frames, each with both gates.
    gates = np.stack(shown["coloraxis"]).reshape(2, 2, 8, *gate.shape[1:])
    np.testing.assert_allclose(gates[:, 0].reshape(gate.shape), gate, atol=1e-6)
    np.testing.assert_allclose(gates[:, 1].reshape(gate.shape), average, atol=1e-6)
    np.testing.assert_allclose(np.stack(shown["coloraxis2"]), gate - average, atol=1e-6)
    both = np.stack([selection.gate, selection.average_gate])
    scale, difference = figure.layout.coloraxis, figure.layout.coloraxis2
    assert (scale.cmin, scale.cmax) == (both.min(), both.max()), "one scale for all"
    assert difference.cmin == -difference.cmax == pytest.approx(-np.abs(gate - average).max())


def test_maps_stand_under_the_pictures_that_the_view_saw() -> None:
    figure = figures.gate_maps(SDA, BLOCK)
    thumbnails = SDA.frames_of_view(SDA.thumbnails, 0)
    side = round(min(thumbnails.shape[1:3]) * 64 / 72)
    assert len(figure.layout.images) == 8
    for frame, image in enumerate(figure.layout.images):
        seen = picture(image.source)
        top, left = ((size - side) // 2 for size in thumbnails.shape[1:3])
        expected = thumbnails[frame, top : top + side, left : left + side]
        np.testing.assert_array_equal(seen, expected)
        for line in range(3):
            under = figure.data[8 * line + frame]
            assert under.x0 - under.dx / 2 == pytest.approx(image.x)
            width = np.asarray(under.z).shape[1] * under.dx
            assert width == pytest.approx(image.sizex)
    bare = replace(SDA, thumbnails=np.zeros((8, 1, 0, 0, 3), np.uint8))
    assert not figures.gate_maps(bare, BLOCK).layout.images


def test_the_three_crops_of_a_wide_video_are_its_start_middle_and_end() -> None:
    from dsanet_core.figures.images import crops_of_view

    protocol = replace(make_analysis(0, frames=1, group_size=8).protocol, num_crops=3)
    wide = np.arange(8 * 9 * 30, dtype=np.uint8).reshape(8, 1, 9, 30, 1).repeat(3, -1)
    analysis = replace(
        make_analysis(0, frames=1, group_size=8), protocol=protocol, thumbnails=wide
    )
    for view, left in enumerate((0, 11, 22)):
        crops = crops_of_view(analysis, view)
        np.testing.assert_array_equal(crops, wide[:, 0, 0:8, left : left + 8])


def test_small_differences_look_small() -> None:
    flat = np.full_like(BLOCK.gate, 0.5)
    layout = figures.gate_maps(SDA, replace(BLOCK, gate=flat, average_gate=flat)).layout
    assert (layout.coloraxis2.cmin, layout.coloraxis2.cmax) == (-0.01, 0.01)
    assert (layout.coloraxis.cmin, layout.coloraxis.cmax) == (0.49, 0.51)


def test_the_mean_gate_stands_at_the_times_of_the_view() -> None:
    for view in (0, 1):
        selection = TWO_VIEWS.selections[0]
        own, average = figures.gate_over_time(TWO_VIEWS, selection, view).data
        times = TWO_VIEWS.frames_of_view(TWO_VIEWS.pts_seconds, view)
        for line, gate in ((own, selection.gate), (average, selection.average_gate)):
            np.testing.assert_array_equal(line.x, times)
            np.testing.assert_allclose(line.y, gate[view].astype(float).mean((1, 2)))
        assert own.name == "selection"


def test_a_response_is_shown_on_its_own_grid() -> None:
    lst, lt, ls, s122 = (ALL[name] for name in NAMES)
    values = [response[0].astype(np.float32) for response in BLOCK.responses]
    assert lst.layout.annotations[0].text == f"{values[0].item():.3f}"
    np.testing.assert_array_equal(np.asarray(lt.data[0].z)[::-1], values[1][0])
    np.testing.assert_array_equal(ls.data[0].y, values[2][:, 0, 0])
    np.testing.assert_array_equal(ls.data[0].x, SDA.pts_seconds.ravel())
    maps = [np.asarray(trace.z)[::-1] for trace in s122.data]
    np.testing.assert_array_equal(maps, values[3])
    most = max(float(each.max()) for each in BLOCK.responses)
    for figure in (lst, lt, s122):
        assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (0, most)
    assert ls.layout.yaxis.range[1] >= most


def test_a_response_with_fewer_frames_stands_at_the_middle_of_those_it_pools() -> None:
    paired = make_selection(0, dependencies=("S222", "LS"))
    figure = figures.dependency_response(SDA, paired, "S222")
    times = SDA.pts_seconds.ravel()
    assert len(figure.data) == 4
    assert figure.data[1].hovertemplate.startswith(f"{times[2:4].mean():.2f} s")


def test_a_dependency_keeps_its_colour_and_symbol_whatever_stands_beside_it() -> None:
    all_marks = style.dependency_marks((*NAMES, "S144", "S222"))
    assert style.dependency_marks(("S122", "LT")) == {
        name: all_marks[name] for name in ("S122", "LT")
    }
    assert len(set(all_marks.values())) == len({mark for _, mark in all_marks.values()}) == 6
    odd = style.dependency_marks(("1x3x3/3x1x1", "LST", "2x1x1/1x3x3"))
    assert len(set(odd.values())) == 3
    many = [f"1x{size}x{size}/3x1x1" for size in range(2, 12)]
    assert len(style.dependency_marks(many)) == 10


def test_colours_of_dependencies_stand_out_and_apart() -> None:
    colours = [colour for colour, _ in style.dependency_marks((*NAMES, "S144", "S222")).values()]
    extra = set(colours) - MEANINGFUL
    assert len(extra) == 1
    for colour in extra:
        assert min(contrast(colour, page) for page in (style.LIGHT_PAGE, style.DARK_PAGE)) >= 3
        for vision in VISION:
            others = [other for other in colours if other != colour]
            assert min(distance(colour, other, vision) for other in others) > 20
