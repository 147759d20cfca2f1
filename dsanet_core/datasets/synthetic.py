"""The embedded benchmark as a dataset."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dsanet_core import synthetic
from dsanet_core.datasets.base import Dataset, Draw, Part
from dsanet_core.errors import DatasetError
from dsanet_core.records import Clips, Frames, Sampling, Video
from dsanet_core.video import encode_h264, read_clips, snippet_indices

SYNTH = "synth:"


class SyntheticDataset(Dataset):
    """Videos 0 to count - 1 of the embedded benchmark.

    size: (height, width) of the frames. through_h264: encode and decode each video like a user's
    clip; else its frames are rendered in memory.
    """

    def __init__(
        self,
        description: str,
        *,
        seed: int,
        count: int,
        size: tuple[int, int] = synthetic.NATIVE_SIZE,
        through_h264: bool = False,
    ) -> None:
        super().__init__(description)
        self.groups = dict(synthetic.GROUPS)
        labels = map(synthetic.label_of, range(count))
        self.categories = [synthetic.CATEGORIES[label] for label in labels]
        self.seed = seed
        self.size = size
        self.through_h264 = through_h264

    @property
    def class_names(self) -> Sequence[str]:
        return synthetic.CATEGORIES

    def _identity(self) -> Iterable[object]:
        benchmark = f"embedded benchmark {synthetic.VERSION}"
        return [benchmark, self.seed, len(self), self.size, self.through_h264]

    def video_name(self, index: int) -> str:
        return f"synth-{self.seed}-{index}"

    def clips(
        self, index: int, sampling: Sampling, part: Part = None, *, draw: Draw = None
    ) -> Clips:
        read = self._encoded if self.through_h264 else self._rendered
        return read(index, sampling, part, draw)

    def _rendered(self, index: int, sampling: Sampling, part: Part, draw: Draw) -> Clips:
        wanted = snippet_indices(synthetic.NUM_FRAMES, sampling, draw)
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

    def _encoded(self, index: int, sampling: Sampling, part: Part, draw: Draw) -> Clips:
        made = synthetic.make_video(self.seed, index, size=self.size)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{self.video_name(index)}.mp4"
            encode_h264(made.rgb, fps=synthetic.FPS, path=path)
            return read_clips(path, sampling, part=part, draw=draw)


def open_synthetic(description: str, split: str | None) -> SyntheticDataset:
    """The videos of a description `synth:...`. Raises DatasetError."""
    if split is not None:
        raise DatasetError(
            f"split {split!r} of {description!r}", "a dataset of files",
            "The embedded benchmark has no splits: choose another seed instead.",
        )
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
        raise _not_understood(description, "H.264 needs even sides")
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
