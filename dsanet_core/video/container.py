"""One open of an untrusted file with PyAV: its best video stream, packets, frames and pictures.

Runs in the child process (`fork_server`), except on files that a test has made itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dsanet_core.video.confine import USABLE_CORES
from dsanet_core.video.limits import Limits, delivery_size, size_notes

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,mpegts,mpeg,mpegvideo,m4v,h264,hevc,obu,ivf,"
    "ogg,flv,asf,yuv4mpegpipe,mxf,nut,dv,rm,wtv"
)
"""FFmpeg names of the containers that may be read: none that can name another file."""

SEEKABLE_CODECS = frozenset(
    ("h264", "hevc", "vp8", "vp9", "av1", "mpeg1video", "mpeg2video", "mpeg4", "h263", "mjpeg")
)
"""Decoders whose pictures after a keyframe do not depend on what came before it."""

MAX_READ_ERRORS = 16


class RefusalError(Exception):
    """The file cannot be read, or not within the limits. code: a key of `refusals.REFUSALS`."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class _File:
    """FFmpeg asks for places that no file has. Like the C library this answers -1: an exception
    would stay behind in PyAV and come up wherever it looks next."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._seek(offset, whence)
        except OSError:
            return -1


class Source:
    """read: packets so far. damaged: packets that could not be decoded. decoded: frames that
    could."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        file.seek(0)
        # A file object leaves FFmpeg nothing to open itself, and no protocol is called "none":
        # what the file names (playlists, external tracks) stays closed.
        options = {
            "format_whitelist": CONTAINERS,
            "protocol_whitelist": "none",
            "max_pixels": str(limits.max_pixels),
        }
        try:
            self.container: InputContainer = av.open(
                _File(file), "r", options=options, metadata_errors="replace", buffer_size=1 << 18
            )
        except MemoryError:
            raise
        except (FFmpegError, ValueError) as error:
            raise RefusalError("unreadable") from error
        if len(self.container.streams) > limits.max_streams:
            raise RefusalError("too_many_streams", str(len(self.container.streams)))
        self.stream: VideoStream = _best_video(self.container)
        self.max_packets = limits.max_packets
        self.read = 0
        self.damaged = 0
        self.decoded = 0
        context = self.stream.codec_context
        if context.width * context.height > limits.max_pixels:
            raise RefusalError("too_large", f"{context.width}x{context.height}")
        context.options = {"max_pixels": str(limits.max_pixels)}
        context.thread_type = "AUTO"
        context.thread_count = USABLE_CORES

    @property
    def can_seek(self) -> bool:
        return self.stream.codec.canonical_name in SEEKABLE_CODECS

    @property
    def has_trusted_times(self) -> bool:
        """False for AVI with H.264 or HEVC: it stores coding order, which B-frames leave."""
        is_avi = self.container.format.name == "avi"
        return not (is_avi and self.stream.codec_context.name in ("h264", "hevc"))

    def seek(self, ticks: int) -> None:
        """Go to a keyframe at or before a time in ticks of the stream's time base."""
        self.container.seek(ticks, stream=self.stream)

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """The stream's packets from the current place on; unreadable stretches are skipped."""
        errors = 0
        while errors < MAX_READ_ERRORS:
            try:
                for packet in self.container.demux(self.stream):
                    errors = 0
                    self.read += 1
                    if self.read > self.max_packets:
                        raise RefusalError("too_many_packets", str(self.max_packets))
                    if packet.size:
                        yield packet
                return
            except MemoryError:
                raise
            except IndexError:  # PyAV's answer, at the end, to streams that began on the way
                return
            except FFmpegError:
                errors += 1

    def frames(self, *, from_keyframe: bool = False) -> Iterator[VideoFrame]:
        """Decodable frames in order of presentation; damaged packets are skipped and counted."""
        started = not from_keyframe
        for packet in self.packets():
            started = started or packet.is_keyframe
            if started:
                yield from self._decode(packet)
        yield from self._decode(None)

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            frames = self.stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except BlockingIOError as error:  # no room for a thread's stack
            raise MemoryError from error
        except EOFError:
            return []
        except FFmpegError:
            self.damaged += 1
            return []
        self.decoded += len(frames)
        return frames


def _best_video(container: InputContainer) -> VideoStream:
    """FFmpeg's choice of video stream; cover art is no video. RefusalError without one."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        _refuse_without_video(container)
    best = container.streams.best("video")
    stream = best if isinstance(best, VideoStream) and best in streams else streams[0]
    if stream.codec_context is None:
        raise RefusalError("no_decoder")
    return stream


def _refuse_without_video(container: InputContainer) -> NoReturn:
    kinds = sorted({stream.type for stream in container.streams})
    if not kinds:
        raise RefusalError("unreadable")
    raise RefusalError("no_video", " and ".join(kinds))


class Canvas:
    """Paints every frame in the size of the first one, reduced to the delivery size.

    display_size: (width, height) of the first frame, upright. size: the same of the pictures.
    rotation: degrees clockwise that the first frame was turned by.
    """

    display_size: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)
    rotation: int = 0

    def __init__(self) -> None:
        self._seen: list[tuple[int, int]] = []

    def paint(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """The frame as (height, width, 3) uint8 of `size`."""
        quarters = round(frame.rotation / 90) % 4  # counterclockwise
        upright = upright_size(frame)
        if not self._seen:
            self.display_size, self.size = upright, delivery_size(*upright)
            self.rotation = -90 * quarters % 360
        if upright not in self._seen:
            self._seen.append(upright)
        width, height = reversed(self.size) if quarters % 2 else self.size
        shrinks = width * height < frame.width * frame.height
        rgb = frame.reformat(
            width,
            height,
            "rgb24",
            interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
        ).to_ndarray()
        return np.ascontiguousarray(np.rot90(rgb, quarters), dtype=np.uint8)

    def notes(self) -> list[str]:
        return size_notes(self.size, self._seen)


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height of a frame as it is to be shown."""
    is_turned = round(frame.rotation / 90) % 2
    return (frame.height, frame.width) if is_turned else (frame.width, frame.height)
