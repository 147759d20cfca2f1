"""Time of each attribution for the embedded pair, and the longest delay of a cancel.

    python -m tools.time_why [NAMES]

Per network and method, over the order group's categories: the median and the longest time, and the
longest silence between two calls of progress, which is how long a cancel may have to wait.
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from statistics import median

import torch

from dsanet_core.attribution import attribute
from dsanet_core.checkpoints import load_model
from dsanet_core.datasets import open_dataset
from dsanet_core.records import METHOD_NAMES, METHODS
from dsanet_core.synthetic import CATEGORIES, GROUPS

PAIR = ("dsa_i3d_synth", "i3d_synth")
DATASET = "synth:seed=8,n=25"


def main(names: list[str]) -> None:
    dataset = open_dataset(DATASET)
    rows = [CATEGORIES.index(name) for name in GROUPS["order"]]
    print(f"{len(rows)} videos of {DATASET}, {torch.get_num_threads()} threads, seconds")
    for name in names:
        network = load_model(name)
        for method in METHODS:
            spent, silent = [], []
            for row in rows:
                clips = dataset.clips(row, network.spec.protocol.sampling)
                calls = [time.perf_counter()]

                def note(step: str, share: float | None, calls: list[float] = calls) -> None:
                    calls.append(time.perf_counter())

                attribute(clips, network, method, progress=note)
                calls.append(time.perf_counter())
                spent.append(calls[-1] - calls[0])
                silent.append(max(b - a for a, b in pairwise(calls)))
            print(f"{name:16}{METHOD_NAMES[method]:34}median {median(spent):6.2f}  longest "
                  f"{max(spent):6.2f}  silent at most {max(silent):5.2f}")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PAIR))
