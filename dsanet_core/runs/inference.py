"""Predictions of a network for the videos of a dataset, one after the other.

Decoding and transforms run in worker processes, ahead of the network.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from dsanet_core.analysis import protocol_of, run_network
from dsanet_core.datasets import Dataset
from dsanet_core.errors import RunError, VideoError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array, Clips, Protocol, Sampling
from dsanet_core.untrimmed import score_untrimmed
from dsanet_core.video import to_tensor

MOST_WORKERS = 8
FEW_VIDEOS = 16
"""So many are done before worker processes have started."""
INPUTS_AHEAD = 4
"""Network inputs that each worker prepares in advance; those of large networks take 0.1 GB."""


@dataclass(frozen=True)
class VideoPrediction:
    """Prediction of one network for one video.

    row: its index in the dataset. scores: (classes,) probabilities. snippet_scores: (snippets,
    classes). dependency_weights: QSA weights (M,) of each SDA block, kernel_taps: (L,) taps of each
    DSA block, averaged over its channels, kernel_distances: (2,) of each, as `records.DISTANCES`;
    all averaged over views, by the block's dotted name. dependencies: names of the M. appearance:
    see NetworkOutput. seconds: wall time of "decode" (with transforms) and "network".
    """

    row: int
    scores: Array
    snippet_scores: Array
    dependencies: tuple[str, ...] = ()
    dependency_weights: dict[str, Array] = field(default_factory=dict)
    kernel_distances: dict[str, Array] = field(default_factory=dict)
    kernel_taps: dict[str, Array] = field(default_factory=dict)
    appearance: Array = field(default_factory=lambda: np.empty(0))
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A video that could not be read, and why."""

    row: int
    reason: str


def predict_each(
    dataset: Dataset,
    rows: Sequence[int],
    network: VideoNetwork,
    *,
    untrimmed: bool = False,
    workers: int | None = None,
) -> Iterator[VideoPrediction | Failure]:
    """Predictions for these rows, in order. workers: processes that decode, as many as this process
    has cores without it; none for 0, or for few videos. Untrimmed videos are decoded in this
    process, stretch by stretch."""
    if untrimmed:
        for row in rows:
            yield _untrimmed(dataset, row, network)
        return
    for row, views, seconds in network_inputs(dataset, rows, protocol_of(network), workers):
        if isinstance(views, VideoError):
            yield Failure(row, str(views))
            continue
        start = time.perf_counter()
        output = run_network(network, views)
        yield VideoPrediction(
            row=row,
            scores=output.video_scores,
            snippet_scores=output.snippet_scores,
            dependencies=output.dependencies,
            dependency_weights={
                block: weights.mean(0) for block, weights in output.dependency_weights.items()
            },
            kernel_distances={
                kernel.block: np.array([kernel.distance_to_identity, kernel.distance_to_average])
                for kernel in output.kernels
            },
            kernel_taps={kernel.block: kernel.values.mean((0, 1)) for kernel in output.kernels},
            appearance=output.appearance,
            seconds={"decode": seconds, "network": time.perf_counter() - start},
        )


def available_cores() -> int:
    """Cores that this process may use, fewer than the machine's where it was pinned to some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_Input = tuple[int, Tensor | VideoError, float]


class _Inputs(TorchDataset[_Input]):
    """Network inputs of some rows: (row, views or why there are none, seconds it took)."""

    def __init__(self, dataset: Dataset, rows: Sequence[int], protocol: Protocol) -> None:
        self.dataset, self.rows, self.protocol = dataset, rows, protocol

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> _Input:
        row, start = self.rows[place], time.perf_counter()
        views: Tensor | VideoError
        try:
            views = to_tensor(self.dataset.clips(row, self.protocol.sampling), self.protocol)
        except VideoError as error:
            views = error
        return row, views, time.perf_counter() - start


def network_inputs(
    dataset: Dataset, rows: Sequence[int], protocol: Protocol, workers: int | None
) -> Iterator[_Input]:
    """Network inputs of these rows, in order: (row, views or why there are none, seconds it took).
    workers: as of `predict_each`. Raises RunError where one of these processes dies."""
    inputs = _Inputs(dataset, rows, protocol)
    count = min(MOST_WORKERS, available_cores()) if workers is None else workers
    if count == 0 or len(rows) <= FEW_VIDEOS:
        yield from (inputs[place] for place in range(len(inputs)))
        return
    # A fork of this process could inherit a lock that one of its threads holds; one of a fresh
    # server process, which has imported what is needed once, cannot.
    context = torch.multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    loader = DataLoader(
        inputs,
        batch_size=None,
        num_workers=count,
        prefetch_factor=INPUTS_AHEAD,
        multiprocessing_context=context,
        worker_init_fn=use_one_core,
    )
    with run_error_if_a_worker_dies():
        yield from loader


@contextmanager
def run_error_if_a_worker_dies() -> Iterator[None]:
    """Processes of a DataLoader that die within the block are a RunError."""
    try:
        yield
    except (RuntimeError, EOFError, ConnectionError) as error:
        # What is raised in one of them begins with "Caught"; one that dies shows as any of these.
        is_dead = not isinstance(error, RuntimeError) or str(error).startswith("DataLoader worker")
        if not is_dead or str(error).startswith("Caught"):
            raise
        raise RunError(
            f"A process that decodes videos has died ({type(error).__name__}: {error})",
            "one that lives as long as the run",
            "Make sure that memory does not run out, and give the same command again, or resume "
            "the run: what is done is kept.",
        ) from error


def use_one_core(worker: int) -> None:
    """Initialise a process of a DataLoader: one thread each, as there are as many as cores."""
    import cv2

    cv2.setNumThreads(1)


def _untrimmed(dataset: Dataset, row: int, network: VideoNetwork) -> VideoPrediction | Failure:
    def read(sampling: Sampling, part: tuple[int, int] | None) -> Clips:
        return dataset.clips(row, sampling, part)

    start = time.perf_counter()
    try:
        analysis = score_untrimmed(read, network)
    except VideoError as error:
        return Failure(row, str(error))
    return VideoPrediction(
        row=row,
        scores=analysis.video_scores,
        snippet_scores=analysis.snippet_scores,
        seconds={"network": time.perf_counter() - start},
    )
