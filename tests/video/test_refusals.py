"""Whatever the file is, the answer is a picture or a sentence, and no other file is read."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dsanet_core.errors import VideoError
from dsanet_core.records import Sampling
from dsanet_core.video import DEFAULT_LIMITS, read_clips, refusals
from dsanet_core.video.container import CONTAINERS
from tests.video.make import Children, numbered, write_sound, write_video

SAMPLING = Sampling(4, 3, 5)


def message(path: Path | str, **kwargs: object) -> str:
    with pytest.raises(VideoError) as caught:
        read_clips(path, SAMPLING, **kwargs)  # type: ignore[arg-type]
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 700
    return text


def test_missing_empty_and_folder(tmp_path: Path) -> None:
    assert "does not exist" in message(tmp_path / "nothing.mp4")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert "empty.mp4 is empty (0 bytes)" in message(empty)
    assert "is a folder" in message(tmp_path)
    assert "null" in message("a\0b.mp4")


def test_a_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "is a device or pipe" in message(tmp_path / "pipe.mp4")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello, this is a text\n" * 50, "is a text file"),
        ("schön".encode() * 1000, "is a text file"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(100), "is a picture (JPEG)"),
        (b"%PDF-1.7\n" + bytes(100), "is a PDF document"),
        (b"PK\x03\x04" + bytes(100), "is a ZIP archive"),
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (bytes(5000), "is not a video format"),
        (np.random.default_rng(0).bytes(100_000), "is not a video format"),
    ],
)
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    text = message(path)
    assert words in text
    assert "expected a video file (MP4" in text


def test_control_characters_of_a_name_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\x1b[31m\u202egpj.mp4"
    path.write_bytes(b"no video")
    text = message(path)
    assert r"a\nb\x1b[31m\u202egpj.mp4 is a text file" in text
    good = write_video(tmp_path / "c\nd.mp4", range(20))
    assert read_clips(good, SAMPLING).frames.video.name == r"c\nd.mp4"


def test_undecodable_names_are_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(20))
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")
    path.rename(odd)
    assert read_clips(odd, SAMPLING).frames.video.name == r"\udcff.mp4"


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    assert "holds audio but no pictures" in message(write_sound(tmp_path / "a.mp4"))


@pytest.mark.parametrize("kind", ["hls", "ffconcat", "dash", "sdp"])
def test_scripts_that_name_other_files_are_refused(tmp_path: Path, kind: str) -> None:
    other = write_video(tmp_path / "other.ts", range(60))
    script = {
        "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.4,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat": "ffconcat version 1.0\nfile '{}'\n",
        "dash": '<?xml version="1.0"?><MPD type="static" xmlns="urn:mpeg:dash:schema:mpd:2011">'
        "<Period><AdaptationSet><Representation><BaseURL>{}</BaseURL></Representation>"
        "</AdaptationSet></Period></MPD>",
        "sdp": "v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n{}",
    }[kind]
    path = tmp_path / "clip.mp4"
    path.write_text(script.format(other.name))
    assert "expected a video file" in message(path)
    assert read_clips(other, SAMPLING).frames.video.num_frames == 60
    path.write_text(script.format(f"file://{other}"))
    assert "expected a video file" in message(path)


def test_no_container_on_the_list_opens_files_itself() -> None:
    names = CONTAINERS.split(",")
    assert not {"hls", "concat", "dash", "imf", "image2", "sdp", "rtsp", "lavfi"} & set(names)
    for name in names:
        container = av.ContainerFormat(name, "r")
        assert container.is_input, name
        assert not container.no_file, name


def test_an_external_track_of_a_movie_stays_closed(tmp_path: Path) -> None:
    """A `dref` entry that names another file, with the samples' places in it."""
    other = write_video(tmp_path / "other.mp4", range(60))
    data = bytearray(other.read_bytes())
    place = data.index(b"dref") + 4 + 8
    entry = data[place : place + 12]
    assert entry[4:8] == b"url "
    path = tmp_path / "clip.mp4"
    for kind in (b"url ", b"alis"):
        data[place + 4 : place + 8] = kind
        data[place + 11] = 0  # not self-contained
        path.write_bytes(data[: data.index(b"mdat") + 4] + bytes(1000))
        message(path)


def test_pictures_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(3), size=(480, 640))
    text = message(path, limits=replace(DEFAULT_LIMITS, max_pixels=640 * 479))
    assert "has pictures of 640x480 pixels; expected at most 306560 pixels" in text


def test_a_bomb_of_12000_by_12000_pixels_is_refused(tmp_path: Path) -> None:
    path = write_bomb(tmp_path / "bomb.mov")
    with Children() as children:
        text = message(path)
    assert "no picture could be decoded; expected pictures of at most 35389440 pixels" in text
    assert [end.peak_bytes < 150 << 20 for end in children.ends] == [True]


def test_a_bomb_whose_header_lies_is_refused(tmp_path: Path) -> None:
    path = write_bomb(tmp_path / "bomb.mov")
    data = bytearray(path.read_bytes())
    entry = data.index(b"png ", data.index(b"stsd")) + 4 + 24
    assert data[entry : entry + 4] == (12000).to_bytes(2, "big") * 2
    data[entry : entry + 4] = (64).to_bytes(2, "big") * 2
    path.write_bytes(data)
    with Children() as children:
        message(path)
    assert [end.peak_bytes < 150 << 20 for end in children.ends] == [True]


def write_bomb(path: Path) -> Path:
    """144 million pixels in one black PNG."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("png", rate=25)
        stream.height = stream.width = 12000
        stream.pix_fmt = "gray"
        frame = av.VideoFrame(12000, 12000, "gray")
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_memory_of_the_child_is_capped(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(3), size=(2160, 3840))
    text = message(path, limits=replace(DEFAULT_LIMITS, address_space=260 << 20))
    assert "needs more memory to decode than is allowed" in text


def test_length_limits(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", range(50))
    text = message(path, limits=replace(DEFAULT_LIMITS, max_frames=49))
    assert "has more than 49 frames" in text
    text = message(path, limits=replace(DEFAULT_LIMITS, max_duration_seconds=1.5))
    assert "lasts 2 s; expected at most 1.5 s" in text
    text = message(path, limits=replace(DEFAULT_LIMITS, max_packets=49))
    assert "has a video stream of more than 49 packets" in text
    text = message(path, limits=replace(DEFAULT_LIMITS, max_file_bytes=100))
    assert "expected at most" in text


def test_a_file_of_too_many_streams_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        streams: list[Any] = [out.add_stream("mpeg4", rate=25) for _ in range(65)]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for stream in streams:
            frame = av.VideoFrame.from_ndarray(numbered(0), format="rgb24")
            out.mux([*stream.encode(frame), *stream.encode(None)])
    assert "holds 65 streams; expected at most 64" in message(path)
    assert read_clips(path, SAMPLING, limits=replace(DEFAULT_LIMITS, max_streams=65))


def test_every_refusal_of_the_child_has_its_message() -> None:
    for code in refusals.REFUSALS:
        text = str(refusals.refusal("a.mp4", code, "7", b"", DEFAULT_LIMITS))
        assert "{" not in text
        assert text.startswith("a.mp4 ")
