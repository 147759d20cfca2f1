"""Records refuse nonsense when they are made, and say how a video is dealt out to forwards."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest

from dsanet_core.records import Clips, Frames, Kernel, Protocol, Sampling, Video
from tests.factory import make_analysis, make_kernel, make_selection
from tests.why_factory import make_attribution, make_effects, make_faithfulness, make_run_effects
from tools.made_up_run import made_up_run

VIDEO = Video("a.mp4", "0" * 64, "mp4", "h264", 4, 2, 25.0, 1.0, 25)
HALF = (0.5, 0.5, 0.5)


def protocol(snippets: int, group_size: int, crops: int) -> Protocol:
    return Protocol(Sampling(snippets, 4, 2), group_size, crops, 72, 64, HALF, HALF)


def frames(**changes: Any) -> Frames:
    values: dict[str, Any] = {
        "video": VIDEO,
        "rgb": np.zeros((3, 2, 4, 3), np.uint8),
        "frame_index": np.array([0, 5, 9]),
        "pts_seconds": np.array([0.0, 0.2, 0.36]),
    }
    return Frames(**(values | changes))


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        VIDEO.name = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"fps": 0.0},
        {"fps": float("nan")},
        {"num_frames": 0},
        {"duration_seconds": -1.0},
        {"duration_seconds": float("nan")},
    ],
)
def test_impossible_videos_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(VIDEO, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"rgb": np.zeros((3, 2, 4), np.uint8)},
        {"rgb": np.zeros((3, 2, 4, 3), np.float32)},
        {"rgb": np.zeros((0, 2, 4, 3), np.uint8)},
        {"frame_index": np.array([0, 5])},
        {"frame_index": np.array([0, 5, 5])},
        {"pts_seconds": np.array([0.0])},
    ],
)
def test_impossible_frames_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        frames(**change)


def test_clips_point_into_frames() -> None:
    position = np.array([[0, 1], [1, 2]])
    clips = Clips(frames(), Sampling(2, 2, 4), position)
    np.testing.assert_array_equal(clips.frame_index, [[0, 5], [5, 9]])
    np.testing.assert_array_equal(clips.pts_seconds, [[0.0, 0.2], [0.2, 0.36]])
    for wrong in (position + 1, position - 1, position[:1]):
        with pytest.raises(ValueError):
            Clips(frames(), Sampling(2, 2, 4), wrong)


@pytest.mark.parametrize(("snippets", "group_size"), [(8, 4), (8, 1), (8, 8), (6, 3), (1, 1)])
@pytest.mark.parametrize("crops", [1, 3])
def test_views_see_every_snippet_once_per_crop_and_never_mix_crops(
    snippets: int, group_size: int, crops: int
) -> None:
    p = protocol(snippets, group_size, crops)
    table = p.snippet_of_view
    assert table.shape == (p.num_views, group_size) == (snippets // group_size * crops, group_size)
    for crop in range(crops):
        own = table[crop * p.num_groups : (crop + 1) * p.num_groups]
        assert sorted(own.ravel()) == list(range(snippets))
    assert (np.diff(table, axis=1) == p.num_groups).all(), "groups are interleaved, in time order"


def test_eight_snippets_form_the_two_groups_of_the_paper() -> None:
    np.testing.assert_array_equal(protocol(8, 4, 1).snippet_of_view, [[0, 2, 4, 6], [1, 3, 5, 7]])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sampling(0, 4, 2),
        lambda: Sampling(8, 4, 0),
        lambda: Sampling(8, 4, 2, "guess"),
        lambda: protocol(8, 3, 1),
        lambda: protocol(8, 0, 1),
        lambda: protocol(8, 4, 2),
        lambda: replace(protocol(8, 4, 1), crop=100),
    ],
)
def test_impossible_protocols_are_refused(make: Any) -> None:
    with pytest.raises(ValueError):
        make()


def test_a_protocol_reads_as_one_line() -> None:
    text = protocol(8, 4, 3).describe()
    assert "8 snippets x 4 frames, stride 2 in 2 interleaved groups of 4" in text
    assert "3 crops 64x64 of short side 72" in text
    assert "group" not in protocol(8, 1, 1).describe()
    assert "1 snippet x" in protocol(1, 1, 1).describe()


def test_kernels_must_be_distributions() -> None:
    Kernel("a", np.full((1, 2, 3), 1 / 3), 16)
    with pytest.raises(ValueError, match="taps of a sum to 1"):
        Kernel("a", np.full((1, 2, 3), 0.4), 16)
    with pytest.raises(ValueError):
        Kernel("a", np.full((2, 3), 1 / 3), 16)


def test_kernel_distances_are_total_variation() -> None:
    identity, forward = np.array([0.0, 1, 0]), np.array([0.0, 0, 1])
    kernel = Kernel("a", np.stack([identity, forward])[None], 16)
    assert kernel.distance_to_identity == pytest.approx(0.5), "0 and 1, averaged"
    assert kernel.distance_to_average == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "change",
    [
        {"video_scores": np.ones(4) / 4},
        {"snippet_scores": np.ones((7, 5)) / 5},
        {"video_scores": np.array([np.nan, 0, 0, 0, 1])},
        {"video_scores": np.array([-0.5, 0.5, 0.5, 0.25, 0.25])},
        {"frame_index": np.zeros((8, 3), int)},
        {"thumbnails": np.zeros((8, 3, 6, 8, 3), np.uint8)},
    ],
)
def test_impossible_analyses_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(make_analysis(), **change)


def test_top_is_sorted_and_stable() -> None:
    scores = np.array([0.1, 0.3, 0.1, 0.4, 0.1])
    analysis = replace(make_analysis(), video_scores=scores)
    names = analysis.model.classes
    assert [name for name, _ in analysis.top(4)] == [names[i] for i in (3, 1, 0, 2)]
    assert len(analysis.top(99)) == 5


def test_familiarity_is_a_threshold() -> None:
    familiarity = make_analysis().familiarity
    assert familiarity is not None and familiarity.is_familiar
    assert not replace(familiarity, score=familiarity.threshold - 1e-6).is_familiar


HALVES = np.full((1, 8, 4, 4), 0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"weights": np.full((1, 4), 0.3)},
        {"weights": np.array([[1.5, -0.5, 0, 0]])},
        {"weights": np.full((1, 4), np.nan)},
        {"weights": np.full(4, 0.25)},
        {"weights": np.full((2, 4), 0.25)},
        {"dependencies": ("LST", "LT")},
        {"aggregation": "max"},
        {"energy": np.ones((1, 3))},
        {"energy": -np.ones((1, 4))},
        {"energy": np.full((1, 4), np.inf)},
        {"gate": HALVES + 0.6},
        {"gate": HALVES - 0.6},
        {"gate": HALVES * np.nan},
        {"gate": HALVES[0]},
        {"gate": HALVES[:, :4]},
        {"average_gate": HALVES * 3},
        {"responses": (HALVES,) * 3},
        {"responses": (HALVES,) * 3 + (HALVES[0],)},
        {"responses": (HALVES,) * 3 + (HALVES * np.nan,)},
        {"responses": (HALVES,) * 3 + (np.zeros((1, 8, 5, 4)),)},
        {"responses": (HALVES,) * 3 + (np.zeros((2, 8, 4, 4)),)},
    ],
)
def test_impossible_selections_are_refused(change: dict[str, Any]) -> None:
    sound = make_selection()
    assert sound.gate.shape == HALVES.shape
    with pytest.raises(ValueError):
        replace(sound, **change)


def test_centred_weights_are_zero_where_selecting_is_averaging() -> None:
    selection = make_selection()
    even = replace(selection, weights=np.full((1, 4), 0.25), average_gate=selection.gate)
    assert not even.centred_weights.any()
    assert even.gate_change.tolist() == [0]
    leaning = replace(selection, weights=np.array([[0.7, 0.1, 0.1, 0.1]]))
    np.testing.assert_allclose(leaning.centred_weights, [[0.45, -0.15, -0.15, -0.15]])
    quarter = replace(selection, gate=HALVES, average_gate=HALVES + 0.25)
    assert quarter.gate_change.tolist() == [0.25]


def test_selections_must_fit_the_views_of_the_analysis() -> None:
    analysis = make_analysis(consensus="sda")
    for wrong in (make_selection(views=3, frames=16), make_selection(views=2, frames=8)):
        with pytest.raises(ValueError, match="gate is"):
            replace(analysis, selections=(wrong,))


def test_frames_of_a_view_stand_in_the_order_of_its_snippets() -> None:
    analysis = make_analysis(snippets=8, frames=2, group_size=4)
    for view, snippets in enumerate([[0, 2, 4, 6], [1, 3, 5, 7]]):
        frames = analysis.frames_of_view(analysis.pts_seconds, view)
        expected = [time for snippet in snippets for time in analysis.pts_seconds[snippet]]
        assert frames.tolist() == expected
    assert analysis.frames_of_view(analysis.thumbnails, 0).shape == (8, 6, 8, 3)


def many_records() -> list[Any]:
    return [
        make_analysis(3, consensus="sda"), make_analysis(3), make_attribution(make_analysis()),
        make_faithfulness(),
        make_effects(), make_run_effects(4), frames(), made_up_run(30, 6, 3),
        Clips(frames(), Sampling(2, 1, 1), np.array([[0], [2]])), make_kernel(), make_selection(),
        made_up_run(30, 6, 3).calibration(), made_up_run(30, 6, 3).selections,
    ]


def test_a_record_prints_on_one_screen_with_the_shapes_of_its_arrays() -> None:
    for record in many_records():
        lines = repr(record).splitlines()
        assert len(lines) <= 36 and max(map(len, lines)) <= 100, type(record)
        for entry in fields(record):
            value = getattr(record, entry.name)
            if isinstance(value, np.ndarray):
                shape = ",".join(map(str, value.shape))
                assert f"{entry.name}={value.dtype}[{shape}]" in repr(record)
    many = replace(make_analysis().model, classes=tuple(map(str, range(400))))
    scores = np.full((8, 400), 1 / 400, np.float32)
    text = repr(replace(make_analysis(), model=many, snippet_scores=scores,
                        video_scores=scores[0], changes=("x" * 500,) * 90))
    assert len(text.splitlines()) <= 36 and "400 in all" in text and "float32[8,400]" in text


def test_equality_of_records_answers_whatever_they_hold() -> None:
    ones, others = many_records(), many_records()
    for place, record in enumerate(ones):
        assert record == others[place] and hash(record) == hash(others[place])
        assert not any(record == other for other in ones[:place] + ones[place + 1 :])
        assert record != 3 and record is not None


def test_one_value_of_an_array_makes_records_unequal_and_nan_equals_nan() -> None:
    analysis = make_analysis(3, consensus="sda")
    for name in ("frame_index", "pts_seconds", "thumbnails", "snippet_scores"):
        changed = getattr(analysis, name).copy()
        changed.flat[-1] += 1
        assert replace(analysis, **{name: changed}) != analysis
    selection = analysis.selections[-1]
    gate = selection.gate * np.float16(0.5)
    others = (*analysis.selections[:-1], replace(selection, gate=gate))
    assert replace(analysis, selections=others) != analysis
    assert replace(analysis, seconds={}) != analysis
    effects = make_run_effects(4)
    empty = replace(effects, before=np.full(4, np.nan))
    assert empty == replace(empty, before=np.full(4, np.nan)) and empty != effects
