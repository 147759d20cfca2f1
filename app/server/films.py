"""Small H.264 files of videos that are no files, made on first use and kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dsanet_core import synthetic, video
from dsanet_core.atomic import atomic_file
from dsanet_core.errors import VideoError
from dsanet_core.records import Array


def keep_film(path: Path, frames: Callable[[], Array], *, fps: float = synthetic.FPS) -> Path:
    """The file, made of the frames (T, H, W, 3) of a video where it is not there yet.

    Its time of access says when it was asked for last. Raises VideoError where it cannot be kept.
    """
    try:
        if not path.exists():
            rgb = frames()
            try:
                _make(path, rgb, fps)
            except FileNotFoundError:  # somebody has just cleared the cache
                _make(path, rgb, fps)
        with suppress(PermissionError):  # a cache that another user has filled
            # By hand: most file systems note the time of access once a day, or not at all.
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    except OSError as error:
        raise VideoError(
            f"The film of this video cannot be kept on the server ({error.strerror})",
            "a disk with room, and a folder .cache that the server may write to",
            "Ask whoever runs the server to make room, or upload a video.",
        ) from error
    return path


def _make(path: Path, rgb: Array, fps: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another session may be making the same film: whoever comes last wins, with equal bytes.
    with atomic_file(path, sync=False) as part:
        video.encode_h264(rgb, fps, part)
