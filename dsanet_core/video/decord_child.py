"""Decodes with decord in a process of its own, which may leak, hang or crash.

    python -m dsanet_core.video.decord_child

A request is one file; the payload of an answer is raw RGB. For trusted files alone: nothing
confines this process but the clock, a cap on its memory and whoever started it. Which frames a file
holds is asked of PyAV, as everywhere; decord decodes them, and declines where its own account of
the file or its first frame is another one.
"""

from __future__ import annotations

import math
import os
import resource
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import decord
import numpy as np
from numpy.typing import NDArray

from dsanet_core.child_process import Channel, parent_channel
from dsanet_core.records import Sampling
from dsanet_core.video.container import Canvas, RefusalError, Source
from dsanet_core.video.decode import Timeline, frame_rate, read_snippets
from dsanet_core.video.limits import Limits

PIXEL_FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p")
"""Of which decord makes the RGB that PyAV makes; of those with 10 bits it does not."""


class DeclinedError(Exception):
    """The file is left to PyAV, for this reason."""


def take(
    path: str, source: Source, timeline: Timeline, wanted: NDArray[np.int64], canvas: Canvas
) -> list[NDArray[np.uint8]]:
    """`decode.Take` by decord. Raises DeclinedError unless it counts as many frames as PyAV, at the
    same times (it ignores edit lists), and both give the same pixels of the first one."""
    if timeline.counted or not frame_rate(source, timeline)[1]:
        raise DeclinedError("frames without usable times")  # on some it never returns
    if len(source.container.streams.video) > 1:
        raise DeclinedError("several video streams")
    context = source.stream.codec_context
    if context.pix_fmt not in PIXEL_FORMATS:
        raise DeclinedError(f"the pixel format {context.pix_fmt}")
    context.thread_count = 1
    first = next(source.frames(), None)
    if first is None or first.pts != timeline.ticks[0]:
        raise DeclinedError("a damaged beginning")
    rgb = canvas.paint(first)
    if canvas.rotation or canvas.size != canvas.display_size:
        raise DeclinedError("frames that are turned or reduced")
    video = decord.VideoReader(path, num_threads=1)
    if len(video) != len(timeline.ticks):
        raise DeclinedError(f"{len(timeline.ticks)} frames, of which decord counts {len(video)}")
    seconds = (timeline.ticks - timeline.ticks[0]) * float(source.stream.time_base or 0)
    times = video.get_frame_timestamp(range(len(video)))[:, 0]
    slack = float(np.diff(seconds).min(initial=1.0)) / 4
    if np.abs(times - times[0] - seconds).max() > slack:
        raise DeclinedError("frames that decord tells other times of")
    pictures = video.get_batch([0, *wanted.tolist()]).asnumpy()
    if not np.array_equal(pictures[0], rgb):
        raise DeclinedError("frames of which decord makes other pixels")
    return list(pictures[1:])


def answer(request: dict[str, Any]) -> tuple[dict[str, Any], list[NDArray[np.uint8]]]:
    """Header and pictures for one request."""
    limits = Limits(**request["limits"])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limits.address_space, hard))
    signal.alarm(math.ceil(limits.wall_seconds) + 5)  # should the parent be gone by then
    try:
        with Path(request["path"]).open("rb", buffering=0) as file:
            reading = read_snippets(
                file, Sampling(**request["sampling"]), limits, request["part"], request["window"],
                request["draw"], partial(take, request["path"]),
            )
    except DeclinedError as reason:
        return {"declined": str(reason)}, []
    except RefusalError as refusal:
        return {"declined": refusal.code}, []
    except Exception as error:  # decord's are of many kinds; PyAV will say what is wrong
        return {"declined": f"{type(error).__name__}: {error}"}, []
    return reading.facts, reading.pictures


def serve(channel: Channel) -> None:
    """Answer until the other side hangs up."""
    with suppress(EOFError):
        while True:
            header, pictures = answer(channel.receive()[0])
            signal.alarm(0)
            header["resident_bytes"] = resident_bytes()
            channel.send(header, pictures, sizes=[sum(picture.nbytes for picture in pictures)])


def resident_bytes() -> int:
    """Memory of this process now; at its peak where the platform does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    decord.logging.set_level(decord.logging.QUIET)
    serve(parent_channel())
