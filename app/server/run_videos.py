"""Videos that pages are about: a chosen one of any kind, and those of finished runs."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from app import ROOT
from app.server import runs
from app.server.samples import keep_film
from dsanet_core import synthetic, video
from dsanet_core.datasets import SYNTH, Dataset, open_dataset
from dsanet_core.datasets.base import Window
from dsanet_core.errors import VideoError
from dsanet_core.records import Array, Clips, Run, Sampling
from dsanet_core.video.limits import delivery_size

FOLDER = ROOT / ".cache" / "run_videos"
FILM_SIDE = 288
"""Short side in pixels at which a video that is no file is watched."""
FILM_FRAMES, FRAMES_AT_ONCE = 250, 16
"""Pictures of a folder of frames that are played at most, and read at a time."""
_PREFIX = "run-"


@dataclass(frozen=True)
class RunVideo:
    """One video of a run. place: its index within the run's arrays. path: to play. window: seconds
    of it, None for all. draw: makes the clips for the network where there is no file."""

    run: Run
    place: int
    name: str
    category: str
    path: Path
    identity: str
    window: Window = None
    draw: Callable[[Sampling], Clips] | None = None


@dataclass(frozen=True)
class Source:
    """A chosen video.

    id: as in a deep link; name: to show; path: to play. sha256: of the input of the network: the
    bytes of the file, or what identifies a video of a run. category: the truth, where known.
    of_run: where it comes from, if from a run. owner: the session that uploaded it; results
    about it are for that session alone, so that none learns from a quick one what others have.
    """

    id: str
    name: str
    path: Path
    sha256: str
    category: str | None = None
    of_run: RunVideo | None = None
    owner: str = ""

    @property
    def is_drawn(self) -> bool:
        """True if the network is given drawn frames, and the file is only there to be watched."""
        return self.of_run is not None and self.of_run.draw is not None

    def read(self, sampling: Sampling, cancel: threading.Event) -> Clips:
        """The clips that a network is given."""
        if self.of_run is not None and self.of_run.draw is not None:
            return self.of_run.draw(sampling)
        window = None if self.of_run is None else self.of_run.window
        return video.read_clips(self.path, sampling, window=window, cancel=cancel)


def video_id(run: Run, row: int) -> str:
    """Id in a deep link of row `row` of the dataset of a run."""
    return f"{_PREFIX}{run.id}-{row}"


def find(video_id: str) -> RunVideo | None:
    """The video of an id, None where it is no id of this kind.

    Raises RecordError for a run that is not here, VideoError for a row that is not among its
    videos or a file that is gone, DatasetError where the dataset is gone or another one now.
    """
    run_id, _, number = video_id.removeprefix(_PREFIX).rpartition("-")
    if not video_id.startswith(_PREFIX) or not run_id:
        return None
    run = runs.find(run_id)
    row = int(number) if number.isdecimal() and number.isascii() and len(number) < 10 else -1
    place = int(np.searchsorted(run.row, row))
    if place == len(run.row) or run.row[place] != row:
        raise VideoError(
            f"Row {number!r} is not among the videos of the run {run_id}",
            f"one of the {len(run.row)} rows that it could read",
            "Choose a video on the page Categories or Errors.",
        )
    dataset = runs.dataset_of(run)
    name, category = str(run.video[place]), run.classes[run.label[place]]
    path, window = dataset.path(row), dataset.window(row)
    if path is None:
        drawn = _film(str(run.opened_as["description"]), run.opened_as.get("limit"), row)
        identity = _digest("drawn", run.dataset_sha256, row)
        return RunVideo(
            run, place, name, category, drawn, identity, draw=partial(dataset.clips, row)
        )
    if path.is_dir():
        identity = _digest("pictures", run.dataset_sha256, row, path.stat().st_mtime_ns)
        film = _film_of_pictures(dataset, row, identity)
        return RunVideo(
            run, place, name, category, film, identity, draw=partial(dataset.clips, row)
        )
    if not path.is_file():
        raise VideoError(
            f"The file of {name} is not there any more", f"a video at {path}",
            "Restore it, or choose another video.",
        )
    facts = path.stat()
    identity = _digest("file", str(path.resolve()), facts.st_size, facts.st_mtime_ns, window)
    return RunVideo(run, place, name, category, path, identity, window)


def _digest(*facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _film(description: str, limit: int | None, row: int) -> Path:
    """The H.264 file of an embedded video at a size that is pleasant to watch."""
    watched = at_film_size(description)
    stem = _digest(watched, limit, row)[:24]

    def frames() -> Array:
        whole = Sampling(1, synthetic.NUM_FRAMES, 1)
        return open_dataset(watched, limit=limit).clips(row, whole).frames.rgb

    return keep_film(FOLDER / f"v{synthetic.VERSION}" / f"{stem}.mp4", frames)


def _film_of_pictures(dataset: Dataset, row: int, identity: str) -> Path:
    """The H.264 file of a folder of frames: all of them, or as many spread over it."""
    facts = dataset.clips(row, Sampling(1, 1, 1)).frames.video
    count = min(facts.num_frames, FILM_FRAMES)
    size = delivery_size(facts.width, facts.height, short_side=FILM_SIDE)
    even = tuple(max(side // 2 * 2, 2) for side in size)

    def frames() -> Array:
        import cv2

        shown: list[Array] = []
        for start in range(0, count, FRAMES_AT_ONCE):
            part = (start, min(start + FRAMES_AT_ONCE, count))
            clips = dataset.clips(row, Sampling(count, 1, 1), part)
            pictures = clips.frames.rgb[clips.position.ravel()]
            shown += [cv2.resize(rgb, even, interpolation=cv2.INTER_AREA) for rgb in pictures]
        return np.stack(shown)

    path = FOLDER / f"v{synthetic.VERSION}" / f"{identity[:24]}.mp4"
    return keep_film(path, frames, fps=count / facts.duration_seconds)


def at_film_size(description: str) -> str:
    """The same embedded videos drawn at a size to watch, of the same shape, not encoded."""
    options = dict(part.split("=", 1) for part in description.removeprefix(SYNTH).split(","))
    sides = [int(side) for side in re.split("x", options.get("size", "1"))]
    scale = FILM_SIDE / min(sides)
    options["size"] = "x".join(str(2 * round(side * scale / 2)) for side in sides)
    options.pop("codec", None)
    return SYNTH + ",".join(f"{key}={value}" for key, value in options.items())
