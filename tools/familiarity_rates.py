"""Rate of the mark "does not look like the training data", per network.

    python -m tools.familiarity_rates synth:seed=8,n=250,size=288,codec=h264
    python -m tools.familiarity_rates --crops clip1.mp4 clip2.mkv ...

A dataset description counts each of its videos, a file counts as one; with --crops a file counts
as eight: the whole picture, its four quarters, its middle and two larger parts.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dsanet_core.analysis import run_network
from dsanet_core.checkpoints import load_model, read_manifest
from dsanet_core.datasets import SYNTH, open_dataset
from dsanet_core.records import Clips, Sampling
from dsanet_core.video import read_clips, to_tensor

WHOLE = (0.0, 0.0, 1.0)
PARTS = (WHOLE, (0, 0, 0.5), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0.5), (0.25, 0.25, 0.5),
         (0, 0.25, 0.75), (0.25, 0, 0.75))
"""(top, left, side), as shares of the picture."""


def part_of(clips: Clips, top: float, left: float, side: float) -> Clips:
    height, width = clips.frames.rgb.shape[1:3]
    rows = slice(int(top * height), int((top + side) * height))
    columns = slice(int(left * width), int((left + side) * width))
    rgb = np.ascontiguousarray(clips.frames.rgb[:, rows, columns])
    return replace(clips, frames=replace(clips.frames, rgb=rgb))


def all_clips(names: list[str], parts: tuple[tuple[float, float, float], ...],
              sampling: Sampling) -> Iterator[Clips]:
    for name in names:
        if name.startswith(SYNTH):
            dataset = open_dataset(name)
            yield from (dataset.clips(index, sampling) for index in range(len(dataset)))
        else:
            whole = read_clips(name, sampling)
            yield from (part_of(whole, *part) for part in parts)


def main(arguments: list[str]) -> None:
    parts = PARTS if "--crops" in arguments else (WHOLE,)
    names = [name for name in arguments if name != "--crops"]
    networks = [load_model(name) for name in read_manifest()]
    samplings = dict.fromkeys(network.spec.protocol.sampling for network in networks)
    for sampling in samplings:  # networks that look at the same frames share them
        alike = [n for n in networks if n.spec.protocol.sampling == sampling]
        marked, count = np.zeros(len(alike), int), 0
        for clips in all_clips(names, parts, sampling):
            count += 1
            for row, network in enumerate(alike):
                views = to_tensor(clips, network.spec.protocol)
                appearance = run_network(network, views).appearance
                marked[row] += not network.weights.familiarity.judge(appearance).is_familiar
        for network, times in zip(alike, marked, strict=True):
            print(f"{network.spec.name}: marked {times} of {count} ({times / count:.1%})")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
