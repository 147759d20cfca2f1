"""Small H.264 files of drawn videos, made on first use and kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from dsanet_core import synthetic, video
from dsanet_core.records import Array


def keep_film(path: Path, frames: Callable[[], Array]) -> Path:
    """The file, made of the frames (T, H, W, 3) of an embedded video where it is not there yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another session may be making the same film: whoever comes last wins, with equal bytes.
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".mp4")
        os.close(handle)
        video.encode_h264(frames(), synthetic.FPS, temporary)
        Path(temporary).replace(path)
    return path
