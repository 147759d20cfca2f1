"""Figures of why show what the records hold: heat, shares, curves, effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from dsanet_core.figures import attribution as drawn
from dsanet_core.figures import block_ablation as hangs
from dsanet_core.figures import (
    style,
)
from tests.factory import CLASSES, make_analysis
from tests.figures.checks import check_suits_both_pages
from tests.figures.test_frames import picture
from tests.why_factory import make_attribution, make_effects, make_faithfulness, make_run_effects

ANALYSIS = make_analysis(0)
SHOWN = make_attribution(ANALYSIS)
EFFECTS = make_effects()
OF_RUN = make_run_effects(len(CLASSES))
ALL = {
    "strip": drawn.heat_strip(ANALYSIS, SHOWN, most=1.0),
    "frame": drawn.heat_frame(ANALYSIS, SHOWN, 1, 2, most=1.0),
    "importance": drawn.importance(ANALYSIS, SHOWN),
    "curves": drawn.insertion_deletion(make_faithfulness()),
    "blocks": hangs.block_effects(EFFECTS, CLASSES),
    "map": hangs.effects_of_categories(OF_RUN, CLASSES, range(len(CLASSES))),
    "totals": hangs.effects_of_blocks(OF_RUN),
}


def bars(figure: go.Figure, axis: str = "y") -> dict[float, float]:
    """Place -> height of every bar on an axis."""
    found = {}
    for trace in figure.data:
        if trace.type == "bar" and (trace.yaxis or "y") == axis:
            found |= dict(zip(trace.x, trace.y, strict=True))
    return dict(sorted(found.items()))


@pytest.mark.parametrize("name", ALL)
def test_every_figure_survives_json_and_suits_both_pages(name: str) -> None:
    check_suits_both_pages(ALL[name])
    assert ALL[name].layout.title.text is None, "the page has the headline"


@pytest.mark.parametrize("snippet", [None, 3])
@pytest.mark.parametrize("crops", [1, 3])
@pytest.mark.parametrize("side", [4, 16, 32, 48])
def test_heat_adds_up_to_the_shares_of_the_frames(
    snippet: int | None, crops: int, side: int
) -> None:
    analysis = replace(ANALYSIS, protocol=replace(ANALYSIS.protocol, num_crops=crops), kernels=())
    attribution = make_attribution(analysis, snippet=snippet, side=side)
    heat = np.stack([drawn.heat(attribution, crop) for crop in range(crops)])
    assert heat.shape[:3] == (crops, 8, 4) and heat.shape[-1] <= drawn.CELLS
    # The area is 100 hundredths.
    np.testing.assert_allclose(
        100 * heat.mean((0, 3, 4)), attribution.per_frame, rtol=1e-6, atol=1e-9
    )


def test_a_map_of_odd_size_keeps_its_hot_place() -> None:
    attribution = make_attribution(ANALYSIS, side=37)
    maps = np.zeros_like(attribution.maps)
    maps[1, 5, 30, 7] = 1.0  # view 1 shows the snippets 1, 3, 5, 7: its frame 5 is in snippet 3
    heat = drawn.heat(replace(attribution, maps=maps))
    place = np.unravel_index(int(heat.argmax()), heat.shape)
    assert place[:2] == (3, 1)
    assert tuple(np.array(place[2:]) * 37 // 16) == pytest.approx((30, 7), abs=2)
    assert heat.sum() > 0 and np.count_nonzero(heat) == 1


def test_every_frame_lies_under_its_own_map_on_one_scale() -> None:
    figure = drawn.heat_strip(ANALYSIS, SHOWN, most=0.7)
    heat = drawn.heat(SHOWN)
    assert len(figure.data) == len(figure.layout.images) == 32
    for trace, expected in zip(figure.data, heat.reshape(32, 4, 4), strict=True):
        np.testing.assert_allclose(np.asarray(trace.z)[::-1], expected, rtol=1e-5)
        assert trace.coloraxis == "coloraxis"
    scale = figure.layout.coloraxis
    assert (scale.cmin, scale.cmax) == (-0.7, 0.7)
    assert [stop[1][-3:] for stop in scale.colorscale[1:3]] == [",0)", ",0)"], "0 is not there"
    for image, trace in zip(figure.layout.images, figure.data, strict=True):
        assert image.layer == "below" and trace.x0 - trace.dx / 2 == pytest.approx(image.x)
    grey = picture(figure.layout.images[0].source)
    assert (grey[..., 0] == grey[..., 1]).all(), "colours would be taken for heat"
    headings = [note.text for note in figure.layout.annotations if "Snippet" in note.text]
    assert len(headings) == 8
    assert headings[2] == f"Snippet 3: {SHOWN.per_snippet[2]:+.3f} logit".replace("-", "−")


def test_the_frame_in_the_large_is_seen_as_it_is_and_under_its_heat() -> None:
    figure = ALL["frame"]
    seen, under = figure.layout.images
    expected = ANALYSIS.thumbnails[1, 2]
    side = round(6 * 64 / 72)
    top, left = (6 - side) // 2, (8 - side) // 2
    np.testing.assert_array_equal(
        picture(seen.source), expected[top : top + side, left : left + side]
    )
    assert under.layer == "below" and under.x == 1
    np.testing.assert_allclose(np.asarray(figure.data[0].z)[::-1], drawn.heat(SHOWN)[1, 2])
    assert f"{ANALYSIS.pts_seconds[1, 2]:.2f} s" in figure.data[0].hovertemplate


def test_the_shared_scale_holds_all_but_the_few_hottest_places_of_all() -> None:
    other = make_attribution(ANALYSIS, seed=1)
    most = drawn.heat_limit([SHOWN, other])
    assert most >= max(drawn.heat_limit([SHOWN]), drawn.heat_limit([other])) * 0.95
    heat = np.abs(np.stack([drawn.heat(each) for each in (SHOWN, other)]))
    assert 0.99 < (heat <= most).mean() < 1
    maps = np.zeros_like(SHOWN.maps)
    assert drawn.heat_limit([replace(SHOWN, maps=maps)]) == drawn.LEAST_HEAT
    maps[0, 0, 0, 0] = 1
    lonely = replace(SHOWN, maps=maps)
    assert drawn.heat_limit([lonely]) == pytest.approx(np.abs(drawn.heat(lonely)).max() / 4)


def test_bars_over_time_are_the_shares_of_snippets_and_of_the_videos_frames() -> None:
    figure = ALL["importance"]
    middles = (ANALYSIS.pts_seconds.min(1) + ANALYSIS.pts_seconds.max(1)) / 2
    upper = bars(figure)
    np.testing.assert_allclose(list(upper), middles)
    np.testing.assert_allclose(list(upper.values()), SHOWN.per_snippet)
    lower = bars(figure, "y2")
    np.testing.assert_allclose(list(lower), np.unique(ANALYSIS.pts_seconds))
    frame = int(np.unique(ANALYSIS.frame_index)[9])
    own = SHOWN.per_frame[frame == ANALYSIS.frame_index].sum()
    assert lower[frame / 25] == pytest.approx(own), "what several snippets saw is added"
    assert sum(lower.values()) == pytest.approx(SHOWN.per_frame.sum())
    blue = [t for t in figure.data if t.type == "bar" and t.marker.color == style.FOR]
    assert all(min(trace.y, default=0) >= 0 for trace in blue)
    low, high = figure.layout.yaxis.range
    assert low < min(0, SHOWN.per_snippet.min()) and high > SHOWN.per_snippet.max()
    shared = drawn.importance(ANALYSIS, SHOWN, span=(-2.0, 9.0)).layout.yaxis.range
    assert shared[0] < -2 and shared[1] > 9


def test_single_frames_have_one_row_of_bars() -> None:
    analysis = make_analysis(2, frames=1, group_size=8, consensus="sda")
    figure = drawn.importance(analysis, make_attribution(analysis))
    assert not bars(figure, "y2") and len(bars(figure)) == 8
    assert "Frames" in figure.layout.yaxis.title.text
    strip = drawn.heat_strip(analysis, make_attribution(analysis), most=1.0)
    assert len(strip.data) == 8
    bare = replace(analysis, thumbnails=np.zeros((8, 1, 0, 0, 3), np.uint8))
    assert not drawn.heat_strip(bare, make_attribution(bare), most=1.0).layout.images


def test_curves_stand_over_the_band_of_random_orders() -> None:
    tested = make_faithfulness()
    band, insertion, _, deletion = drawn.insertion_deletion(tested).data
    np.testing.assert_array_equal(insertion.y, tested.insertion)
    np.testing.assert_array_equal(deletion.y, tested.deletion)
    np.testing.assert_allclose(insertion.x, 100 * tested.shares)
    steps = len(tested.shares)
    np.testing.assert_array_equal(band.y[:steps], tested.random_insertion.max(0))
    np.testing.assert_array_equal(band.y[steps:], tested.random_insertion.min(0)[::-1])


def test_blocks_stand_in_the_order_of_the_network_or_of_what_they_carry() -> None:
    for first, order in ((False, [0, 1, 2]), (True, [1, 0, 2])):
        figure = hangs.block_effects(EFFECTS, CLASSES, strongest_first=first)
        found = {
            int(y): x for trace in figure.data for y, x in zip(trace.y, trace.x, strict=True)
        }
        drops = [100 * EFFECTS.drop[place] for place in order]
        np.testing.assert_allclose([found[place] for place in range(3)], drops)
        names = ["res3, block 2", "res4, block 1", "res4, block 2"]
        assert list(figure.layout.yaxis.ticktext) == [names[place] for place in order]
    texts = [text for trace in figure.data for text in trace.text]
    assert texts == [f"→ {CLASSES[1]}", "", ""], "bars name a changed prediction"


def test_a_category_without_videos_is_left_out_of_the_map_and_of_the_sum() -> None:
    figure = hangs.effects_of_categories(OF_RUN, CLASSES, [3, 1, 0], chosen=CLASSES[0])
    np.testing.assert_allclose(figure.data[0].z, 100 * OF_RUN.drop[[3, 0]], rtol=1e-5)
    assert list(figure.layout.yaxis.ticktext) == [CLASSES[3], f"<b>{CLASSES[0]}</b>"]
    known = OF_RUN.videos > 0
    videos = OF_RUN.videos[known]
    expected = 100 * (videos[:, None] * OF_RUN.drop[known]).sum(0) / videos.sum()
    np.testing.assert_allclose(hangs.effects_of_blocks(OF_RUN).data[0].y, expected)
