"""decord gives what PyAV gives, or leaves the file to it; its process is ended in time."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dsanet_core.datasets import open_dataset
from dsanet_core.errors import DatasetError, VideoError
from dsanet_core.records import Clips, Sampling
from dsanet_core.video import decord_reader, read_clips, read_with_decord
from tests.published_data.files import write_frames
from tests.video.make import write_video

pytest.importorskip("decord")

SAMPLING = Sampling(num_snippets=4, frames_per_snippet=3, frame_stride=2)
LEFT = "left to PyAV by decord: "


@pytest.fixture
def own_child() -> Iterator[None]:
    """Children of other tests are not met, and none is left."""
    decord_reader.decoder.shut_down()
    yield
    decord_reader.decoder.shut_down()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", range(60))


def check_equal(fast_clips: Clips, clips: Clips, *notes: str) -> None:
    """Every field alike, but for further notes."""
    np.testing.assert_array_equal(fast_clips.frames.rgb, clips.frames.rgb)
    np.testing.assert_array_equal(fast_clips.frames.frame_index, clips.frames.frame_index)
    np.testing.assert_array_equal(fast_clips.frames.pts_seconds, clips.frames.pts_seconds)
    np.testing.assert_array_equal(fast_clips.position, clips.position)
    assert fast_clips.sampling == clips.sampling
    assert fast_clips.frames.rgb.flags.writeable == clips.frames.rgb.flags.writeable
    before = clips.frames.video
    assert fast_clips.frames.video == replace(before, notes=(*before.notes, *notes))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("v.mp4", {}),
        ("v.mkv", {"options": {"bf": "3"}, "keyframe_every": 7}),
        ("v.mov", {"codec": "mpeg4", "rate": 30}),
        ("v.avi", {"codec": "mpeg4"}),
        ("v.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
        ("odd size.mp4", {"size": (98, 130)}),
        ("vfr.mkv", {"times": [Fraction(i * i, 400) for i in range(60)]}),
    ],
)
def test_decord_gives_the_same_clips_as_pyav(
    tmp_path: Path, name: str, how: dict[str, Any]
) -> None:
    path = write_video(tmp_path / name, range(60), **how)
    for choices in ({}, {"part": (1, 3)}, {"window": (0.5, 1.5)}, {"draw": (0.1, 0.9, 0.0, 0.5)}):
        check_equal(
            read_with_decord(path, SAMPLING, **choices), read_clips(path, SAMPLING, **choices)
        )


def cut_by_an_edit_list(path: Path) -> Path:
    """Only frames 10 to 49 of 60 are to be shown."""
    write_video(path, range(60), options={"bf": "0"})
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 12
    with av.open(str(path)) as before:
        base = before.streams.video[0].time_base
    assert base is not None
    data[entry : entry + 4] = (1600).to_bytes(4, "big")
    data[entry + 4 : entry + 8] = round(Fraction(10, 25) / base).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def without_a_clock(path: Path) -> Path:
    write_video(path, range(60))
    data = bytearray(path.read_bytes())
    place = data.index(b"mdhd") + 4 + 12
    data[place : place + 4] = bytes(4)
    path.write_bytes(data)
    return path


def truncated(path: Path) -> Path:
    write_video(path, range(60), index_first=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (cut_by_an_edit_list, "40 frames, of which decord counts 60"),
        (without_a_clock, ""),
        (truncated, ""),
        (lambda path: write_video(path, range(30), turn=90), "frames that are turned or reduced"),
        (lambda path: write_video(path, range(30), turn=180), "frames that are turned or reduced"),
        (lambda path: write_video(path, range(9), size=(600, 800)), "turned or reduced"),
        (lambda path: write_video(path, range(9), codec="libsvtav1", options={"preset": "12"}), ""),
        (lambda path: write_video(path, range(9), pixels="yuv420p10le"),
         "the pixel format yuv420p10le"),
    ],
    ids=["edit list", "no clock", "truncated", "turned", "upside down", "large", "av1", "10 bit"],
)
def test_what_decord_reads_in_another_way_is_left_to_pyav_and_noted(
    tmp_path: Path, make: Any, reason: str
) -> None:
    path = make(tmp_path / "v.mp4")
    clips = read_with_decord(path, SAMPLING)
    note = clips.frames.video.notes[-1]
    assert note.startswith(LEFT) and reason in note
    check_equal(clips, read_clips(path, SAMPLING), note)


def test_flipped_bits_give_what_pyav_gives_or_says(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.mp4", range(60), index_first=True).read_bytes()
    left = 0
    for seed in range(6):
        draw = random.Random(seed)
        data = bytearray(whole)
        for _ in range(3):
            data[draw.randrange(len(data) // 4, len(data))] ^= 1 << draw.randrange(8)
        path = tmp_path / f"{seed}.mp4"
        path.write_bytes(data)
        try:
            expected = read_clips(path, SAMPLING)
        except VideoError as error:
            with pytest.raises(VideoError) as caught:
                read_with_decord(path, SAMPLING)
            assert str(caught.value) == str(error)
            continue
        clips = read_with_decord(path, SAMPLING)
        left += any(note.startswith(LEFT) for note in clips.frames.video.notes)
        if not clips.frames.video.notes:
            check_equal(clips, expected)
    assert left


@pytest.mark.parametrize("content", [b"", b"no video", b"#EXTM3U\n/etc/passwd\n", None])
def test_what_is_no_video_is_the_same_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "v.mp4"
    if content is not None:
        path.write_bytes(content)
    said = []
    for read in (read_clips, read_with_decord):
        with pytest.raises(VideoError) as caught:
            read(path, SAMPLING)
        said.append(str(caught.value))
    assert said[0] == said[1]


def child_that(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decord_reader, "COMMAND", (sys.executable, "-c", code))


@pytest.mark.usefixtures("own_child")
@pytest.mark.parametrize(
    ("code", "wall_seconds", "reason"),
    [
        ("import time; time.sleep(60)", 0.5, "it took too long"),
        ("input()\nimport sys, time\nsys.stdout.write('....'); sys.stdout.flush()\n"
         "time.sleep(60)", 0.5, "it took too long"),
        ("input(); raise SystemExit(3)", 60.0, "its process has crashed"),
    ],
)
def test_a_child_that_hangs_or_crashes_is_ended_and_pyav_reads_the_file(
    video: Path, monkeypatch: pytest.MonkeyPatch, code: str, wall_seconds: float, reason: str
) -> None:
    started = []
    real = subprocess.Popen

    def start(*args: Any, **choices: Any) -> Any:
        started.append(real(*args, **choices))
        return started[-1]

    expected = read_clips(video, SAMPLING)
    child_that(code, monkeypatch)
    monkeypatch.setattr(decord_reader.subprocess, "Popen", start)
    limits = replace(decord_reader.DECORD_LIMITS, wall_seconds=wall_seconds)
    clips = read_with_decord(video, SAMPLING, limits=limits)
    check_equal(clips, expected, LEFT + reason)
    assert len(started) == 1 and started[0].poll() is not None
    monkeypatch.undo()
    check_equal(read_with_decord(video, SAMPLING), expected)


@pytest.mark.usefixtures("own_child")
def test_without_room_for_a_child_pyav_reads_the_file(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    expected = read_clips(video, SAMPLING)
    monkeypatch.setattr(decord_reader.subprocess, "Popen", refuse)
    note = f"{LEFT}no room for its process (Resource temporarily unavailable)"
    check_equal(read_with_decord(video, SAMPLING), expected, note)


@pytest.mark.usefixtures("own_child")
@pytest.mark.parametrize(
    ("name", "most", "children"), [("FILES_PER_CHILD", 2, 3), ("MOST_RESIDENT_BYTES", 1, 5)]
)
def test_a_child_is_replaced_after_many_files_or_much_memory(
    video: Path, monkeypatch: pytest.MonkeyPatch, name: str, most: int, children: int
) -> None:
    seen: dict[int, None] = {}
    monkeypatch.setattr(decord_reader, name, most)
    for _ in range(5):
        assert not read_with_decord(video, SAMPLING).frames.video.notes
        child = decord_reader.decoder.child
        assert child is not None and child.resident_bytes > 10 << 20
        seen[child.pid] = None
    assert len(seen) == children


@pytest.mark.usefixtures("own_child")
def test_a_dataset_reads_its_videos_with_decord_also_after_pickling(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root/a").mkdir(parents=True)
    video.rename(tmp_path / "root/a/1.mp4")
    write_frames(tmp_path / "root/a/2", range(20))
    plain = open_dataset(str(tmp_path / "root"))
    dataset = open_dataset(str(tmp_path / "root"), reader="decord", limit=2)
    assert (plain.reader, dataset.reader) == ("pyav", "decord")
    assert dataset.fingerprint == plain.fingerprint
    assert open_dataset(**dataset.arguments).reader == "decord"
    assert open_dataset(**open_dataset(str(tmp_path / "root"), reader="decord", limit=1).arguments
                        ).reader == "decord"
    again = pickle.loads(pickle.dumps(dataset))
    for row in range(2):
        check_equal(again.clips(row, SAMPLING), plain.clips(row, SAMPLING))
    child = decord_reader.decoder.child
    assert child is not None and child.files == 1, "pictures are not decord's"


def test_nothing_in_the_app_reads_with_decord() -> None:
    for path in (Path(__file__).parents[2] / "app").rglob("*.py"):
        assert "decord" not in path.read_text(), path


def test_a_reader_that_is_unknown_not_there_or_for_no_files_is_refused(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    video.rename(tmp_path / "a/1.mp4")
    with pytest.raises(DatasetError, match="reader 'opencv'; expected one of 'pyav', 'decord'"):
        open_dataset(str(tmp_path), reader="opencv")
    with pytest.raises(DatasetError, match=r"reader 'decord' for synth.*these videos are rendered"):
        open_dataset("synth:seed=1,n=2", reader="decord")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DatasetError, match=r"'decord' is not installed.*pip install decord"):
        open_dataset(str(tmp_path), reader="decord")
