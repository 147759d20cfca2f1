"""Damaged files give the frames that they have, or a message, and never anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsanet_core.errors import VideoError
from dsanet_core.records import Clips, Sampling
from dsanet_core.video import read_clips
from tests.video.make import number_of, write_video

SAMPLING = Sampling(4, 3, 5)


def right_frames(clips: Clips) -> float:
    """The share of pictures that spell the number of their frame."""
    numbers = np.array([number_of(rgb) for rgb in clips.frames.rgb])
    return float((numbers == clips.frames.frame_index).mean())


def test_a_truncated_mp4_gives_the_frames_it_has(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(100), index_first=True)
    whole = path.read_bytes()
    pictures = whole.index(b"mdat")
    path.write_bytes(whole[: pictures + int((len(whole) - pictures) * 0.6)])
    clips = read_clips(path, SAMPLING)
    video = clips.frames.video
    assert 20 < video.num_frames < 90
    assert video.num_frames_claimed == 100
    note = f"{video.num_frames} of the 100 frames that the header claims are there"
    assert note in video.notes
    assert right_frames(clips) == 1


@pytest.mark.parametrize("suffix", ["mkv", "ts", "avi"])
def test_other_truncated_files_give_the_frames_they_have(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    path = write_video(tmp_path / f"a.{suffix}", range(100), codec=codec)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    clips = read_clips(path, SAMPLING)
    assert 20 < clips.frames.video.num_frames < 90
    assert right_frames(clips) == 1


def test_an_mp4_cut_before_its_index_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(100))
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"moov")])
    with pytest.raises(VideoError, match="starts as MP4 or MOV but is cut short"):
        read_clips(path, SAMPLING)


def test_packets_that_cannot_be_decoded_are_skipped_and_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mov", range(60), codec="png", pixels="rgb24")
    data = bytearray(path.read_bytes())
    starts = [i for i in range(len(data)) if data[i : i + 4] == b"\x89PNG"]
    assert len(starts) == 60
    for start in starts[20:40]:
        data[start : start + 30] = bytes(30)
    path.write_bytes(data)
    clips = read_clips(path, SAMPLING)
    video = clips.frames.video
    assert video.num_frames == 40
    assert "40 of the 60 frames that the header claims are there" in video.notes
    assert "20 damaged packets skipped" in video.notes
    numbers = np.array([number_of(rgb) for rgb in clips.frames.rgb])
    index = clips.frames.frame_index
    assert (numbers == np.where(index < 20, index, index + 20)).all()


@pytest.mark.parametrize("kind", ["mp4", "webm", "gif"])
def test_flipped_bits_never_crash(tmp_path: Path, kind: str) -> None:
    formats: dict[str, dict[str, Any]] = {
        "mp4": {},
        "webm": {"codec": "libvpx", "options": {"deadline": "realtime"}},
        "gif": {"codec": "gif", "pixels": "rgb8"},
    }
    path = write_video(tmp_path / f"a.{kind}", range(60), **formats[kind])
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    pictures = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        data = whole.copy()
        places = rng.integers(0 if seed % 2 else 600, len(data), 1 + 3 * seed)
        data[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
        path.write_bytes(data.tobytes())
        try:
            clips = read_clips(path, SAMPLING)
        except VideoError as error:
            assert "crashed" not in str(error)
        else:
            pictures += 1
            assert clips.frames.rgb.shape[0] >= 1
    assert pictures >= 2


@pytest.mark.parametrize("field", ["mvhd", "mdhd"])
@pytest.mark.parametrize("scale", [0, 1, 2**31 - 1])
def test_absurd_timescales_give_pictures_or_a_message(
    tmp_path: Path, field: str, scale: int
) -> None:
    path = write_video(tmp_path / "a.mp4", range(60))
    data = bytearray(path.read_bytes())
    place = data.index(field.encode()) + 4 + 12
    data[place : place + 4] = scale.to_bytes(4, "big")
    path.write_bytes(data)
    try:
        clips = read_clips(path, SAMPLING)
    except VideoError as error:
        assert "crashed" not in str(error)
    else:
        assert right_frames(clips) == 1
        assert 0 < clips.frames.video.fps <= 1000


def test_samples_without_a_duration_are_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(60), options={"bf": "0"})
    data = bytearray(path.read_bytes())
    place = data.index(b"stts") + 4 + 4
    entries = int.from_bytes(data[place : place + 4], "big")
    for entry in range(entries):
        delta = place + 4 + 8 * entry + 4
        data[delta : delta + 4] = bytes(4)
    path.write_bytes(data)
    clips = read_clips(path, SAMPLING)
    assert clips.frames.video.num_frames == 60
    assert right_frames(clips) == 1
    assert any("no usable timestamps" in note for note in clips.frames.video.notes)
