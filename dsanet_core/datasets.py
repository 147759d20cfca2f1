"""Descriptions of datasets become rows of (video, category).

`synth:seed=7,n=2400` is the embedded benchmark, `synth:seed=7,n=500,size=288,codec=h264` the same
at a display size and through H.264; anything else is a folder with one sub-folder per category.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dsanet_core import synthetic
from dsanet_core.errors import DatasetError
from dsanet_core.records import Clips, Frames, Sampling, Video
from dsanet_core.video import encode_h264, read_clips, snippet_indices

SYNTH = "synth:"
Part = tuple[int, int] | None
FORMS = f"'{SYNTH}seed=7,n=2400' or a folder with one sub-folder of videos per category"


class Dataset(ABC):
    """Videos with one category each.

    name: the description it was made from. categories: true category of every row. groups: named
    groups of categories, empty where there are none.
    """

    name: str
    categories: Sequence[str]
    groups: Mapping[str, Sequence[str]]

    def __len__(self) -> int:
        return len(self.categories)

    @abstractmethod
    def video_name(self, index: int) -> str:
        """How to call row `index` in messages."""

    @abstractmethod
    def clips(self, index: int, sampling: Sampling, part: Part = None) -> Clips:
        """The frames of row `index` that a protocol asks for, `part` as of `read_clips`.
        Raises VideoError."""


class SyntheticDataset(Dataset):
    """Videos 0 to count - 1 of the embedded benchmark.

    size: (height, width) to draw at. through_h264: encode each video as a user's clip would be
    and decode it again; else frames are drawn in memory.
    """

    def __init__(
        self,
        name: str,
        *,
        seed: int,
        count: int,
        size: tuple[int, int] = synthetic.NATIVE_SIZE,
        through_h264: bool = False,
    ) -> None:
        self.name = name
        self.groups = dict(synthetic.GROUPS)
        labels = map(synthetic.label_of, range(count))
        self.categories = [synthetic.CATEGORIES[label] for label in labels]
        self.seed = seed
        self.size = size
        self.through_h264 = through_h264

    def video_name(self, index: int) -> str:
        return f"synth-{self.seed}-{index}"

    def clips(self, index: int, sampling: Sampling, part: Part = None) -> Clips:
        read = self._encoded if self.through_h264 else self._drawn
        return read(index, sampling, part)

    def _drawn(self, index: int, sampling: Sampling, part: Part) -> Clips:
        wanted = snippet_indices(synthetic.NUM_FRAMES, sampling)
        if part is not None:
            wanted = wanted[slice(*part)]
            sampling = replace(sampling, num_snippets=len(wanted))
        frame_index, position = np.unique(wanted, return_inverse=True)
        made = synthetic.make_video(self.seed, index, size=self.size, frame_index=frame_index)
        height, width = self.size
        video = Video(
            name=self.video_name(index),
            sha256="",
            container="memory",
            codec="raw",
            width=width,
            height=height,
            fps=synthetic.FPS,
            duration_seconds=synthetic.NUM_FRAMES / synthetic.FPS,
            num_frames=synthetic.NUM_FRAMES,
        )
        frames = Frames(video, made.rgb, frame_index, frame_index / synthetic.FPS)
        return Clips(frames, sampling, position.reshape(wanted.shape))

    def _encoded(self, index: int, sampling: Sampling, part: Part) -> Clips:
        made = synthetic.make_video(self.seed, index, size=self.size)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{self.video_name(index)}.mp4"
            encode_h264(made.rgb, fps=synthetic.FPS, path=path)
            return read_clips(path, sampling, part=part)


class FolderDataset(Dataset):
    """Video files; the name of the folder that a file lies in is its category."""

    def __init__(self, name: str, files: Sequence[Path]) -> None:
        self.name = name
        self.groups = {}
        self.files = files
        self.categories = [path.parent.name for path in files]

    def video_name(self, index: int) -> str:
        return str(Path(self.categories[index]) / self.files[index].name)

    def clips(self, index: int, sampling: Sampling, part: Part = None) -> Clips:
        return read_clips(self.files[index], sampling, part=part)


def open_dataset(description: str) -> Dataset:
    """The dataset that a description names. Raises DatasetError."""
    if description.startswith(SYNTH):
        return _synthetic(description)
    return _folder(description)


def _synthetic(description: str) -> SyntheticDataset:
    options = {"seed": "", "n": "", "size": str(synthetic.NATIVE_SIZE[0]), "codec": "none"}
    for part in description.removeprefix(SYNTH).split(","):
        key, _, value = part.partition("=")
        if key not in options:
            raise _not_understood(description, f"{key!r} is no option of it")
        options[key] = value
    try:
        seed, count = int(options["seed"]), int(options["n"])
        sides = [int(side) for side in options["size"].split("x")]
    except ValueError as error:
        raise _not_understood(description, str(error)) from error
    if count < 1:
        raise _not_understood(description, "n must be at least 1")
    if len(sides) > 2 or not all(16 <= side <= 2048 for side in sides):
        raise _not_understood(description, "size is a side or WIDTHxHEIGHT, 16 to 2048 pixels")
    if options["codec"] == "h264" and any(side % 2 for side in sides):
        raise _not_understood(description, "H.264 takes even sides")
    if options["codec"] not in ("none", "h264"):
        raise _not_understood(description, f"codec {options['codec']!r} is neither none nor h264")
    return SyntheticDataset(
        description,
        seed=seed,
        count=count,
        size=(sides[-1], sides[0]),
        through_h264=options["codec"] == "h264",
    )


def _not_understood(description: str, reason: str) -> DatasetError:
    return DatasetError(
        f"dataset {description!r}: {reason}",
        "synth:seed=S,n=N with optional size=SIDE or WIDTHxHEIGHT, codec=h264",
        "For example: synth:seed=7,n=2400",
    )


def _folder(description: str) -> FolderDataset:
    root = Path(description)
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DatasetError(f"dataset {description!r} {what}", FORMS, "Check the path.")
    files = tuple(
        path
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    )
    if not files:
        raise DatasetError(
            f"dataset {description!r} has no files in sub-folders",
            FORMS,
            "Sort the videos into folders named like the model's categories.",
        )
    return FolderDataset(description, files)
