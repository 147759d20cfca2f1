"""From bytes to `Analysis`, and runs over datasets, each over the parts that cannot be spared."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dsanet_core.models.base import VideoNetwork
from tools.bench.clips import CLIP, write_clip
from tools.bench.table import Line, Wanted, line_of
from tools.bench.timing import in_turns

if TYPE_CHECKING:
    from dsanet_core.datasets import Dataset
    from dsanet_core.records import Protocol
    from dsanet_core.runs.store import RunProgress

ANALYSIS, RUN = "analysis", "run"
REPEATS = 30
PAIR = ("dsa_i3d_synth", "i3d_synth")
RUN_REPEATS = 3
VIDEOS = 400
ROW = "dsa_i3d_synth"
ALONE = 50
"""Videos whose views are held in memory for the network alone."""


def measure_analysis(repeats: int | None = None) -> Iterator[Line]:
    """The embedded pair that the app shows side by side, one decode for both."""
    from dsanet_core.analysis import analyze, protocol_of
    from dsanet_core.checkpoints import load_model
    from dsanet_core.video import read_clips, to_tensor

    networks = [load_model(name, "cpu") for name in PAIR]
    sampling = protocol_of(networks[0]).sampling
    whole, decode, forwards = "bytes to both analyses", "decoding alone", "forwards alone"
    with tempfile.TemporaryDirectory() as folder:
        path = write_clip(Path(folder) / "clip.mp4")
        clips = read_clips(path, sampling)
        views = [to_tensor(clips, protocol_of(network)) for network in networks]

        def analyse_both() -> None:
            shared = read_clips(path, sampling)
            for network in networks:
                analyze(shared, network)

        turns = in_turns(
            {
                whole: analyse_both,
                decode: lambda: read_clips(path, sampling),
                forwards: lambda: list(map(forward_all, networks, views)),
            },
            repeats or REPEATS,
        )
    both = f"{decode} + {forwards}"
    turns = turns.summed(both, (decode, forwards))
    protocol = f"{' and '.join(PAIR)}, {CLIP}; {protocol_of(networks[0]).describe()}"
    yield turns.line(ANALYSIS, whole, protocol, over=both, wanted=Wanted("ratio", "<=", 1.2))
    yield turns.line(ANALYSIS, decode, f"read_clips, {CLIP}")
    yield turns.line(ANALYSIS, forwards, f"{protocol}; the same views, without capture")


def forward_all(network: VideoNetwork, views: Tensor) -> Tensor:
    """The network alone on views of one video, as many at a time as an analysis takes."""
    from dsanet_core.analysis import rows_per_batch

    step = rows_per_batch(views)
    with torch.inference_mode():
        return torch.cat([network(views[i : i + step]) for i in range(0, len(views), step)])


def measure_run(repeats: int | None = None, *, videos: int = VIDEOS) -> Iterator[Line]:
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
    for _ in range(max(1, repeats or RUN_REPEATS)):
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
    setup = (f"{ROW} on {dataset.name}, videos drawn in {available_cores()} processes beside the "
             "network, in turns with either of them alone")
    line = line_of(RUN, "run, from its first answer on", setup, running, "videos/s")
    line.set_ratio(np.divide(running, alone).tolist(), "run / network alone")
    yield line
    yield line_of(RUN, "run, start and summary included", setup, whole, "videos/s")
    yield line_of(RUN, "network alone", f"{ROW}, {len(held)} videos held in memory, no capture",
                  alone, "videos/s")
    yield line_of(RUN, "videos drawn alone", f"{dataset.name}, {available_cores()} processes, "
                  "from the first one on", drawing, "videos/s")


def _drawn_per_second(dataset: Dataset, protocol: Protocol) -> float:
    from dsanet_core.runs.inference import network_inputs

    inputs = network_inputs(dataset, range(len(dataset)), protocol, None)
    next(inputs)
    start = time.perf_counter()
    return sum(1 for _ in inputs) / (time.perf_counter() - start)


def _note_rate(rates: list[float], progress: RunProgress) -> None:
    rates.append(progress.rate)
