"""`read_clips` by decord where it can, for trusted files alone: never for an upload.

decord decodes short clips of usual sizes faster, but its last release (0.6.0, 2021) leaks, hangs on
some files and reads others in another way. So it works in a child process that is replaced before
it grows, killed when it is late, and that leaves a file to PyAV wherever the two might differ. What
comes back is therefore what `read_clips` gives, to the pixel; a note tells when PyAV had to do it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from dsanet_core.child_process import (
    ISOLATED_ENV,
    Child,
    DeadlineError,
    KeptChild,
    MessageError,
)
from dsanet_core.records import Clips, Sampling
from dsanet_core.video.clips import (
    clips_from,
    clips_request,
    hashing,
    max_payload_bytes,
    open_upload,
    read_clips,
)
from dsanet_core.video.limits import DEFAULT_LIMITS, Limits
from dsanet_core.video.refusals import shown_as

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
        with open_upload(path, limits) as upload, hashing(upload) as sha256:
            facts, payload = _ask(request, limits, max_payload_bytes(asked))
            return clips_from(facts, payload, asked, upload, sha256.result())
    except _DeclinedError as reason:
        clips = read_clips(path, sampling, part=part, window=window, draw=draw)
        note = f"left to PyAV by decord: {shown_as(str(reason), 100)}"
        video = replace(clips.frames.video, notes=(*clips.frames.video.notes, note))
        return replace(clips, frames=replace(clips.frames, video=video))


class _Decoder(Child):
    """A running decoder. files: read so far; resident_bytes: memory after the last of them."""

    files = resident_bytes = 0

    def __init__(self) -> None:
        env = ISOLATED_ENV | {"PATH": os.defpath}  # decord does not load without
        super().__init__(COMMAND, env=env, stderr=subprocess.DEVNULL)


decoder = KeptChild(_Decoder)


def _ask(
    request: dict[str, Any], limits: Limits, max_payload_bytes: int
) -> tuple[dict[str, Any], memoryview]:
    """Header and raw pixels from this process's decoder, a fresh one if there is none. Raises
    _DeclinedError."""
    with decoder.lock:
        child = decoder.child
        if child is not None and (
            child.files >= FILES_PER_CHILD or child.resident_bytes > MOST_RESIDENT_BYTES
        ):
            decoder.shut_down()
        try:
            child = decoder.get()
        except OSError as error:
            raise _DeclinedError(f"no room for its process ({error.strerror})") from error
        is_whole = False
        try:
            child.channel.send(request | {"limits": asdict(limits)})
            deadline = time.monotonic() + limits.wall_seconds
            header, buffers = child.channel.receive(
                deadline=deadline, max_payload_bytes=max_payload_bytes
            )
            is_whole = True
        except DeadlineError as error:
            raise _DeclinedError("it took too long") from error
        except EOFError as error:
            raise _DeclinedError("its process has crashed") from error
        except (MessageError, OSError) as error:
            raise _DeclinedError("its process has ended") from error
        finally:
            if not is_whole:
                decoder.shut_down()  # there may be an answer, or a part of one, to come
        child.files += 1
        child.resident_bytes = header["resident_bytes"]
    if "declined" in header:
        raise _DeclinedError(str(header["declined"]))
    return header, memoryview(buffers[0] if buffers else b"")
