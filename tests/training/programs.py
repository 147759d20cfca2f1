"""Trainings in processes of their own: python -m tests.training.programs KIND FOLDER [...]."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dsanet_core.training import TrainingOptions, fit
from dsanet_core.workers import leave
from tests.training.small import EXACT, TINY, network_of, videos


class Slow:
    """Videos that take their time, so that a training can be killed within an epoch."""

    def __init__(self, seconds: float) -> None:
        self.inner, self.seconds = videos(), seconds
        self.labels, self.fingerprint = self.inner.labels, self.inner.fingerprint

    def frames(self, *which: Any) -> Any:
        time.sleep(self.seconds)
        return self.inner.frames(*which)

    def name(self, row: int) -> str:
        return self.inner.name(row)


def main(kind: str, folder: Path, seconds: str = "0") -> None:
    torch.set_num_threads(1)
    if kind == "exact":  # as one process with the same batch
        network = network_of(EXACT)
        losses = fit(replace(EXACT, epochs=4), network, videos(), TrainingOptions(device="cpu"),
                     log=lambda line: print(line, flush=True))
        rank = os.environ.get("RANK", "0")
        (folder / f"losses{rank}.json").write_text(json.dumps(losses))
        torch.save(dict(network.named_parameters()), folder / f"weights{rank}.pt")
        leave()
    if kind == "killed":
        fit(replace(TINY, epochs=3), network_of(TINY), Slow(float(seconds)),
            TrainingOptions(device="cpu", state_path=folder / "state.pt", state_seconds=0.0))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
