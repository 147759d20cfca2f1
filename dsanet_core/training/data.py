"""From the videos of a dataset to the batches of a training.

A sample depends on (seed, epoch, row) alone and a step on (seed, epoch, step), so that processes
and workers may share the work in any way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from dsanet_core.atomic import atomic_file
from dsanet_core.datasets import Dataset
from dsanet_core.errors import LensError, VideoError
from dsanet_core.records import Sampling
from dsanet_core.runs.inference import run_error_if_a_worker_dies, use_one_core
from dsanet_core.synthetic import NATIVE_SIZE, NUM_FRAMES, make_video
from dsanet_core.training.augmentation import UNMIRRORED, Augmentation, cut_out
from dsanet_core.video import snippet_indices
from dsanet_core.workers import Workers

Log = Callable[[str], None]
NO_LABEL = -100
"""Label that cross-entropy ignores."""
BATCHES_AHEAD = 2
"""Batches that each worker prepares in advance."""


class TrainingVideos(Protocol):
    """Videos with labels (videos,). fingerprint: identity of the videos. Can be pickled."""

    @property
    def labels(self) -> NDArray[np.int64]: ...
    @property
    def fingerprint(self) -> str: ...

    def frames(
        self, row: int, sampling: Sampling, draw: Sequence[float]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """(F, h, w, 3) frames of a video, and (U, T) their indices in the snippets of a draw.
        Raises VideoError."""
        ...

    def name(self, row: int) -> str:
        """Name of a video in messages."""
        ...


@dataclass(frozen=True)
class RenderedVideos:
    """Videos of the embedded benchmark in memory or mapped from a file. pixels: (videos, 64,
    height, width, 3) uint8. labels: (videos,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    fingerprint: str = ""

    def frames(
        self, row: int, sampling: Sampling, draw: Sequence[float]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        return self.pixels[row], snippet_indices(NUM_FRAMES, sampling, draw)

    def name(self, row: int) -> str:
        return f"video {row}"


@dataclass(frozen=True)
class RecordedVideos:
    """Videos of a dataset, decoded on access. labels: (videos,)."""

    dataset: Dataset
    labels: NDArray[np.int64]

    @property
    def fingerprint(self) -> str:
        return self.dataset.fingerprint

    def frames(
        self, row: int, sampling: Sampling, draw: Sequence[float]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        clips = self.dataset.clips(row, sampling, draw=draw)
        return clips.frames.rgb, clips.position

    def name(self, row: int) -> str:
        return self.dataset.video_name(row)


def rendered_videos(
    seed: int, index: Sequence[int], path: Path, log: Log, *, side: int = NATIVE_SIZE[0]
) -> NDArray[np.uint8]:
    """(videos, 64, side, side, 3) uint8: videos `index` of the embedded benchmark, rendered once to
    the .npy file `path` and memory-mapped from it.

    The file is written atomically: an interrupted rendering starts over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        shape = (len(index), NUM_FRAMES, side, side, 3)
        with atomic_file(path) as part:
            videos = np.lib.format.open_memmap(part, "w+", np.uint8, shape)
            for row, number in enumerate(index):
                videos[row] = make_video(seed, number, size=(side, side)).rgb
                if row % 500 == 499:
                    log(f"rendered {row + 1} of {len(index)} videos")
            videos.flush()
    return np.asarray(np.load(path, mmap_mode="r"))


class Sample(NamedTuple):
    """pixels: (U, T, H, W, 3) uint8; light: (2,) gain and offset of the normalised picture."""

    pixels: Tensor
    light: NDArray[np.float32]
    label: int


class Unreadable(NamedTuple):
    """A video that could not be read, and the reason."""

    row: int
    reason: str


class Batch(NamedTuple):
    """pixels: (N, U, T, H, W, 3) uint8; light: (N, 2); labels: (N,).

    Videos that cannot be read are left out. A batch without readable videos holds a black one with
    label `NO_LABEL`, so that all processes take part in the step.
    """

    pixels: Tensor
    light: Tensor
    labels: Tensor
    unreadable: list[Unreadable]


SampleKey = tuple[int, int]
"""Epoch and row of a sample."""


class AugmentedSamples(TorchDataset[Sample | Unreadable]):
    """Augmented clips by (epoch, row). mirrored: label of each class's mirror image."""

    def __init__(
        self, source: TrainingVideos, sampling: Sampling, augmentation: Augmentation, *, seed: int,
        mirrored: NDArray[np.int64],
    ) -> None:
        self.source, self.sampling, self.augmentation = source, sampling, augmentation
        self.seed, self.mirrored = seed, mirrored

    def __getitem__(self, key: SampleKey) -> Sample | Unreadable:
        epoch, row = key
        rng = np.random.default_rng([self.seed, epoch, row])
        draw, label = rng.random(self.sampling.num_snippets).tolist(), self.source.labels[row]
        try:
            frames, position = self.source.frames(row, self.sampling, draw)
        except VideoError as error:
            return Unreadable(row, str(error))
        box = self.augmentation.draw_box(rng, *frames.shape[1:3])
        light = self.augmentation.draw_light(rng)
        mirror = self.mirrored[label] if self.augmentation.flip else UNMIRRORED
        flip = bool(mirror != UNMIRRORED and rng.random() < 0.5)
        pixels = cut_out(frames, position, box, self.augmentation.side, flip=flip)
        return Sample(pixels, light, int(mirror if flip else label))

    def batch(self, samples: Sequence[Sample | Unreadable]) -> Batch:
        readable = [sample for sample in samples if isinstance(sample, Sample)]
        unreadable = [sample for sample in samples if isinstance(sample, Unreadable)]
        if not readable:
            snippets, frames = self.sampling.num_snippets, self.sampling.frames_per_snippet
            side = self.augmentation.side
            black = torch.zeros(snippets, frames, side, side, 3, dtype=torch.uint8)
            readable = [Sample(black, np.ones(2, np.float32), NO_LABEL)]
        pixels, light, labels = zip(*readable, strict=True)
        return Batch(
            torch.stack(pixels), torch.from_numpy(np.stack(light)), torch.tensor(labels), unreadable
        )


class BatchSampler(Sampler[list[SampleKey]]):
    """Batches of (epoch, row) for this process, from a step of an epoch on.

    Every epoch shows all videos once, in an order of its own, without those that fill no whole
    step. Raises LensError if videos_per_step does not divide among processes and accumulated
    batches, or exceeds the number of videos.
    """

    def __init__(
        self, videos: int, videos_per_step: int, workers: Workers, *, accumulate: int, seed: int
    ) -> None:
        parts = workers.count * accumulate
        if videos_per_step % parts:
            raise LensError(
                f"{videos_per_step} videos per step for {workers.count} processes of {accumulate} "
                "accumulated batches", f"a multiple of {parts}",
                "Choose another --batch, --accumulate or number of processes.",
            )
        if videos < videos_per_step:
            raise LensError(
                f"{videos_per_step} videos per step of {videos} in all", "a step in every epoch",
                f"Choose a --batch of at most {videos}.",
            )
        self.videos, self.videos_per_step, self.seed = videos, videos_per_step, seed
        self.workers, self.accumulate = workers, accumulate
        self.epoch, self.first_step = 0, 0

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.videos // self.videos_per_step

    @property
    def share(self) -> int:
        """Videos per step in this process."""
        return self.videos_per_step // self.workers.count

    def __iter__(self) -> Iterator[list[SampleKey]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.videos)
        size = self.share // self.accumulate
        for step in range(self.first_step, self.steps):
            start = step * self.videos_per_step + self.workers.rank * self.share
            for first in range(start, start + self.share, size):
                yield [(self.epoch, int(row)) for row in order[first : first + size]]

    def __len__(self) -> int:
        return (self.steps - self.first_step) * self.accumulate


class BatchLoader:
    """BatchLoader of a plan; loaders: processes that read the videos, 0: this one does."""

    def __init__(self, samples: AugmentedSamples, sampler: BatchSampler, *, loaders: int) -> None:
        self.samples, self.sampler = samples, sampler
        self._loader: DataLoader[Sample | Unreadable] | None = None
        if loaders:
            # As in `runs.inference`: a fork of this process could inherit a lock.
            context = torch.multiprocessing.get_context("forkserver")
            context.set_forkserver_preload([__name__])
            self._loader = DataLoader(
                samples, batch_sampler=sampler, collate_fn=samples.batch, num_workers=loaders,
                prefetch_factor=BATCHES_AHEAD, persistent_workers=True,
                multiprocessing_context=context, worker_init_fn=use_one_core,
            )

    def of_epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Batches of an epoch, from a step on."""
        self.sampler.epoch, self.sampler.first_step = epoch, first_step
        if self._loader is not None:
            with run_error_if_a_worker_dies():
                yield from self._loader
            return
        for keys in self.sampler:
            yield self.samples.batch([self.samples[key] for key in keys])

