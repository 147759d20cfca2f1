"""Videos in which the number of every frame can be read off the picture."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dsanet_core.records import Sampling
from dsanet_core.video import read_clips, sandbox
from tools.bench.clips import write_repeated

BITS = (3, 4)  # rows, columns: frames up to number 4095
DARK, LIGHT = 40, 215
Picture = NDArray[np.uint8]


def numbered(number: int, size: tuple[int, int] = (48, 64)) -> Picture:
    """A picture (height, width, 3) of grey blocks that spell a number in binary."""
    bits = (number >> np.arange(BITS[0] * BITS[1])) & 1
    levels = np.where(bits, LIGHT, DARK).astype(np.uint8).reshape(BITS)
    rows, columns = (np.arange(n) * parts // n for n, parts in zip(size, BITS, strict=True))
    return np.repeat(levels[rows][:, columns, None], 3, axis=2)


def number_of(picture: Picture) -> int:
    """The number that a picture spells, read from the middle of every block."""
    height, width = picture.shape[:2]
    rows = (2 * np.arange(BITS[0]) + 1) * height // (2 * BITS[0])
    columns = (2 * np.arange(BITS[1]) + 1) * width // (2 * BITS[1])
    bits = picture[rows][:, columns].mean(-1) > (DARK + LIGHT) / 2
    return int((bits.ravel() << np.arange(bits.size)).sum())


def write_video(
    path: Path,
    numbers: Iterable[int],
    *,
    codec: str = "libx264",
    rate: int | Fraction = 25,
    times: Sequence[Fraction] | None = None,
    size: tuple[int, int] = (48, 64),
    keyframe_every: int = 12,
    pixels: str = "yuv420p",
    turn: int = 0,
    container: str | None = None,
    options: dict[str, str] | None = None,
    index_first: bool = False,
) -> Path:
    """Encode numbered frames; times: presentation times in seconds, else 1 / rate apart; turn:
    degrees counterclockwise that a player is told to turn the pictures by."""
    choices = {"fflags": "+bitexact"}  # Matroska would number its files at random
    choices |= {"movflags": "+faststart"} if index_first else {}
    with av.open(str(path), "w", format=container, container_options=choices) as out:
        stream: Any = out.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = size
        stream.pix_fmt = pixels
        stream.gop_size = keyframe_every
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if turn:
            stream.set_display_rotation(turn)
        for index, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(numbered(number, size), format="rgb24")
            frame = frame.reformat(format=pixels)
            if times is not None:
                frame.pts = round(times[index] * 1000)
                frame.time_base = Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def repeat_video(source: Path, target: Path, times: int, *, is_live: bool = False) -> Path:
    """The packets of a video over and over: hours of it without encoding hours.

    is_live: written as to a network, so that the header knows no duration and there is no index.
    """
    file = _WriteOnly(target) if is_live else target
    write_repeated(source, file, times, container=_format(target))
    return target


def _format(path: Path) -> str:
    return {"mkv": "matroska", "ts": "mpegts"}.get(path.suffix[1:], path.suffix[1:])


class _WriteOnly:
    """A file that cannot be sought in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(b"")

    def write(self, data: bytes) -> int:
        with self.path.open("ab") as file:
            return file.write(data)


def write_sound(path: Path) -> Path:
    """One second of silence and no picture."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("aac", rate=8000)
        for start in range(0, 8000, 1000):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1000), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 8000, start
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


class Children(logging.Handler):
    """Cost of every decoding child while this is open, from the log of the sandbox."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.ends: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "peak_bytes"):
            self.ends.append(record)

    def __enter__(self) -> Children:
        self.level_before = sandbox.log.level
        sandbox.log.setLevel(logging.DEBUG)
        sandbox.log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        sandbox.log.removeHandler(self)
        sandbox.log.setLevel(self.level_before)


def peak_memory(path: Path, sampling: Sampling) -> int:
    """Bytes that the decoding child held at most."""
    with Children() as children:
        read_clips(path, sampling)
    return int(children.ends[-1].peak_bytes)
