"""A video that was taken apart into a folder of numbered pictures.

For folders of the machine's owner alone: unlike a video file, a picture is decoded in this process.
Sizes are capped all the same.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsanet_core.errors import VideoError
from dsanet_core.records import Clips, Frames, Sampling, Video
from dsanet_core.text_format import file_size
from dsanet_core.video.limits import DEFAULT_LIMITS, Limits, delivery_size, size_notes
from dsanet_core.video.refusals import RE_EXPORT, TRIM, shown_as
from dsanet_core.video.sampling import frames_inside, in_words, length_notes, snippet_indices

if TYPE_CHECKING:
    from PIL import Image

PICTURES = "pictures"
"""`Video.container` of such a folder."""
DEFAULT_RATE = 25.0
"""Frames per second of a folder whose rate is unknown."""
MAX_PICTURE_BYTES = 256 << 20
FOLDERS_KEPT = 8
ENTRIES_CHECKED = 16
"""Entries of a folder by which its kind is recognised."""
_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d{1,12})\.(?:jpe?g|png)", re.IGNORECASE)
_NO_VIEW = re.compile(r"flow|x_|y_|u_|v_", re.IGNORECASE)
"""Start of the names of optical flow, which lies beside the frames in some folders."""
_EXPECTED = "a folder of numbered pictures (.jpg, .png), such as 00001.jpg or frame_0000000001.jpg"


@dataclass(frozen=True)
class _Series:
    """The numbered pictures of a folder. numbers: (N,) increasing. names: of their files.
    left_out: how many other numbered pictures lie beside them."""

    numbers: NDArray[np.int64]
    names: tuple[str, ...]
    left_out: int

    @property
    def num_missing(self) -> int:
        return int(self.numbers[-1] - self.numbers[0]) + 1 - len(self.numbers)


def is_frame_folder(path: str | os.PathLike[str]) -> bool:
    """True for a folder of which most of the first entries are numbered pictures."""
    try:
        with os.scandir(path) as entries:
            seen = [
                _NUMBERED.fullmatch(entry.name) is not None
                for entry, _ in zip(_shown(entries), range(ENTRIES_CHECKED), strict=False)
            ]
    except (OSError, ValueError):  # no folder, or a NUL in the path
        return False
    return 2 * sum(seen) > len(seen)


def count_pictures(path: Path) -> int:
    """Number of frames that a folder holds."""
    series = _series(path)
    return 0 if series is None else len(series.names)


def read_pictures(
    path: str | os.PathLike[str],
    sampling: Sampling,
    *,
    frame_rate: float = DEFAULT_RATE,
    part: tuple[int, int] | None = None,
    window: tuple[float, float] | None = None,
    draw: Sequence[float] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Clips:
    """As `read_clips`, of a folder of numbered pictures; only those that are wanted are opened.

    frame_rate: pictures per second. The first number there is at 0 s, whichever it is; where a
    number has no picture, the later ones keep their times and the gap is noted. Of several series
    the largest is read that is not named like optical flow. `Video.sha256` is over the names of
    all pictures and the content of those read. Raises VideoError where there is no picture or one
    of those wanted is damaged or larger than the limits allow.
    """
    folder = Path(path)
    name = shown_as(folder.name or os.fspath(path))
    series = _series(folder)
    if series is None:
        raise VideoError(f"{name} holds no numbered pictures", _EXPECTED, "Check the folder.")
    if len(series.names) > limits.max_frames:
        raise VideoError(
            f"{name} has {len(series.names)} frames", f"at most {limits.max_frames}", TRIM
        )
    seconds = (series.numbers - series.numbers[0]) / frame_rate
    inside = range(len(seconds))
    if window is not None:
        inside = frames_inside(window, seconds)
        if not inside:
            raise VideoError(
                f"{name} has no picture from {in_words(window)} of {seconds[-1]:.3g} s",
                "at least one between start and end", "Correct the start and end of this row.",
            )
    notes = _series_notes(series) + length_notes(inside, seconds, sampling)
    indices = snippet_indices(len(inside), sampling, draw)
    if part is not None:
        indices = indices[slice(*part)]
        sampling = replace(sampling, num_snippets=len(indices))
    wanted, position = np.unique(indices + inside.start, return_inverse=True)
    digest = hashlib.sha256("\n".join(series.names).encode(errors="surrogateescape"))
    stack = _FrameStack(limits)
    for index in wanted.tolist():
        stack.add(folder / series.names[index], digest)
    video = Video(
        name=name,
        sha256=digest.hexdigest(),
        container=PICTURES,
        codec=stack.form,
        width=stack.first_size[0],
        height=stack.first_size[1],
        fps=frame_rate,
        duration_seconds=len(inside) / frame_rate,
        num_frames=len(inside),
        notes=(*notes, *stack.notes()),
    )
    frames = Frames(video, np.stack(stack.rgb), wanted, seconds[wanted])
    return Clips(frames, sampling, position.reshape(indices.shape))


@lru_cache(maxsize=FOLDERS_KEPT)
def _listed(path: Path, changed: int) -> _Series | None:
    """The series of a folder; kept, as many rows may be parts of one long video."""
    found: dict[str, dict[int, str]] = {}
    with os.scandir(path) as entries:
        for entry in _shown(entries):
            match = _NUMBERED.fullmatch(entry.name)
            if match is not None:
                found.setdefault(match["prefix"], {})[int(match["number"])] = entry.name
    views = {prefix for prefix in found if not _NO_VIEW.match(prefix)} or set(found)
    if not views:
        return None
    chosen = found[max(sorted(views), key=lambda prefix: len(found[prefix]))]
    numbers = sorted(chosen)
    return _Series(
        np.array(numbers, np.int64),
        tuple(chosen[number] for number in numbers),
        sum(len(found[prefix]) for prefix in views) - len(chosen),
    )


def _series(path: Path) -> _Series | None:
    """None where there is no such folder or no numbered picture in it."""
    try:
        return _listed(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None


def _shown(entries: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in entries if not entry.name.startswith("."))


def _series_notes(series: _Series) -> list[str]:
    notes = []
    first, last = series.numbers[[0, -1]].tolist()
    if series.num_missing:
        notes.append(f"{series.num_missing} of the numbers {first} to {last} have no picture")
    if series.left_out:
        notes.append(f"{series.left_out} pictures of other series in the folder are left out")
    return notes


class _FrameStack:
    """Pictures resized to the size of the first one, reduced to the delivery size.

    rgb: (height, width, 3) uint8 each. form: "jpeg" or "png". first_size: (width, height).
    """

    form = ""
    first_size = (0, 0)

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.rgb: list[NDArray[np.uint8]] = []
        self._size = (0, 0)
        self._sizes: list[tuple[int, int]] = []

    def add(self, path: Path, digest: Any) -> None:
        """Read a picture and feed its bytes to a hash. Raises VideoError."""
        from PIL import Image

        name = shown_as(f"{path.parent.name}/{path.name}")
        try:
            content = _content(path)
            digest.update(content)
            picture = Image.open(io.BytesIO(content), formats=("JPEG", "PNG"))
            self._check_size(picture, name)
            self._paint(picture)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError,
                Image.DecompressionBombWarning) as error:  # the latter where warnings are errors
            raise VideoError(
                f"{name} could not be decoded ({shown_as(str(error), 100)})",
                "a whole picture in JPEG or PNG",
                f"It is missing, damaged or too large: fetch it again. {RE_EXPORT}",
            ) from error

    def _check_size(self, picture: Image.Image, name: str) -> None:
        if picture.width * picture.height > self.limits.max_pixels:
            raise VideoError(
                f"{name} has {picture.width}x{picture.height} pixels",
                f"at most {self.limits.max_pixels} pixels a picture", "Scale it down.",
            )

    def _paint(self, picture: Image.Image) -> None:
        from PIL import Image

        if not self.rgb:
            self.form = str(picture.format).lower()
            self.first_size, self._size = picture.size, delivery_size(*picture.size)
        if picture.size not in self._sizes:
            self._sizes.append(picture.size)
        rgb = picture.convert("RGB")
        if rgb.size != self._size:
            rgb = rgb.resize(self._size, Image.Resampling.BILINEAR)
        self.rgb.append(np.asarray(rgb, np.uint8))

    def notes(self) -> list[str]:
        return size_notes(self._size, self._sizes)


def _content(path: Path) -> bytes:
    """Bytes of a file, no more than a picture may have. Raises OSError."""
    if not path.is_file():  # a pipe would block
        raise OSError("no file")
    if path.is_symlink() and path.resolve().parent != path.parent.resolve():
        raise OSError("a link that leads out of its folder")
    with path.open("rb") as file:
        content = file.read(MAX_PICTURE_BYTES + 1)
    if len(content) > MAX_PICTURE_BYTES:
        raise OSError(f"more than {file_size(MAX_PICTURE_BYTES)}")
    return content
