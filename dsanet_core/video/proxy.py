"""Videos that a browser plays: a copy of an upload where needed, and files made from arrays."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsanet_core.atomic import atomic_file, private_opener
from dsanet_core.records import Video
from dsanet_core.video.clips import ask, open_upload, sense_made_of
from dsanet_core.video.limits import DEFAULT_LIMITS, Limits

PROXY_SECONDS = 120.0
MAX_PROXY_BYTES = 256 << 20


@dataclass(frozen=True)
class Proxy:
    """A video made for the browser. seconds: time of its last frame. is_whole: False if the
    original goes on after it."""

    path: Path
    seconds: float
    num_frames: int
    is_whole: bool


def plays_in_browser(video: Video) -> bool:
    """True if today's browsers play the file itself: H.264 in MP4, or VP8, VP9 or AV1 in WebM,
    8 bits and 4:2:0, and with all the frames that its header claims."""
    codecs = {"mp4": ("h264",), "webm": ("vp8", "vp9", "av1")}.get(video.container, ())
    return (
        video.codec in codecs
        and video.pixel_format in ("yuv420p", "yuvj420p")
        and video.num_frames_claimed in (None, video.num_frames)
    )


def browser_proxy(
    path: str | os.PathLike[str],
    out_path: str | os.PathLike[str],
    *,
    limits: Limits = DEFAULT_LIMITS,
    cancel: threading.Event | None = None,
) -> Proxy:
    """Make an H.264 MP4 of the first 120 s of a video: upright, short side at most 480 pixels,
    without sound, its index first.

    Works in the same child process and raises the same errors as `read_clips`. `out_path` is
    replaced only when the copy is complete.
    """
    out_path = Path(out_path)
    request = {
        "task": "proxy",
        "max_seconds": PROXY_SECONDS,
        "max_output_bytes": MAX_PROXY_BYTES,
    }
    with (
        open_upload(path, limits) as upload,
        atomic_file(out_path, sync=False) as part,
        open(part, "xb", opener=private_opener) as out,
    ):
        facts, _ = ask(upload, request, limits, output_fd=out.fileno(), cancel=cancel)
        with sense_made_of(upload):
            return Proxy(
                path=out_path,
                seconds=float(facts["seconds"]),
                num_frames=int(facts["num_frames"]),
                is_whole=bool(facts["is_whole"]),
            )


def encode_h264(
    frames: Iterable[NDArray[np.uint8]],
    fps: float,
    path: str | os.PathLike[str],
    *,
    crf: int = 18,
) -> None:
    """Write RGB frames (H, W, 3) uint8, H and W even, as an H.264 MP4 that browsers play.

    For pictures made by this program: encoded here, in this process. The same frames give the
    same bytes with the same version of FFmpeg. crf: x264's quality, 0 (lossless) to 51.
    """
    import av

    # x264's macroblock tree reads memory it has not written: the same frames gave other bytes.
    encoder = {"crf": str(crf), "x264-params": "mbtree=0"}
    with av.open(os.fspath(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        rate = Fraction(fps).limit_denominator(1001)
        stream = out.add_stream("libx264", rate=rate, options=encoder)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1  # more threads may give other bytes
        for index, rgb in enumerate(frames):
            if index == 0:
                stream.height, stream.width = rgb.shape[:2]
            height, width, channels = rgb.shape
            is_even = height % 2 == width % 2 == 0
            if (height, width, channels) != (stream.height, stream.width, 3) or not is_even:
                raise ValueError(f"frame {index} is {rgb.shape}; expected equal even sizes, RGB")
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            picture.pts = index
            picture.time_base = 1 / rate
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
