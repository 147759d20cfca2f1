"""Predictions of the embedded networks in bfloat16 against float32."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Clips
from tools.bench.table import Line, Wanted
from tools.bench.timing import Turns

SECTION = "precision"
DATASET = "synth:seed=7,n=2500"
VIDEOS = 1000
NETWORKS = (("dsa_i3d_synth", "i3d_synth"), ("sda_tsn_synth", "tsn_synth"))
"""Those of a pair are shown the same frames."""
PRECISIONS = ("float32", "bfloat16")


def measure_precision(repeats: int | None = None) -> Iterator[Line]:
    """Embedded weights on videos of the embedded validation split. repeats: so many videos."""
    from dsanet_core.analysis import protocol_of
    from dsanet_core.checkpoints import load_model
    from dsanet_core.datasets import open_dataset

    dataset = open_dataset(DATASET, limit=repeats or VIDEOS)
    for names in NETWORKS:
        networks = {name: load_model(name, "cpu") for name in names}
        sampling = protocol_of(networks[names[0]]).sampling
        both = {name: _Both(network) for name, network in networks.items()}
        for row in range(len(dataset)):
            clips = dataset.clips(row, sampling)
            for compared in both.values():
                compared.show(clips, row)
        for name, compared in both.items():
            yield from compared.lines(name, dataset.name)


class _Both:
    """One network in both precisions, in turns, on one video after the other."""

    def __init__(self, network: VideoNetwork) -> None:
        from dsanet_core.analysis import protocol_of
        from dsanet_core.zoo import with_protocol

        own = protocol_of(network)
        self.protocol = own
        self.networks = {
            precision: with_protocol(network, replace(own, precision=precision))
            for precision in PRECISIONS
        }
        self.seconds: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
        self.agreed: list[float] = []
        self.differences: list[float] = []

    def show(self, clips: Clips, turn: int) -> None:
        from dsanet_core.analysis import run_network
        from dsanet_core.video import to_tensor

        views = to_tensor(clips, self.protocol)
        scores = {}
        for precision in PRECISIONS if turn % 2 == 0 else reversed(PRECISIONS):
            start = time.perf_counter()
            scores[precision] = run_network(self.networks[precision], views).video_scores
            self.seconds[precision].append(time.perf_counter() - start)
        plain, rounded = (scores[precision] for precision in PRECISIONS)
        self.agreed.append(float(plain.argmax() == rounded.argmax()))
        self.differences.append(float(np.abs(plain - rounded).max()))

    def lines(self, name: str, videos: str) -> Iterator[Line]:
        protocol = f"{videos}, {self.protocol.describe().rpartition(';')[0]}"
        count = len(self.agreed)
        yield Line(SECTION, f"{name}, bfloat16 and float32 agree on top-1", protocol,
                   100 * float(np.mean(self.agreed)), "% of videos", repeats=count,
                   wanted=Wanted("median", ">=", 99.5))
        yield Line(SECTION, f"{name}, largest difference of probabilities", protocol,
                   max(self.differences), "of probability", repeats=count)
        yield Turns(self.seconds).line(SECTION, "bfloat16", protocol, over="float32",
                                       name=f"{name}, all views in bfloat16")
