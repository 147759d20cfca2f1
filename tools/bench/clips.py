"""The video that figures are quoted for, and longer ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Target = TypeVar("Target")

CLIP_SIZE = (256, 340)
CLIP_SECONDS = 10
CLIP_FPS = 25
CLIP = f"{CLIP_SECONDS} s of {CLIP_SIZE[1]}x{CLIP_SIZE[0]}, H.264, {CLIP_FPS} frames per second"


def write_clip(path: Path) -> Path:
    """A 10 s 340x256 H.264 file: the first benchmark video of a seed, slowed down."""
    from dsanet_core import synthetic
    from dsanet_core.video import encode_h264

    made = synthetic.make_video(0, 0, size=CLIP_SIZE)
    count = CLIP_SECONDS * CLIP_FPS
    shown = np.arange(count) * synthetic.NUM_FRAMES // count
    encode_h264(made.rgb[shown], fps=CLIP_FPS, path=path)
    return path


def write_repeated(
    source: Path, target: Target, times: int, *, container: str = "mp4"
) -> Target:
    """The packets of a video over and over: a long one without encoding it.

    target: a path, or a file that is open for writing; it is given back. container: FFmpeg's name.
    """
    import av

    file: Any = str(target) if isinstance(target, Path) else target
    with av.open(str(source)) as before, av.open(file, "w", format=container) as after:
        stream: Any = before.streams.video[0]
        copy = after.add_stream_from_template(stream)
        packets: list[Any] = [packet for packet in before.demux(stream) if packet.size]
        lap_ticks = round(len(packets) / stream.average_rate / stream.time_base)
        for lap in range(times):
            for packet in packets:
                again: Any = av.Packet(bytes(packet))
                again.pts, again.dts = packet.pts + lap * lap_ticks, packet.dts + lap * lap_ticks
                again.duration, again.time_base = packet.duration, stream.time_base
                again.is_keyframe, again.stream = packet.is_keyframe, copy
                after.mux(again)
    return target
