"""A part of a video, given in seconds, is sampled as if it were the video."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsanet_core.errors import VideoError
from dsanet_core.records import Clips, Sampling
from dsanet_core.video import DEFAULT_LIMITS, decode, read_clips, snippet_indices
from tests.video.make import number_of, repeat_video, write_video

SAMPLING = Sampling(num_snippets=3, frames_per_snippet=2, frame_stride=2)


def numbers(clips: Clips) -> list[list[int]]:
    """(S, T) numbers that the snippets' frames spell."""
    seen = [number_of(picture) for picture in clips.frames.rgb]
    return [[seen[place] for place in row] for row in clips.position]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("v.mp4", {}),
        ("v.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
        ("v.gif", {"codec": "gif", "pixels": "rgb8"}),
        ("v.h264", {"container": "h264"}),
    ],
)
def test_frames_come_from_the_window_alone(tmp_path: Path, name: str, how: dict[str, Any]) -> None:
    path = write_video(tmp_path / name, range(60), rate=25, **how)
    clips = read_clips(path, SAMPLING, window=(0.4, 1.28))
    expected = 10 + snippet_indices(22, SAMPLING)
    assert numbers(clips) == expected.tolist(), "0.4 s is in, 1.28 s is not"
    np.testing.assert_array_equal(clips.frame_index, expected)
    np.testing.assert_allclose(clips.pts_seconds, expected / 25, atol=1e-6)


def test_the_facts_are_those_of_the_window_and_a_note_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", range(60), rate=20)
    video = read_clips(path, SAMPLING, window=(0.5, 1.6)).frames.video
    assert (video.num_frames, video.num_frames_claimed, video.fps) == (22, None, 20)
    assert video.duration_seconds == pytest.approx(1.1)
    assert video.notes == ("the part from 0.50 s to 1.55 s, 22 of 60 frames",)
    whole = read_clips(path, SAMPLING).frames.video
    assert whole.num_frames_claimed == 60
    assert read_clips(path, SAMPLING, window=(0, 9)).frames.video == whole


def test_a_window_goes_by_the_times_of_frames_and_not_by_their_rate(tmp_path: Path) -> None:
    times = [Fraction(i, 20) for i in range(20)] + [1 + Fraction(i, 2) for i in range(10)]
    path = write_video(tmp_path / "v.mkv", range(30), times=times)
    one = Sampling(4, 1, 1)
    clips = read_clips(path, one, window=(0.9, 3))
    assert numbers(clips) == [[18], [19], [21], [22]], "of frames 18 to 23, at 0.9 to 2.5 s"
    assert clips.frames.video.num_frames == 6


@pytest.mark.parametrize("policy", ["repeat_last", "loop"])
def test_a_window_shorter_than_a_snippet_is_filled_up_from_itself(
    tmp_path: Path, policy: Any
) -> None:
    path = write_video(tmp_path / "v.mp4", range(30), rate=20)
    sampling = Sampling(1, 4, 1, policy=policy)
    clips = read_clips(path, sampling, window=(1, 1.1))
    last = [20, 21] if policy == "loop" else [21, 21]
    assert numbers(clips) == [[20, 21, *last]]
    assert any("shorter than a snippet (2 of 4 frames)" in n for n in clips.frames.video.notes)


def test_a_part_of_the_snippets_of_a_window_is_that_part_of_them(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", range(60), rate=20)
    whole = read_clips(path, SAMPLING, window=(1, 2))
    some = read_clips(path, SAMPLING, window=(1, 2), part=(1, 3))
    assert some.sampling == replace(SAMPLING, num_snippets=2)
    assert numbers(some) == numbers(whole)[1:]


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ((3, 4), "from 3 s to 4 s of 3 s"),
        ((3.5, float("inf")), "from 3.5 s to its end of 3 s"),
        ((0.51, 0.54), "from 0.51 s to 0.54 s"),
        ((2, 1), "from 2 s to 1 s"),
        ((float("nan"), 1), "from nan s to 1 s"),
    ],
)
def test_a_window_without_a_frame_is_refused_by_name(
    tmp_path: Path, window: tuple[float, float], says: str
) -> None:
    path = write_video(tmp_path / "v.mp4", range(60), rate=20)
    with pytest.raises(VideoError, match=rf"v\.mp4 has no picture {says}"):
        read_clips(path, SAMPLING, window=window)


def test_a_window_late_in_a_long_video_costs_its_own_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lap = write_video(tmp_path / "lap.mp4", range(250), keyframe_every=50)
    path = repeat_video(lap, tmp_path / "long.mp4", 14)

    def read() -> decode.Reading:
        with path.open("rb", buffering=0) as file:
            return decode.read_snippets(file, SAMPLING, DEFAULT_LIMITS, window=(101, 103))

    readings = [read()]
    for name in ("header_timeline", "packet_timeline"):
        monkeypatch.setattr(decode, name, _contradict)
        readings.append(read())
    expected = np.unique(101 * 25 + snippet_indices(50, SAMPLING))
    for reading in readings:
        assert reading.facts["frame_index"] == expected.tolist()
        assert [number_of(rgb) for rgb in reading.pictures] == (expected % 250).tolist()
    # A keyframe interval before the window, the window, and what the threads run ahead.
    assert readings[0].frames_decoded < 50 + 50 + 13


def _contradict(*_: object) -> decode.Timeline:
    raise decode.ContradictionError("for the test")
