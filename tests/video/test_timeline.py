"""The three accounts of a timeline agree, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsanet_core.records import Sampling
from dsanet_core.video import DEFAULT_LIMITS, decode, snippet_indices
from tests.video.make import number_of, peak_memory, repeat_video, write_video

SAMPLING = Sampling(8, 4, 4)
LAP = 250


def read(path: Path) -> decode.Reading:
    with path.open("rb", buffering=0) as file:
        return decode.read_snippets(file, SAMPLING, DEFAULT_LIMITS)


@contextmanager
def accounts_used(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the accounts that gave a timeline, in order."""
    used: list[str] = []

    def watched(name: str) -> None:
        account = getattr(decode, name)

        def watch(*args: object) -> decode.Timeline:
            timeline = account(*args)
            used.append(name)
            return timeline  # type: ignore[no-any-return]

        monkeypatch.setattr(decode, name, watch)

    with monkeypatch.context() as patch:
        monkeypatch = patch
        for name in ("header_timeline", "packet_timeline", "decoded_timeline"):
            watched(name)
        yield used


SEEKABLE: dict[str, dict[str, Any]] = {
    # An open group of pictures: frames shown before a keyframe stand after it in the file.
    "mp4": {"options": {"x264-params": "open-gop=1:bframes=3:b-adapt=0:scenecut=0"}},
    "mkv": {},
    "ts": {},
    "webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "avi": {"codec": "mpeg4"},
}


@pytest.mark.parametrize("suffix", SEEKABLE)
def test_all_accounts_give_the_same_frames_of_a_clean_file(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lap_suffix = "mp4" if suffix == "mkv" else suffix  # MKV leaves out decoding times
    lap = tmp_path / f"lap.{lap_suffix}"
    write_video(lap, range(LAP), keyframe_every=50, **SEEKABLE[suffix])
    path = repeat_video(lap, tmp_path / f"long.{suffix}", 14)
    readings = []
    with accounts_used(monkeypatch) as used:
        readings.append(read(path))
        for name in ("header_timeline", "packet_timeline"):
            monkeypatch.setattr(decode, name, _contradict)
            readings.append(read(path))
    assert used == ["header_timeline", "packet_timeline", "decoded_timeline"]
    expected = np.unique(snippet_indices(14 * LAP, SAMPLING))
    for reading in readings:
        assert reading.facts["frame_index"] == expected.tolist()
        assert [number_of(rgb) for rgb in reading.pictures] == (expected % LAP).tolist()
        for rgb, first in zip(reading.pictures, readings[0].pictures, strict=True):
            assert (rgb == first).all()
        assert reading.facts["fps"] == 25
        assert reading.facts["pts_seconds"] == pytest.approx(expected / 25, abs=0.002)
    assert readings[0].frames_decoded < 8 * (50 + 13 + 8) + 100
    assert readings[2].frames_decoded > 14 * LAP


def _contradict(*_: object) -> decode.Timeline:
    raise decode.ContradictionError("for the test")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_an_hour_costs_what_ten_seconds_cost(tmp_path: Path, suffix: str) -> None:
    lap = write_video(tmp_path / "lap.mp4", range(LAP), keyframe_every=50)
    hour = repeat_video(lap, tmp_path / f"hour.{suffix}", 360)
    short, long = read(lap), read(hour)
    assert long.facts["duration_seconds"] == 3600
    indices = long.facts["frame_index"]
    assert indices == np.unique(snippet_indices(90_000, SAMPLING)).tolist()
    assert [number_of(rgb) for rgb in long.pictures] == [i % LAP for i in indices]
    assert short.frames_decoded <= LAP
    # A snippet costs at most a keyframe interval, its own span and what the threads run ahead.
    assert long.frames_decoded <= 8 * (50 + 13 + 8)
    assert peak_memory(hour, SAMPLING) < peak_memory(lap, SAMPLING) + (20 << 20)


def test_a_header_that_lies_about_the_length_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lap = write_video(tmp_path / "lap.mp4", range(LAP), keyframe_every=50)
    path = repeat_video(lap, tmp_path / "long.mkv", 14)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.9)])
    with accounts_used(monkeypatch) as used:
        reading = read(path)
    count = reading.facts["num_frames"]
    assert 0.8 * 14 * LAP < count < 14 * LAP
    indices = reading.facts["frame_index"]
    assert [number_of(rgb) for rgb in reading.pictures] == [i % LAP for i in indices]
    assert any("the header promises 140.0 s" in note for note in reading.facts["notes"])
    assert used


def test_a_recording_without_duration_and_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a browser's recorder writes it: a stream that nobody went back to."""
    lap = write_video(tmp_path / "lap.webm", range(LAP), keyframe_every=50, **SEEKABLE["webm"])
    path = repeat_video(lap, tmp_path / "live.webm", 14, is_live=True)
    with accounts_used(monkeypatch) as used:
        reading = read(path)
    assert used == ["packet_timeline"]
    indices = reading.facts["frame_index"]
    assert indices == np.unique(snippet_indices(14 * LAP, SAMPLING)).tolist()
    assert [number_of(rgb) for rgb in reading.pictures] == [i % LAP for i in indices]
    assert reading.frames_decoded < 8 * (50 + 13 + 8)


def test_a_long_video_of_varying_rate_is_read_by_its_packets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = np.random.default_rng(1).integers(20, 60, 3200)
    times = [Fraction(int(t), 1000) for t in np.cumsum(steps)]
    path = write_video(
        tmp_path / "a.mp4", range(3200), times=times, options={"preset": "ultrafast"}
    )
    with accounts_used(monkeypatch) as used:
        reading = read(path)
    assert used[-1] == "packet_timeline"
    indices = reading.facts["frame_index"]
    assert [number_of(rgb) for rgb in reading.pictures] == indices
    expected = [float(times[i] - times[0]) for i in indices]
    assert reading.facts["pts_seconds"] == pytest.approx(expected, abs=0.002)
