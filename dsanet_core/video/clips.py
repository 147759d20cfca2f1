"""Video file to clips: decoding happens in a child process that can be killed (`sandbox`)."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dsanet_core.errors import VideoError
from dsanet_core.records import Clips, Frames, Sampling, Video
from dsanet_core.text_format import file_size
from dsanet_core.video.limits import DEFAULT_LIMITS, LONG_SIDE, SHORT_SIDE, Limits
from dsanet_core.video.refusals import EXPECTED, RE_EXPORT, TRIM, refusal, shown_as
from dsanet_core.video.sampling import check_draw
from dsanet_core.video.sandbox import ChildError, ask_child

MAX_FRAME_BYTES = SHORT_SIDE * LONG_SIDE * 3
HEAD_BYTES = 4096
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Upload:
    """An open regular file. fd: its descriptor, whose position belongs to the child that reads
    it. name: what to call it in messages. head: its first bytes."""

    fd: int
    name: str
    head: bytes

    def sha256(self, is_over: threading.Event) -> str:
        """Hash of the whole file, read in pieces without moving the file position. Raises
        concurrent.futures.CancelledError soon after is_over is set."""
        digest = hashlib.sha256()
        offset = 0
        while chunk := os.pread(self.fd, CHUNK_BYTES, offset):
            digest.update(chunk)
            offset += len(chunk)
            if is_over.is_set():
                raise CancelledError("the hash is not needed any more")
        return digest.hexdigest()


@contextmanager
def open_upload(path: str | os.PathLike[str], limits: Limits) -> Iterator[Upload]:
    """Open a video file for reading. Raises VideoError if it cannot be one."""
    name = shown_as(Path(path).name or os.fspath(path))
    try:
        # A named pipe would block without O_NONBLOCK.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        where = shown_as(os.fspath(path), 300)
        raise VideoError(f"{where} does not exist", EXPECTED, "Check the path.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise VideoError(
            f"{name} cannot be opened ({reason})", EXPECTED, "Check the path and its permissions."
        ) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
            raise VideoError(f"{name} is {kind}", EXPECTED, "Name one video file.")
        if status.st_size == 0:
            raise VideoError(
                f"{name} is empty (0 bytes)", EXPECTED, "Copy or download it again."
            )
        if status.st_size > limits.max_file_bytes:
            most = f"at most {file_size(limits.max_file_bytes)}"
            raise VideoError(f"{name} has {file_size(status.st_size)}", most, TRIM)
        yield Upload(fd, name, os.pread(fd, HEAD_BYTES, 0))
    finally:
        os.close(fd)


def read_clips(
    path: str | os.PathLike[str],
    sampling: Sampling,
    *,
    part: tuple[int, int] | None = None,
    window: tuple[float, float] | None = None,
    draw: Sequence[float] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    cancel: threading.Event | None = None,
) -> Clips:
    """Decode the frames of the snippets of a video file, and no others.

    Frames come upright (`Video.rotation` is how far they were turned, in degrees clockwise), in
    the size of the first one, reduced to a short side of at most 512 pixels (and a long side of
    at most 2048). Frame indices count the frames that are there, times start at the first one.
    `Video.notes` says what was unusual. Time and memory do not grow with the length of an intact
    file of constant frame rate.

    part: (start, stop) decodes only these of the snippets, so that many of them need not be held
    at once; the clips then have a sampling of stop - start snippets.

    window: (start, end) in seconds from the first frame: only the frames at start <= time < end
    count as the video; end may be infinite. `num_frames` and `duration_seconds` of the video are
    then those of the window, while frame indices and times stay those of the file. What of the
    window lies past the end of the video is left out; without any frame it is a VideoError.

    draw: of a training draw, `sampling.num_snippets` fractions in [0, 1) that say where in its
    segment each snippet starts, see `snippet_indices`; without it they are those of test time.
    Raises ValueError for other fractions.

    The work is done in a child process within `limits`. Raises VideoError if the file is no video,
    too damaged, or not within them; concurrent.futures.CancelledError soon after `cancel` is set.
    """
    request = {"task": "clips"} | clips_request(sampling, part, window, draw)
    if part is not None:
        sampling = replace(sampling, num_snippets=part[1] - part[0])
    most = max_payload_bytes(sampling)
    with open_upload(path, limits) as upload, hashing(upload) as sha256:
        facts, payload = ask(upload, request, limits, max_payload_bytes=most, cancel=cancel)
        with sense_made_of(upload):
            return clips_from(facts, payload, sampling, upload, sha256.result())


def max_payload_bytes(sampling: Sampling) -> int:
    """Bytes of pixels that clips of this sampling take at most."""
    return sampling.num_snippets * sampling.frames_per_snippet * MAX_FRAME_BYTES


def clips_request(
    sampling: Sampling,
    part: tuple[int, int] | None,
    window: tuple[float, float] | None,
    draw: Sequence[float] | None,
) -> dict[str, Any]:
    """The wanted frames as JSON values for a child. Raises ValueError for a draw that
    does not fit."""
    if draw is not None:
        draw = [float(fraction) for fraction in draw]
        check_draw(draw, sampling)
    return {"sampling": asdict(sampling), "part": part, "window": window, "draw": draw}


@contextmanager
def hashing(upload: Upload) -> Iterator[Future[str]]:
    """The hash of the file while something else is done; given up where that fails."""
    is_over = threading.Event()
    with ThreadPoolExecutor(1) as hasher:
        try:
            yield hasher.submit(upload.sha256, is_over)
        except BaseException:
            is_over.set()  # a large file takes seconds to hash
            raise


def ask(
    upload: Upload,
    request: dict[str, Any],
    limits: Limits,
    *,
    max_payload_bytes: int = 0,
    output_fd: int | None = None,
    cancel: threading.Event | None = None,
) -> tuple[dict[str, Any], memoryview]:
    """`ask_child`, with every failure as a VideoError about this upload."""
    try:
        header, payload = ask_child(
            request,
            upload.fd,
            limits,
            max_payload_bytes=max_payload_bytes,
            output_fd=output_fd,
            cancel=cancel,
        )
    except ChildError as failure:
        if failure.is_late:
            raise VideoError(
                f"{upload.name} took longer to decode than allowed",
                f"at most {limits.wall_seconds:g} s",
                TRIM,
            ) from failure
        if failure.is_ours:
            raise VideoError(
                f"{upload.name} could not be decoded: {shown_as(failure.reason, 200)}",
                "a decoder that is left to work",
                "Try again: the file may be all right. If it happens again, the machine may be "
                "short of memory.",
            ) from failure
        raise _failure(upload, failure.reason) from failure
    if "refused" in header:
        code, detail = str(header["refused"]), str(header.get("detail", ""))
        raise refusal(upload.name, code, detail, upload.head, limits)
    return header, payload


@contextmanager
def sense_made_of(upload: Upload) -> Iterator[None]:
    """Raise a VideoError about this upload for an answer that no records can be made of."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _failure(upload, f"the decoder's answer makes no sense ({error})") from error


def _failure(upload: Upload, reason: str) -> VideoError:
    return VideoError(
        f"{upload.name} could not be decoded: {shown_as(reason, 200)}",
        "a file that FFmpeg decodes",
        f"It may be damaged or made to do harm. {RE_EXPORT}",
    )


def clips_from(
    facts: dict[str, Any], payload: memoryview, sampling: Sampling, upload: Upload, sha256: str
) -> Clips:
    """The records of a child's answer."""
    claimed = facts["num_frames_claimed"]
    video = Video(
        name=upload.name,
        sha256=sha256,
        container=_container(str(facts["container"]), str(facts["brand"]), upload.head),
        codec=shown_as(str(facts["codec"]), 40),
        width=int(facts["width"]),
        height=int(facts["height"]),
        fps=float(facts["fps"]),
        duration_seconds=float(facts["duration_seconds"]),
        num_frames=int(facts["num_frames"]),
        num_frames_claimed=None if claimed is None else int(claimed),
        rotation=int(facts["rotation"]),
        notes=tuple(shown_as(str(note), 300) for note in facts["notes"]),
        pixel_format=shown_as(str(facts["pixel_format"]), 40),
    )
    width, height = (int(side) for side in facts["frame_size"])
    index = np.array(facts["frame_index"], np.int64)
    rgb = np.frombuffer(payload, np.uint8).reshape(len(index), height, width, 3)
    frames = Frames(video, rgb, index, np.array(facts["pts_seconds"], np.float64))
    return Clips(frames, sampling, np.array(facts["position"], np.int64))


def _container(demuxer: str, brand: str, head: bytes) -> str:
    """One name for a container whose demuxer has several ("mov,mp4,m4a,3gp,3g2,mj2")."""
    if demuxer.startswith("mov,"):
        return "mov" if brand == "qt" else "mp4"
    if demuxer.startswith("matroska,"):
        return "webm" if b"webm" in head[:64] else "matroska"
    return shown_as(demuxer, 40)
