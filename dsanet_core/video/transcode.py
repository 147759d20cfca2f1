"""Any video to a small H.264 MP4 that browsers play. Runs in the child process."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np
from av.error import ExternalError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from dsanet_core.video.container import RefusalError, Source, upright_size
from dsanet_core.video.limits import Limits, delivery_size

PROXY_SHORT_SIDE = 480
MAX_FPS = 60
LONGEST_STEP_SECONDS = 60.0
TICKS_PER_SECOND = 90_000
ENCODER_OPTIONS = {"preset": "veryfast", "crf": "25"}


def make_proxy(file: BinaryIO, out: BinaryIO, max_seconds: float, limits: Limits) -> dict[str, Any]:
    """Write the first max_seconds of a video to `out`: upright, at most 480 lines and 60 frames
    per second, without sound.

    Returns {"seconds", "num_frames", "is_whole"}. Raises RefusalError.
    """
    source = Source(file, limits)
    packets = []
    stream: VideoStream | None = None
    shown, is_whole = -1.0, True
    with av.open(out, "w", format="mp4") as container:
        for seconds, frame in _timed(source):
            if seconds >= max_seconds:
                is_whole = False
                break
            if shown >= 0 and (seconds - shown) * MAX_FPS < 0.99:
                continue
            shown = seconds
            stream = stream or _add_stream(container, frame)
            picture = _upright(frame, (stream.width, stream.height))
            picture.pts = round(seconds * TICKS_PER_SECOND)
            picture.time_base = Fraction(1, TICKS_PER_SECOND)
            packets += _encode(stream, picture)
        if stream is None:
            raise RefusalError("no_frames")
        packets += _encode(stream, None)
        # The index goes first, so that playing starts before the file has come in whole. FFmpeg's
        # own way to that opens the file a second time; here room is left for the index instead.
        container.container_options["moov_size"] = str(4096 + 48 * len(packets))
        container.mux(packets)
    return {"seconds": shown, "num_frames": len(packets), "is_whole": is_whole}


def _add_stream(container: av.container.OutputContainer, first: VideoFrame) -> VideoStream:
    stream = container.add_stream("libx264", rate=25, options=ENCODER_OPTIONS)
    size = delivery_size(*upright_size(first), short_side=PROXY_SHORT_SIDE)
    stream.width, stream.height = (max(side // 2 * 2, 2) for side in size)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS_PER_SECOND)
    stream.codec_context.thread_count = 2
    return stream


def _encode(stream: VideoStream, picture: VideoFrame | None) -> list[Packet[VideoStream]]:
    try:
        return stream.encode(picture)
    except ExternalError as error:  # x264's answer when it finds no room
        raise MemoryError from error


def _upright(frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    """A copy of the frame, turned and resized, without its type so that the encoder chooses."""
    quarters = round(frame.rotation / 90) % 4
    if not quarters:
        picture = frame.reformat(*size, "yuv420p", interpolation=Interpolation.AREA)
    else:
        width, height = reversed(size) if quarters % 2 else size
        rgb = frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA).to_ndarray()
        turned = np.ascontiguousarray(np.rot90(rgb, quarters), dtype=np.uint8)
        picture = VideoFrame.from_ndarray(turned, format="rgb24").reformat(format="yuv420p")
    picture.pict_type = 0
    return picture


def _timed(source: Source) -> Iterator[tuple[float, VideoFrame]]:
    """Frames with their times in seconds from the first, increasing whatever the file says."""
    base = float(source.stream.time_base or 0)
    rate = float(source.stream.average_rate or 0)
    usual = 1 / rate if 1 <= rate <= MAX_FPS else 1 / 25
    seconds, last = 0.0, None
    for frame in source.frames():
        step = usual
        if last is None:
            step = 0.0
        elif source.has_trusted_times and frame.pts is not None:
            step = (frame.pts - last) * base
        seconds += step if last is None or 0 < step <= LONGEST_STEP_SECONDS else usual
        last = frame.pts if frame.pts is not None else last
        yield seconds, frame
