"""A run over a dataset against the network alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tools.bench.analysing import forward_all
from tools.bench.timing import Line, line_of, median_and_spread

if TYPE_CHECKING:
    from dsanet_core.datasets import Dataset
    from dsanet_core.records import Protocol
    from dsanet_core.runs.store import Progress

SECTION = "run"
REPEATS = 3
VIDEOS = 400
ROW = "dsa_i3d_synth"
ALONE = 50
"""So many videos' views are held for the network alone."""


def measure(repeats: int | None = None, *, videos: int = VIDEOS) -> Iterator[Line]:
    """Videos of the embedded benchmark, drawn in worker processes, the embedded weights."""
    from dsanet_core.analysis import protocol_of
    from dsanet_core.checkpoints import load_model
    from dsanet_core.datasets import open_dataset
    from dsanet_core.runs import run_dataset
    from dsanet_core.runs.inference import available_cores
    from dsanet_core.video import to_tensor

    dataset = open_dataset(f"synth:seed=7,n={videos}")
    network = load_model(ROW, "cpu")
    protocol = protocol_of(network)
    held = [
        to_tensor(dataset.clips(row, protocol.sampling), protocol)
        for row in range(min(ALONE, videos))
    ]
    whole, running, alone, drawing = [], [], [], []
    for _ in range(max(1, repeats or REPEATS)):
        rates: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            run_dataset(dataset, network, folder=folder, report=partial(_note_rate, rates))
            whole.append(videos / (time.perf_counter() - start))
        running.append(rates[-1])
        start = time.perf_counter()
        for views in held:
            forward_all(network, views)
        alone.append(len(held) / (time.perf_counter() - start))
        drawing.append(_drawn_per_second(dataset, protocol))
    words = (f"{ROW} on {dataset.name}, videos drawn in {available_cores()} processes beside the "
             "network, in turns with either of them alone")
    ratio, spread = median_and_spread(np.divide(running, alone).tolist())
    yield line_of(SECTION, "run, from its first answer on", words, running, "videos/s",
                  ratio=ratio, ratio_spread=spread, ratio_of="run / network alone")
    yield line_of(SECTION, "run, start and summary included", words, whole, "videos/s")
    yield line_of(SECTION, "network alone", f"{ROW}, {len(held)} videos that lie ready, no capture",
                  alone, "videos/s")
    yield line_of(SECTION, "videos drawn alone", f"{dataset.name}, {available_cores()} processes, "
                  "from the first one on", drawing, "videos/s")


def _drawn_per_second(dataset: Dataset, protocol: Protocol) -> float:
    from dsanet_core.runs.inference import network_inputs

    inputs = network_inputs(dataset, range(len(dataset)), protocol, None)
    next(inputs)
    start = time.perf_counter()
    return sum(1 for _ in inputs) / (time.perf_counter() - start)


def _note_rate(rates: list[float], progress: Progress) -> None:
    rates.append(progress.rate)
