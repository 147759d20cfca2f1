"""Timeline of a video file, and the few frames of it that are wanted. Runs in the child process.

Three accounts of the timeline are tried, each dearer and more trustworthy than the one before:
the header's (long videos only: its cost does not grow with the length), the timestamps of all
packets (nothing is decoded), and decoding everything once. When the frames that come back
contradict an account, the next one is asked.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from dsanet_core.records import Sampling
from dsanet_core.video.container import Canvas, RefusalError, Source
from dsanet_core.video.limits import Limits
from dsanet_core.video.sampling import frames_inside, in_words, length_notes, snippet_indices

LONG = 3000
"""Frames from which on the header's timeline is tried first."""

SEEK_GAP = 100
"""Frames that are rather decoded than jumped over: a seek costs half a keyframe interval."""

STEPS_BACK = (0, 64, 512)
"""Frames before the wanted one to seek to: some containers land after the keyframe it needs."""

SANE_FPS = (1 / 60, 1000.0)
DEFAULT_FPS = 25.0


Take = Callable[["Source", "Timeline", NDArray[np.int64], "Canvas"], list[NDArray[np.uint8]]]
"""Decodes the frames with these indices and puts them on the canvas."""


class ContradictionError(Exception):
    """The file contradicts a `Timeline` of it."""


@dataclass(frozen=True)
class Timeline:
    """ticks: (N,) time of every frame in units of the stream's time base, increasing.
    tolerance: ticks by which a decoded frame may be off. counted: frames are identified by their
    order and not by their times, which may then mean nothing."""

    ticks: NDArray[np.int64]
    tolerance: float = 0.0
    counted: bool = False

    @property
    def period(self) -> float:
        return float(self.ticks[-1] - self.ticks[0]) / max(len(self.ticks) - 1, 1)


@dataclass(frozen=True)
class Reading:
    """facts: the fields of the records that the parent makes, JSON-ready. pictures: one (H, W, 3)
    uint8 array for each of `facts["frame_index"]`. frames_decoded: cost over all passes."""

    facts: dict[str, Any]
    pictures: list[NDArray[np.uint8]]
    frames_decoded: int


def read_snippets(
    file: BinaryIO,
    sampling: Sampling,
    limits: Limits,
    part: Sequence[int] | None = None,
    window: Sequence[float] | None = None,
    draw: Sequence[float] | None = None,
    take: Take | None = None,
) -> Reading:
    """The frames of the snippets of a video file, or of those from part[0] to before part[1];
    window, draw: as of `read_clips`. take: decodes them, PyAV if left out. Raises RefusalError."""
    decoded = 0
    for account in (header_timeline, packet_timeline, decoded_timeline):
        source = Source(file, limits)
        try:
            timeline = account(source, limits)
            _check_length(timeline, source, limits)
            inside = _inside(window, timeline, source)
            indices = snippet_indices(len(inside), sampling, draw)
            indices = indices[slice(*(part or (None,)))] + inside.start
            # Not np.unique: it imports a module, and this process can open no file any more.
            wanted = np.array(sorted(set(indices.ravel().tolist())), np.int64)
            decoded += source.decoded
            source.container.close()
            source = Source(file, limits)  # from the start, with nothing left in the decoder
            canvas = Canvas()
            pictures = (take or _paint)(source, timeline, wanted, canvas)
        except (ContradictionError, FFmpegError) as problem:
            if isinstance(problem, MemoryError):
                raise
            decoded += source.decoded
            continue
        facts = _facts(source, timeline, inside, canvas, wanted, sampling)
        facts["position"] = np.searchsorted(wanted, indices).tolist()
        return Reading(facts, pictures, decoded + source.decoded)
    raise RefusalError("no_frames")


def _paint(
    source: Source, timeline: Timeline, wanted: NDArray[np.int64], canvas: Canvas
) -> list[NDArray[np.uint8]]:
    return [canvas.paint(frame) for frame in pick(source, timeline, wanted)]


def header_timeline(source: Source, limits: Limits) -> Timeline:
    """A constant-rate timeline from the header, its end checked against the last packets."""
    stream = source.stream
    first, rate, base = stream.start_time, stream.average_rate, stream.time_base
    length = stream.duration
    if length is None and source.container.duration and base:
        length = int(source.container.duration / 1_000_000 / base)
    if first is None or not rate or not base or not length or not source.can_seek:
        raise ContradictionError("no times in the header")
    if max(stream.frames, round(length * base * rate)) < LONG or not source.has_trusted_times:
        raise ContradictionError("not a long video")
    source.seek(first + length)
    last = max((p.pts for p in source.packets() if p.pts is not None), default=first)
    count = round((last - first) * base * rate) + 1
    if count < LONG or stream.frames not in (0, count):
        raise ContradictionError("another length than the header says")
    period = (last - first) / (count - 1)
    ticks = first + np.rint(np.arange(min(count, limits.max_frames + 1)) * period)
    return Timeline(ticks.astype(np.int64), tolerance=period / 4)


def packet_timeline(source: Source, limits: Limits) -> Timeline:
    """The times of all packets that are to be shown, without decoding them."""
    if not source.has_trusted_times:
        raise ContradictionError("times in coding order")
    ticks = array("q")
    for packet in source.packets():
        if packet.is_discard or packet.is_corrupt:
            continue
        if packet.pts is None or len(ticks) > limits.max_frames:
            break
        ticks.append(packet.pts)
    else:
        times = np.sort(np.array(ticks, np.int64))
        if len(times) and bool((np.diff(times) > 0).all()):
            return Timeline(times)
    raise ContradictionError("packets without a time of their own")


def decoded_timeline(source: Source, limits: Limits) -> Timeline:
    """Every frame that can be decoded, identified by its order."""
    ticks = array("q")
    for frame in source.frames():
        ticks.append(-1 if frame.pts is None else frame.pts)
        if len(ticks) > limits.max_frames:
            break
    if not ticks:
        raise RefusalError("no_frames", str(source.damaged))
    return Timeline(np.frombuffer(ticks, np.int64), counted=True)


def pick(source: Source, timeline: Timeline, wanted: NDArray[np.int64]) -> Iterator[VideoFrame]:
    """The wanted frames (increasing indices) one by one, so that few are held at a time."""
    if not timeline.counted:
        yield from _pick_by_time(source, timeline, wanted)
        return
    places = set(wanted.tolist())
    for index, frame in enumerate(source.frames()):
        if index in places:
            places.remove(index)
            yield frame
        if not places:
            return
    raise ContradictionError("fewer frames than the pass before")


def _pick_by_time(
    source: Source, timeline: Timeline, wanted: NDArray[np.int64]
) -> Iterator[VideoFrame]:
    frames = source.frames()
    now = int(timeline.ticks[0])
    for target in timeline.ticks[wanted].tolist():
        if source.can_seek and target - now > SEEK_GAP * timeline.period:
            frame, frames = _jump(source, timeline, target)
        else:
            frame = _advance(frames, target, timeline.tolerance)
        now = target
        yield frame


def _jump(
    source: Source, timeline: Timeline, target: int
) -> tuple[VideoFrame, Iterator[VideoFrame]]:
    for steps in STEPS_BACK:
        source.seek(max(int(target - steps * timeline.period), int(timeline.ticks[0])))
        frames = source.frames(from_keyframe=True)
        try:
            return _advance(frames, target, timeline.tolerance), frames
        except ContradictionError:
            continue
    raise ContradictionError(f"no frame at {target}")


def _advance(frames: Iterator[VideoFrame], target: int, tolerance: float) -> VideoFrame:
    for frame in frames:
        if frame.pts is None or frame.pts > target + tolerance:
            break
        if frame.pts >= target - tolerance:
            return frame
    raise ContradictionError(f"no frame at {target}")


def _check_length(timeline: Timeline, source: Source, limits: Limits) -> None:
    count = len(timeline.ticks)
    if count > limits.max_frames:
        raise RefusalError("too_many_frames", str(limits.max_frames))
    seconds = count / frame_rate(source, timeline)[0]
    if seconds > limits.max_duration_seconds:
        raise RefusalError("too_long", f"{seconds:.0f}")


def frame_rate(source: Source, timeline: Timeline) -> tuple[float, bool]:
    """Average frames per second, and whether the timeline's times can be believed."""
    low, high = SANE_FPS
    claimed = float(source.stream.average_rate or 0)
    nominal = claimed if low <= claimed <= high else DEFAULT_FPS
    if len(timeline.ticks) == 1:
        return nominal, True
    seconds = timeline.period * float(source.stream.time_base or 0)
    measured = 1 / seconds if seconds > 0 else 0.0
    if not low <= measured <= high or bool((np.diff(timeline.ticks) <= 0).any()):
        return nominal, False
    # A header's rate is exact where ticks of a millisecond are not.
    return (nominal if abs(nominal - measured) < 0.01 * measured else measured), True


def _times(source: Source, timeline: Timeline) -> NDArray[np.float64]:
    """(N,) seconds of every frame from the first on, never decreasing."""
    fps, clock_is_sane = frame_rate(source, timeline)
    if clock_is_sane:
        base = float(source.stream.time_base or 0)
        return np.asarray((timeline.ticks - timeline.ticks[0]) * base)
    return np.arange(len(timeline.ticks)) / fps


def _inside(window: Sequence[float] | None, timeline: Timeline, source: Source) -> range:
    """The frames of a window of time; all of them without one."""
    count = len(timeline.ticks)
    if window is None:
        return range(count)
    inside = frames_inside(window, _times(source, timeline))
    if not inside:
        length = count / frame_rate(source, timeline)[0]
        raise RefusalError("empty_window", f"{in_words(window)} of {length:.3g} s")
    return inside


def _facts(
    source: Source,
    timeline: Timeline,
    inside: range,
    canvas: Canvas,
    wanted: NDArray[np.int64],
    sampling: Sampling,
) -> dict[str, Any]:
    fps, clock_is_sane = frame_rate(source, timeline)
    seconds, count = _times(source, timeline), len(timeline.ticks)
    notes = _source_notes(source, count, count / fps) + length_notes(inside, seconds, sampling)
    if not clock_is_sane and source.has_trusted_times:
        notes.append(f"no usable timestamps: {fps:g} frames per second assumed")
    context = source.stream.codec_context
    return {
        "container": source.container.format.name,
        "brand": source.container.metadata.get("major_brand", "").strip(),
        "codec": source.stream.codec.canonical_name,
        "pixel_format": context.pix_fmt or "",
        "width": canvas.display_size[0],
        "height": canvas.display_size[1],
        "rotation": canvas.rotation,
        "fps": fps,
        "duration_seconds": len(inside) / fps,
        "num_frames": len(inside),
        # Of a part of the file the header says nothing.
        "num_frames_claimed": source.stream.frames or None if len(inside) == count else None,
        "frame_index": wanted.tolist(),
        "pts_seconds": seconds[wanted].tolist(),
        "frame_size": list(canvas.size),
        "notes": notes + canvas.notes(),
    }


def _source_notes(source: Source, count: int, seconds: float) -> list[str]:
    notes = []
    claimed = source.stream.frames
    promised = (source.container.duration or 0) / 1_000_000
    if claimed and claimed != count:
        notes.append(f"{count} of the {claimed} frames that the header claims are there")
    elif promised > 1.05 * seconds + 1:
        notes.append(f"the header promises {promised:.1f} s, {seconds:.1f} s of pictures are there")
    if source.damaged:
        notes.append(f"{source.damaged} damaged packet{'s' * (source.damaged > 1)} skipped")
    if len(source.container.streams.video) > 1:
        notes.append(f"{len(source.container.streams.video)} video streams: the main one is read")
    return notes
