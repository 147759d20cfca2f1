"""Videos of the embedded benchmark as H.264 files, for tests that go through a decoder."""

from __future__ import annotations

from pathlib import Path

from dsanet_core import synthetic
from dsanet_core.video import encode_h264


def save_clip(
    path: Path,
    label: int = 0,
    *,
    seed: int = 0,
    size: tuple[int, int] = (72, 72),
    frames: int | None = None,
) -> Path:
    """A file of a drawn video of this class, its folders made; frames: of the first so many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = synthetic.make_video(seed, label, size=size).rgb[:frames]
    encode_h264(rgb, fps=synthetic.FPS, path=path)
    return path
