"""`read_clips` by decord where it can, for trusted files alone: never for an upload.

decord decodes short clips of usual sizes faster, but its last release (0.6.0, 2021) leaks, hangs on
some files and reads others in another way. So it works in a child process that is replaced before
it grows, killed when it is late, and that leaves a file to PyAV wherever the two might differ. What
comes back is therefore what `read_clips` gives, to the pixel; a note says when PyAV had to do it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from dsanet_core.records import Clips, Sampling
from dsanet_core.video.clips import clips_from, clips_request, hashing, read_clips
from dsanet_core.video.fork_client import child_environment
from dsanet_core.video.limits import DEFAULT_LIMITS, Limits
from dsanet_core.video.refusals import shown_as
from dsanet_core.video.upload import open_upload

COMMAND = (sys.executable, "-P", "-B", "-m", "dsanet_core.video.decord_child")
DECORD_LIMITS = replace(DEFAULT_LIMITS, wall_seconds=20.0)
"""A file that takes decord longer is PyAV's."""
FILES_PER_CHILD = 500
MOST_RESIDENT_BYTES = 1 << 30
"""A child that has read so many files or holds so much memory is replaced before the next file."""


class _DeclinedError(Exception):
    """decord has not read the file, for this reason."""


def read_with_decord(
    path: str | os.PathLike[str],
    sampling: Sampling,
    *,
    part: tuple[int, int] | None = None,
    window: tuple[float, float] | None = None,
    draw: Sequence[float] | None = None,
    limits: Limits = DECORD_LIMITS,
) -> Clips:
    """As `read_clips`, of a file that is trusted. limits: on decord; past them PyAV reads the file,
    within its own. One file of a process is read at a time."""
    request = {"path": os.path.abspath(path)} | clips_request(  # noqa: PTH100 (keeps links)
        sampling, part, window, draw
    )
    asked = sampling if part is None else replace(sampling, num_snippets=part[1] - part[0])
    try:
        with open_upload(path, limits) as upload, hashing(upload) as sha256, _lock:
            facts, payload = _ask(request, limits)
            return clips_from(facts, payload, asked, upload, sha256.result())
    except _DeclinedError as reason:
        clips = read_clips(path, sampling, part=part, window=window, draw=draw)
        note = f"left to PyAV by decord: {shown_as(str(reason), 100)}"
        video = replace(clips.frames.video, notes=(*clips.frames.video.notes, note))
        return replace(clips, frames=replace(clips.frames, video=video))


class _Child:
    """A running decoder. files: read so far; resident_bytes: memory after the last of them."""

    def __init__(self, limits: Limits) -> None:
        self.files = self.resident_bytes = 0
        self._process = subprocess.Popen(
            (*COMMAND, str(limits.address_space)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=child_environment() | {"PATH": os.defpath},  # decord does not load without
        )

    def ask(
        self, request: dict[str, Any], wall_seconds: float
    ) -> tuple[dict[str, Any], bytearray]:
        """Header and raw pixels. Raises _DeclinedError where decord has none; the child must be
        ended then unless it said so itself."""
        assert self._process.stdin is not None
        until = time.monotonic() + wall_seconds
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise _DeclinedError("its process has ended") from error
        (length,) = struct.unpack(">Q", self._receive(8, until))
        header: dict[str, Any] = json.loads(self._receive(length, until))
        self.files += 1
        self.resident_bytes = header["resident_bytes"]
        if "declined" in header:
            return header, bytearray()
        width, height = header["frame_size"]
        size = len(header["frame_index"]) * width * height * 3
        return header, self._receive(size, until)

    def _receive(self, size: int, until: float) -> bytearray:
        assert self._process.stdout is not None
        pipe, answer, received = self._process.stdout.fileno(), bytearray(size), 0
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while received < size:
            if not poll.poll(max(1000 * (until - time.monotonic()), 0)):
                raise _DeclinedError("it took too long")
            count = os.readv(pipe, [memoryview(answer)[received:]])
            if not count:
                raise _DeclinedError("its process has crashed")
            received += count
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Let go of it, as must a fork of the process that started it."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


_lock = threading.Lock()
_child: _Child | None = None


def _ask(request: dict[str, Any], limits: Limits) -> tuple[dict[str, Any], memoryview]:
    """The answer of this process's child, a fresh one if there is none. Raises _DeclinedError."""
    global _child
    if _child is not None and (
        _child.files >= FILES_PER_CHILD or _child.resident_bytes > MOST_RESIDENT_BYTES
    ):
        shut_down()
    try:
        child = _child = _child or _Child(limits)
    except OSError as error:
        raise _DeclinedError(f"no room for its process ({error.strerror})") from error
    try:
        header, pixels = child.ask(request | {"limits": asdict(limits)}, limits.wall_seconds)
    except BaseException:
        shut_down()  # there may be an answer, or a part of one, to come
        raise
    if "declined" in header:
        raise _DeclinedError(str(header["declined"]))
    return header, memoryview(pixels)


def shut_down() -> None:
    """End the decoder of this process, if it has one."""
    global _child
    if _child is not None:
        _child.end()
        _child = None


def _forget_in_fork() -> None:
    global _child, _lock
    _lock = threading.Lock()
    if _child is not None:
        _child.forget()
        _child = None


atexit.register(shut_down)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_fork)
