"""Small H.264 files of videos that are no files, made on first use and kept; the sample gallery:
clips of the embedded benchmark at a size that is pleasant to watch."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from app import ROOT
from dsanet_core import synthetic, video
from dsanet_core.atomic import atomic_file
from dsanet_core.errors import VideoError
from dsanet_core.records import Array

SEED = 20_000
"""Of the gallery alone: no training or validation video has it."""

SIZE = (288, 288)
FOLDER = ROOT / ".cache" / "samples"
THUMBNAIL_FRAMES = np.array([6, 23, 40, 57])
_PREFIX = "sample-"


def sample_id(label: int) -> str:
    """The id that stands in a deep link; there is one sample per category."""
    return f"{_PREFIX}{label}"


def label_of(sample: str) -> int | None:
    """True label of a sample id, None where there is no such sample."""
    number = sample.removeprefix(_PREFIX)
    known = sample.startswith(_PREFIX) and number.isdecimal() and number.isascii()
    return int(number) if known and int(number) < len(synthetic.CATEGORIES) else None


def clip(label: int) -> Path:
    """The H.264 file of a sample, made on first use and kept."""
    path = FOLDER / f"v{synthetic.VERSION}" / f"{sample_id(label)}-{SIZE[0]}.mp4"
    return keep_film(path, lambda: synthetic.make_video(SEED, label, size=SIZE).rgb)


@lru_cache(maxsize=64)
def picture(label: int) -> str:
    """The thumbnail as a data URL, which is on the page and not fetched by it: a file would be
    deleted with every drawing of the page that breaks off before the gallery."""
    import cv2

    done, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(thumbnail(label)[..., ::-1]))
    assert done
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"


def thumbnail(label: int) -> Array:
    """Four moments of a sample side by side, (H, 4 W, 3) uint8."""
    frames = synthetic.make_video(SEED, label, size=(96, 96), frame_index=THUMBNAIL_FRAMES).rgb
    return np.concatenate(list(frames), axis=1)


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
            "Ask the server's administrator to make room, or upload a video.",
        ) from error
    return path


def _make(path: Path, rgb: Array, fps: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another session may be making the same film: whoever comes last wins, with equal bytes.
    with atomic_file(path, sync=False) as part:
        video.encode_h264(rgb, fps, part)
