"""The frames of a short clip by our confined reader and by the ones that others use."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from dsanet_core.records import Sampling
from tools.bench.clips import CLIP, write_clip
from tools.bench.table import Line, line_of
from tools.bench.timing import in_turns

SECTION = "decoding"
REPEATS = 20
SAMPLING = Sampling(num_snippets=8, frames_per_snippet=4, frame_stride=8)
OURS = "read_clips"
Reader = Callable[[Path, list[int]], Any]


def measure_decoding(repeats: int | None = None) -> Iterator[Line]:
    """8 x 4 frames, stride 8, of the clip; every reader opens the file anew."""
    from dsanet_core.video import read_clips

    with tempfile.TemporaryDirectory() as folder:
        path = write_clip(Path(folder) / "clip.mp4")
        expected = read_clips(path, SAMPLING).frames
        wanted = expected.frame_index.tolist()
        readers = {name: read for name, (package, read) in READERS.items() if find_spec(package)}
        variants: dict[str, Callable[[], Any]] = {OURS: lambda: read_clips(path, SAMPLING)}
        for name, read in readers.items():
            variants[name] = partial(read, path, wanted)
        turns = in_turns(variants, repeats or REPEATS)
        found = {name: read(path, wanted) for name, read in readers.items()}
    protocol = f"{len(wanted)} frames (8 x 4, stride 8) of {CLIP}, keyframes as x264 sets them"
    yield turns.line(SECTION, OURS, f"{protocol}; in the confined process, hash included")
    for name, rgb in found.items():
        equal = sum(np.array_equal(*pair) for pair in zip(rgb, expected.rgb, strict=True))
        most = np.abs(rgb.astype(int) - expected.rgb).max()
        used = f"{protocol}; in this process, {_version(READERS[name][0])}"
        yield turns.line(SECTION, name, used, over=OURS)
        yield line_of(SECTION, f"{name}, frames equal to those of {OURS}",
                      f"{protocol}; values differ by {most} at most", [float(equal)],
                      f"of {len(wanted)}")


def with_pyav(path: Path, wanted: list[int]) -> Any:
    import av

    places = set(wanted)
    with av.open(str(path)) as container:
        frames = enumerate(container.decode(video=0))
        pictures = []
        for index, frame in frames:
            if index in places:
                pictures.append(frame.to_ndarray(format="rgb24"))
            if len(pictures) == len(wanted):
                break
    return np.stack(pictures)


def with_decord(path: Path, wanted: list[int]) -> Any:
    import decord

    return decord.VideoReader(str(path)).get_batch(wanted).asnumpy()


def with_opencv_seeking(path: Path, wanted: list[int]) -> Any:
    import cv2

    video = cv2.VideoCapture(str(path))
    pictures = []
    for index in wanted:
        video.set(cv2.CAP_PROP_POS_FRAMES, index)
        pictures.append(cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB))
    video.release()
    return np.stack(pictures)


def with_opencv(path: Path, wanted: list[int]) -> Any:
    import cv2

    video, places, pictures = cv2.VideoCapture(str(path)), set(wanted), []
    for index in range(wanted[-1] + 1):
        video.grab()
        if index in places:
            pictures.append(cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB))
    video.release()
    return np.stack(pictures)


READERS: dict[str, tuple[str, Reader]] = {
    "PyAV, one frame after the other": ("av", with_pyav),
    "decord, get_batch": ("decord", with_decord),
    "OpenCV, set(POS_FRAMES)": ("cv2", with_opencv_seeking),
    "OpenCV, one frame after the other": ("cv2", with_opencv),
}
"""By name: the package that is needed, and the reader; it gives (F, H, W, 3) RGB."""


def _version(package: str) -> str:
    name = "opencv-python" if package == "cv2" else package
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name
