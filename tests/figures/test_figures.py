"""Figures show the record's numbers, all of them and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dsanet_core import figures
from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.style import plain, wrap
from dsanet_core.records import Kernel
from tests.factory import make_analysis, make_kernel
from tests.figures.checks import check_suits_both_pages

A = make_analysis(0)
B = make_analysis(1, name="tsn_i3d_synth", consensus="average")
ALL = {
    "snippet_timeline": figures.snippet_timeline(A, [0, 2]),
    "top_bars": figures.top_bars(A),
    "compare_snippets": figures.compare_snippets(A, B, "moving left"),
    "disagreement": figures.disagreement(A, B),
    "kernel_heatmap": figures.kernel_heatmap(A.kernels[0]),
    "kernel_ternary": figures.kernel_ternary(A.kernels[0]),
    "kernel_distances": figures.kernel_distances(A),
}


@pytest.mark.parametrize("name", ALL)
def test_every_figure_survives_json_and_suits_both_pages(name: str) -> None:
    figure = ALL[name]
    check_suits_both_pages(figure)
    assert figure.layout.title.text is None, "the page has the headline"


@pytest.mark.parametrize("name", sorted(set(ALL) - {"kernel_ternary", "compare_snippets"}))
def test_the_quantity_has_a_name(name: str) -> None:
    layout = ALL[name].layout
    assert layout.xaxis.title.text or layout.yaxis.title.text


def test_timeline_holds_the_scores_at_the_times_that_were_seen() -> None:
    chosen = [3, 1]
    figure = figures.snippet_timeline(A, chosen)
    for order, index in enumerate(chosen):
        snippets, video = figure.data[2 * order : 2 * order + 2]
        np.testing.assert_array_equal(snippets.y, A.snippet_scores[:, index])
        half = np.asarray(snippets.error_x.array)
        np.testing.assert_allclose(snippets.x - half, A.pts_seconds[:, 0])
        np.testing.assert_allclose(snippets.x + half, A.pts_seconds[:, -1])
        assert set(video.y) == {float(A.video_scores[index])}
        assert A.model.classes[index] in snippets.name
    assert list(figure.layout.xaxis.range) == [0, A.video.duration_seconds]


def test_timeline_takes_single_frame_snippets() -> None:
    one = make_analysis(2, frames=1)
    snippets = figures.snippet_timeline(one, [0]).data[0]
    assert set(snippets.error_x.array) == {0.0}
    assert list(snippets.customdata)[:2] == ["frame 1 · at 0.0 s", "frame 2 · at 0.4 s"]


def test_top_bars_are_the_best_categories_in_order() -> None:
    figure = figures.top_bars(A, 3)
    bars = figure.data[0]
    assert list(zip(bars.customdata, bars.x, strict=True)) == A.top(3)


def test_categories_of_one_name_keep_their_own_bars() -> None:
    twins = replace(A, model=replace(A.model, classes=("same",) * 5))
    assert len(set(figures.top_bars(twins).data[0].y)) == 5


def test_markup_in_a_category_name_is_shown_not_obeyed() -> None:
    odd = replace(A, model=replace(A.model, classes=('<a href="x">go</a>', "b", "c", "d", "e")))
    for figure in (
        figures.top_bars(odd),
        figures.snippet_timeline(odd, [0]),
        figures.compare_snippets(odd, odd),
        figures.disagreement(odd, odd),
    ):
        assert "<a" not in str(figure.to_plotly_json())


@pytest.mark.parametrize("true_label", [None, *A.model.classes])
def test_compare_marks_right_and_wrong_only_when_the_truth_is_known(true_label: str | None) -> None:
    cells = figures.compare_snippets(A, B, true_label).data[0]
    for column, analysis in enumerate((A, B)):
        scores = np.vstack([analysis.snippet_scores, analysis.video_scores])
        best = [analysis.model.classes[i] for i in scores.argmax(1)]
        right = [2 if name == true_label else 0 for name in best]
        verdicts = [row[column] for row in cells.z]
        assert verdicts == (right if true_label else [1] * 9)
        assert [row[column][1] for row in cells.customdata] == best
        texts = [row[column] for row in cells.text]
        for text, verdict, score in zip(texts, verdicts, scores.max(1), strict=True):
            assert f"{100 * score:.1f}%" in text
            assert (style.RIGHT_SYMBOL in text, style.WRONG_SYMBOL in text) == (
                verdict == 2,
                verdict == 0,
            )
    assert dict(cells.colorscale) == {0: style.WRONG, 0.5: style.NEUTRAL, 1: style.RIGHT}


def test_networks_that_saw_different_frames_are_lined_up_by_time() -> None:
    short = make_analysis(3, snippets=4, name="short")
    figure = figures.compare_snippets(A, short, "moving left")
    for column, analysis in enumerate((A, short)):
        cells, video = figure.data[2 * column : 2 * column + 2]
        assert list(cells.x) == list(video.x) == [column, column + 1]
        assert len(cells.y) == len(analysis.snippet_scores) + 1, "edges"
        for place, (first, last) in enumerate(analysis.pts_seconds[:, [0, -1]]):
            assert cells.y[place] < (first + last) / 2 < cells.y[place + 1]
        assert (cells.y[0], cells.y[-1]) == (0, A.video.duration_seconds)
        scores = np.vstack([analysis.snippet_scores, analysis.video_scores])
        best = [analysis.model.classes[i] for i in scores.argmax(1)]
        verdicts = [row[0] for row in (*cells.z, *video.z)]
        assert verdicts == [2 if name == "moving left" else 0 for name in best]
        assert [row[0][1] for row in (*cells.customdata, *video.customdata)] == best
        assert min(video.y) > max(cells.y), "the whole video stands below"


def test_snippets_without_an_order_in_time_are_lined_up_by_number() -> None:
    short = make_analysis(3, snippets=4, name="short")
    still = replace(short, pts_seconds=np.zeros_like(short.pts_seconds))
    cells = figures.compare_snippets(A, still).data[0]
    assert [row[1] for row in cells.z] == [1] * 4 + [None] * 4 + [1]
    assert cells.customdata[-1][1][0] == "video"


def test_compare_keeps_two_columns_for_one_network() -> None:
    assert len(set(figures.compare_snippets(A, A).data[0].x)) == 2


def test_disagreement_is_the_difference_in_points() -> None:
    figure = figures.disagreement(A, B)
    names = [A.top(1)[0][0], B.top(1)[0][0]]
    assert len(figure.data) == len(set(names)) == 2, "the seeds are chosen to disagree"
    for bars, name in zip(figure.data, names, strict=True):
        index = A.model.classes.index(name)
        np.testing.assert_allclose(
            bars.y[:-1], 100 * (A.snippet_scores - B.snippet_scores)[:, index], atol=1e-5
        )
        np.testing.assert_allclose(
            bars.y[-1], 100 * (A.video_scores - B.video_scores)[index], atol=1e-5
        )
        assert name in bars.name


def test_a_network_agrees_with_itself() -> None:
    (bars,) = figures.disagreement(A, A).data
    assert not np.any(bars.y)


def test_disagreement_of_networks_with_other_categories_or_snippets() -> None:
    other = make_analysis(3, snippets=4, classes=("x", "y"), name="other")
    mine, theirs = figures.disagreement(A, other).data
    assert list(mine.x) == ["Video"]
    np.testing.assert_allclose(mine.y, [100 * A.video_scores.max()], rtol=1e-6)
    np.testing.assert_allclose(theirs.y, [-100 * other.video_scores.max()], rtol=1e-6)


@pytest.mark.parametrize("taps", [3, 5])
def test_heatmap_shows_the_kernel_of_the_view(taps: int) -> None:
    kernel = make_kernel(4, taps=taps)
    for view in range(2):
        cells = figures.kernel_heatmap(kernel, view).data[0]
        np.testing.assert_array_equal(np.asarray(cells.z).T, kernel.values[view])
        assert (cells.zmin, cells.zmax) == (0, 1)
        assert cells.y[taps // 2] == "same snippet"
        assert list(cells.y) == figures.tap_names(taps)


def test_ternary_places_identity_on_top_and_averaging_in_the_middle() -> None:
    kernel = make_kernel(5)
    figure = figures.kernel_ternary(kernel)
    for view, points in enumerate(figure.data[:-1]):
        taps = np.stack([points.b, points.a, points.c], axis=-1)
        np.testing.assert_array_equal(taps, kernel.values[view])
    marks = figure.data[-1]
    assert (marks.a[0], marks.b[0], marks.c[0]) == (1, 0, 0)
    assert marks.a[1] == marks.b[1] == marks.c[1]
    assert list(marks.text) == ["identity", "averaging"]


def test_ternary_refuses_other_sizes() -> None:
    with pytest.raises(ValueError, match="5 taps"):
        figures.kernel_ternary(make_kernel(taps=5))


def test_distances_are_zero_for_identity_and_averaging_kernels() -> None:
    identity = np.zeros((1, 4, 3))
    identity[..., 1] = 1
    kernels = (Kernel("a", identity, 4), Kernel("b", np.full((1, 4, 3), 1 / 3), 4))
    to_identity, to_average = figures.kernel_distances(replace(A, kernels=kernels)).data
    np.testing.assert_allclose(to_identity.x, [0, 2 / 3])
    np.testing.assert_allclose(to_average.x, [2 / 3, 0], atol=1e-12)
    assert list(to_identity.y) == ["a", "b"]


def test_distances_need_dsa_blocks() -> None:
    with pytest.raises(ValueError, match="no DSA blocks"):
        figures.kernel_distances(B)


def test_a_name_is_never_markup_nor_a_number_to_fill_in_nor_turns_what_follows() -> None:
    assert plain("<b>%{x:.1f}</b> a\u202eb\nc") == "&lt;b&gt;%&#123;x:.1f}&lt;/b&gt; a b c"
    assert wrap("%{y} <i>x</i>", 60) == "%&#123;y} &lt;i&gt;x&lt;/i&gt;"
