"""The intact videos that are damaged: small, written here, numbered as in the tests of `video`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import av

from tests.video.make import write_video

NUM_FRAMES = 40
SUFFIXES = {"mp4": "mp4", "mkv": "mkv", "webm": "webm", "avi": "avi", "gif": "gif", "ts": "ts"}
CONTAINERS = tuple(SUFFIXES)

_X264 = {"threads": "1", "x264-params": "mbtree=0"}  # the same bytes every time
_VPX = {"deadline": "realtime", "cpu-used": "8", "threads": "1"}

_WRITERS: dict[str, tuple[Callable[[Path], Path], ...]] = {}


def _writer(**choices: object) -> Callable[[Path], Path]:
    return partial(write_video, numbers=range(NUM_FRAMES), **choices)  # type: ignore[arg-type]


def _write_fragmented(path: Path) -> Path:
    whole = _writer(options=_X264)(path.with_stem("whole"))
    choices = {"fflags": "+bitexact", "movflags": "frag_keyframe+empty_moov"}
    with (
        av.open(str(whole)) as before,
        av.open(str(path), "w", container_options=choices) as after,
    ):
        copy = after.add_stream_from_template(before.streams.video[0])
        for packet in before.demux(before.streams.video[0]):
            if packet.size:
                packet.stream = copy
                after.mux(packet)
    return path


_WRITERS.update(
    mp4=(
        _writer(options=_X264),
        _writer(options=_X264, index_first=True, turn=90),
        _writer(codec="mpeg4"),
        _write_fragmented,
    ),
    mkv=(_writer(options=_X264), _writer(codec="mpeg4"), _writer(codec="ffv1", keyframe_every=1)),
    webm=(
        _writer(codec="libvpx", options=_VPX),
        _writer(codec="libvpx-vp9", options=_VPX),
    ),
    avi=(_writer(codec="mpeg4"), _writer(codec="mjpeg", pixels="yuvj420p")),
    gif=(_writer(codec="gif", pixels="rgb8"),),
    ts=(_writer(options=_X264), _writer(codec="mpeg2video")),
)


@cache
def bases(container: str) -> tuple[bytes, ...]:
    """The intact files of a container, the same with every call and the same FFmpeg."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a.{SUFFIXES[container]}")
        return tuple(write(path).read_bytes() for write in _WRITERS[container])
