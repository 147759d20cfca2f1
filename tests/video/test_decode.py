"""Every picture that comes back is the frame that was asked for."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from dsanet_core.records import Clips, Sampling
from dsanet_core.video import read_clips, snippet_indices
from tests.video.make import number_of, numbered, write_video

SAMPLING = Sampling(4, 3, 5)


def numbers_of(clips: Clips) -> list[int]:
    return [number_of(rgb) for rgb in clips.frames.rgb]


FORMATS: dict[str, dict[str, Any]] = {
    "mp4": {},
    "mov": {},
    "mkv": {},
    "ts": {},
    "flv": {},
    "webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mpg": {"codec": "mpeg2video"},
    "asf": {"codec": "mpeg4"},
    "gif": {"codec": "gif", "pixels": "rgb8"},
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_container_gives_the_frames_asked_for(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"a.{suffix}", range(60), **FORMATS[suffix])
    clips = read_clips(path, SAMPLING)
    assert numbers_of(clips) == clips.frames.frame_index.tolist()
    assert (clips.frame_index == snippet_indices(60, SAMPLING)).all()
    assert clips.frames.video.num_frames == 60
    assert clips.frames.video.fps == pytest.approx(25, rel=1e-3)
    assert clips.pts_seconds == pytest.approx(clips.frame_index / 25, abs=0.011)
    assert clips.frames.video.notes == ()


def test_b_frames_in_avi_come_in_order_of_presentation(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", range(60), options={"bf": "3", "b-adapt": "0"})
    clips = read_clips(path, SAMPLING)
    assert numbers_of(clips) == clips.frames.frame_index.tolist()
    assert clips.frames.video.notes == ()


def test_a_raw_stream_without_times_is_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.h264", range(60), container="h264")
    clips = read_clips(path, SAMPLING)
    assert numbers_of(clips) == clips.frames.frame_index.tolist()
    assert clips.frames.video.notes == ("no usable timestamps: 25 frames per second assumed",)


def test_av1_is_read(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4", range(20), codec="libsvtav1", size=(96, 128), options={"preset": "12"}
    )
    clips = read_clips(path, Sampling(2, 2, 3))
    assert clips.frames.video.codec == "av1"
    assert numbers_of(clips) == clips.frames.frame_index.tolist()


def test_a_reversed_video_gives_reversed_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(59, -1, -1))
    clips = read_clips(path, SAMPLING)
    assert numbers_of(clips) == (59 - clips.frames.frame_index).tolist()


def test_a_varying_frame_rate_keeps_every_frame_and_its_time(tmp_path: Path) -> None:
    steps = np.random.default_rng(0).integers(10, 120, 60)
    times = [Fraction(int(t), 1000) for t in np.cumsum(steps)]
    for suffix in ("mp4", "mkv"):
        path = write_video(tmp_path / f"a.{suffix}", range(60), times=times)
        clips = read_clips(path, SAMPLING)
        assert numbers_of(clips) == clips.frames.frame_index.tolist()
        expected = [float(times[i] - times[0]) for i in clips.frames.frame_index]
        assert clips.frames.pts_seconds == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_pictures_come_upright(tmp_path: Path, turn: int) -> None:
    path = write_video(tmp_path / "a.mp4", range(30), turn=turn)
    clips = read_clips(path, Sampling(1, 3, 4))
    video = clips.frames.video
    assert video.rotation == -turn % 360
    assert (video.width, video.height) == ((48, 64) if turn % 180 else (64, 48))
    assert clips.frames.rgb.shape[1:3] == (video.height, video.width)
    for rgb, number in zip(clips.frames.rgb, clips.frames.frame_index, strict=True):
        expected = np.rot90(numbered(int(number)), turn // 90)
        assert np.abs(rgb.astype(int) - expected).mean() < 15


def test_a_clockwise_quarter_turn_puts_the_left_edge_on_top(tmp_path: Path) -> None:
    # The box `tkhd` is written by hand: x' = -y, y' = x turns a picture clockwise (ISO 14496-12).
    path = write_video(tmp_path / "a.mp4", [0b1111] * 20)  # the upper row of blocks is light
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    values = [0, 1 << 16, 0, -(1 << 16) % 2**32, 0, 0, 0, 0, 1 << 30]
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big") for value in values)
    path.write_bytes(data)
    clips = read_clips(path, Sampling(1, 1, 1))
    rgb = clips.frames.rgb[0]
    assert rgb.shape == (64, 48, 3)
    assert clips.frames.video.rotation == 90
    assert rgb[:, -12:].mean() > 180 > 90 > rgb[:, :24].mean()


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    clips = read_clips(write_video(tmp_path / "a.mp4", [77]), Sampling(2, 4, 4))
    assert numbers_of(clips) == [77]
    assert (clips.position == 0).all()
    note = "shorter than a snippet (1 of 13 frames): the last one is repeated"
    assert clips.frames.video.notes == (note,)


def test_two_by_two_pixels_are_a_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(20), size=(2, 2))
    clips = read_clips(path, Sampling(1, 4, 4))
    assert clips.frames.rgb.shape == (4, 2, 2, 3)


def test_large_pictures_are_reduced_and_that_is_said(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(5), size=(600, 1000))
    clips = read_clips(path, Sampling(1, 2, 2))
    video = clips.frames.video
    assert (video.width, video.height) == (1000, 600)
    assert clips.frames.rgb.shape[1:3] == (512, 853)
    assert video.notes == ("frames reduced to 853x512 before preprocessing",)
    assert numbers_of(clips) == clips.frames.frame_index.tolist()


def test_a_size_that_changes_on_the_way_is_evened_out(tmp_path: Path) -> None:
    parts = []
    for name, numbers, size in (("a", range(30), (48, 64)), ("b", range(30, 60), (96, 80))):
        part = write_video(tmp_path / f"{name}.h264", numbers, size=size, container="h264")
        parts.append(part.read_bytes())
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(parts))
    clips = read_clips(path, SAMPLING)
    assert clips.frames.rgb.shape[1:3] == (48, 64)
    assert numbers_of(clips) == clips.frames.frame_index.tolist()
    assert clips.frames.video.notes[-1] == "the picture changes size on the way (64x48, 80x96)"


def test_the_main_one_of_several_video_streams_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        streams = []
        for size in ((48, 64), (96, 128)):
            stream = out.add_stream("libx264", rate=25)
            stream.height, stream.width = size
            is_main = size == (96, 128)
            stream.disposition = Disposition.default if is_main else Disposition.captions
            streams.append((stream, size))
        for number in range(30):
            for offset, (stream, size) in enumerate(streams):
                picture = numbered(number + 100 * offset, size)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for stream, _ in streams:
            out.mux(stream.encode(None))
    clips = read_clips(path, SAMPLING)
    assert clips.frames.video.width == 128
    assert numbers_of(clips) == (100 + clips.frames.frame_index).tolist()
    assert clips.frames.video.notes == ("2 video streams: the main one is read",)


def test_frames_cut_by_an_edit_list_are_not_shown(tmp_path: Path) -> None:
    # `elst`: version 0, one entry: duration in movie units, start in media units, rate 1.
    path = write_video(tmp_path / "a.mp4", range(60), options={"bf": "0"})
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 12
    with av.open(str(path)) as before:
        base = before.streams.video[0].time_base
    assert base is not None
    data[entry : entry + 4] = (1600).to_bytes(4, "big")  # 40 frames in milliseconds
    data[entry + 4 : entry + 8] = round(Fraction(10, 25) / base).to_bytes(4, "big")
    path.write_bytes(data)
    clips = read_clips(path, SAMPLING)
    assert clips.frames.video.num_frames == 40
    assert numbers_of(clips) == (10 + clips.frames.frame_index).tolist()


def test_video_facts(tmp_path: Path) -> None:
    path = write_video(tmp_path / "naïve \U0001f3ac.mp4", range(50))
    video = read_clips(path, SAMPLING).frames.video
    assert video.name == "naïve \U0001f3ac.mp4"
    assert video.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (video.container, video.codec, video.pixel_format) == ("mp4", "h264", "yuv420p")
    assert (video.width, video.height, video.fps, video.duration_seconds) == (64, 48, 25, 2)
    assert (video.num_frames, video.num_frames_claimed) == (50, 50)
