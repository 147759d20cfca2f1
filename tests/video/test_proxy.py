from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dsanet_core.errors import VideoError
from dsanet_core.records import Sampling
from dsanet_core.video import (
    DEFAULT_LIMITS,
    browser_proxy,
    encode_h264,
    plays_in_browser,
    proxy,
    read_clips,
)
from tests.video.make import number_of, numbered, write_video

SAMPLING = Sampling(4, 3, 5)


def test_a_proxy_shows_the_frames_of_the_original_and_plays(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", range(60), codec="mpeg4", size=(96, 128))
    made = browser_proxy(path, tmp_path / "proxy.mp4")
    assert (made.num_frames, made.is_whole) == (60, True)
    assert made.seconds == pytest.approx(59 / 25, abs=0.01)
    clips = read_clips(made.path, SAMPLING)
    assert [number_of(rgb) for rgb in clips.frames.rgb] == clips.frames.frame_index.tolist()
    assert plays_in_browser(clips.frames.video)
    assert clips.frames.video.fps == 25
    data = made.path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_a_proxy_is_small_even_and_upright(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mkv", range(10), codec="ffv1", size=(601, 903), pixels="yuv444p"
    )
    made = browser_proxy(path, tmp_path / "proxy.mp4")
    video = read_clips(made.path, SAMPLING).frames.video
    assert (video.width, video.height) == (720, 480)
    turned = write_video(tmp_path / "b.mp4", range(10), size=(96, 128), turn=90)
    made = browser_proxy(turned, tmp_path / "proxy.mp4")
    clips = read_clips(made.path, SAMPLING)
    assert (clips.frames.video.width, clips.frames.video.height) == (96, 128)
    assert clips.frames.video.rotation == 0
    for rgb, number in zip(clips.frames.rgb, clips.frames.frame_index, strict=True):
        assert number_of(np.rot90(rgb, -1)) == number


def test_a_long_video_is_cut_and_a_fast_one_thinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "PROXY_SECONDS", 1.0)
    made = browser_proxy(write_video(tmp_path / "a.mp4", range(60)), tmp_path / "proxy.mp4")
    assert (made.num_frames, made.is_whole) == (25, False)
    fast = write_video(tmp_path / "b.mp4", range(240), rate=240)
    made = browser_proxy(fast, tmp_path / "proxy.mp4")
    assert (made.num_frames, made.is_whole) == (60, True)


def test_a_proxy_keeps_varying_times(tmp_path: Path) -> None:
    times = [Fraction(t, 1000) for t in np.cumsum([20, 40, 100, 500] * 5).tolist()]
    path = write_video(tmp_path / "a.mkv", range(20), times=times)
    clips = read_clips(browser_proxy(path, tmp_path / "proxy.mp4").path, Sampling(1, 20, 1))
    expected = [float(time - times[0]) for time in times]
    assert clips.frames.pts_seconds == pytest.approx(expected, abs=0.002)


def test_two_pixels_make_a_proxy(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", range(5), codec="ffv1", size=(1, 1), pixels="yuv444p")
    assert browser_proxy(path, tmp_path / "proxy.mp4").num_frames == 5


def test_a_failed_proxy_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "proxy.mp4").write_bytes(b"an older one")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError, match="is a text file"):
        browser_proxy(tmp_path / "text.mp4", tmp_path / "proxy.mp4")
    path = write_video(tmp_path / "a.mp4", range(20), size=(480, 640))
    with pytest.raises(VideoError):
        browser_proxy(path, tmp_path / "proxy.mp4", limits=replace(DEFAULT_LIMITS, max_pixels=1000))
    assert (tmp_path / "proxy.mp4").read_bytes() == b"an older one"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "proxy.mp4", "text.mp4"]


def test_a_copy_for_which_there_is_no_memory_says_so(tmp_path: Path) -> None:
    """Whoever runs out of it: FFmpeg, x264, the threads of either, or Python."""
    path = write_video(tmp_path / "a.mp4", range(3), size=(1080, 1920))
    said = []
    for megabytes in range(220, 440, 20):
        limits = replace(DEFAULT_LIMITS, address_space=megabytes << 20)
        try:
            browser_proxy(path, tmp_path / "proxy.mp4", limits=limits)
        except VideoError as error:
            said.append(str(error))
    assert any("needs more memory to decode than is allowed" in text for text in said)
    assert [text for text in said if "could not be decoded:" in text] == []


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels", "plays"),
    [
        ("mp4", "libx264", "yuv420p", True),
        ("mp4", "libx264", "yuv444p", False),
        ("mp4", "mpeg4", "yuv420p", False),
        ("webm", "libvpx", "yuv420p", True),
        ("webm", "libvpx-vp9", "yuv420p", True),
        ("mkv", "libx264", "yuv420p", False),
        ("avi", "mpeg4", "yuv420p", False),
        ("mov", "libx264", "yuv420p", False),
    ],
)
def test_what_browsers_play(
    tmp_path: Path, suffix: str, codec: str, pixels: str, plays: bool
) -> None:
    path = write_video(tmp_path / f"a.{suffix}", range(4), codec=codec, pixels=pixels)
    assert plays_in_browser(read_clips(path, SAMPLING).frames.video) is plays


def test_a_truncated_file_needs_a_proxy(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(100), index_first=True)
    path.write_bytes(path.read_bytes()[:-500])
    assert not plays_in_browser(read_clips(path, SAMPLING).frames.video)
    made = browser_proxy(path, tmp_path / "proxy.mp4")
    assert plays_in_browser(read_clips(made.path, SAMPLING).frames.video)


def test_encoded_arrays_come_back(tmp_path: Path) -> None:
    frames = [numbered(number, (72, 96)) for number in range(64)]
    encode_h264(iter(frames), 16, tmp_path / "a.mp4")
    encode_h264(frames, 16.0, tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    clips = read_clips(tmp_path / "a.mp4", Sampling(1, 64, 1))
    video = clips.frames.video
    assert (video.fps, video.num_frames, video.width, video.height) == (16, 64, 96, 72)
    assert plays_in_browser(video)
    assert np.abs(clips.frames.rgb.astype(int) - np.stack(frames)).mean() < 4
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_sizes_that_cannot_be_encoded_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected equal even sizes"):
        encode_h264([numbered(0, (71, 96))], 16, tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="frame 1 is"):
        encode_h264([numbered(0, (72, 96)), numbered(1, (96, 72))], 16, tmp_path / "a.mp4")


def test_a_proxy_is_free_of_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        pictures, sound = out.add_stream("libx264", rate=25), out.add_stream("aac", rate=8000)
        pictures.height, pictures.width = 48, 64
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            out.mux(pictures.encode(frame))
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate, silence.pts = 8000, 0
        out.mux(sound.encode(silence))
        out.mux([*pictures.encode(None), *sound.encode(None)])
    made = browser_proxy(path, tmp_path / "proxy.mp4")
    with av.open(str(made.path)) as copy:
        assert [stream.type for stream in copy.streams] == ["video"]
    assert made.num_frames == 25
