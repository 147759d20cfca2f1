"""What every command of the command line shares: answers on stdout, the rest on stderr."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsanet_core.models.base import VideoNetwork

PROGRESS_SECONDS = 2.0
"""Silence that a user is asked to bear."""


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


class Progress:
    """Says on stderr what is going on, after two seconds of silence, as long as the block runs."""

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self._start = time.monotonic()
        self._done = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._ticker.join()

    def _tick(self) -> None:
        pause = PROGRESS_SECONDS
        while not self._done.wait(pause):
            elapsed = time.monotonic() - self._start
            log(f"{self.doing} ({elapsed:.0f} s)")
            pause = PROGRESS_SECONDS * (1 if sys.stderr.isatty() else 5)


def load(model: str, device: str, crops: int | None) -> VideoNetwork:
    from dsanet_core.checkpoints import load_model

    network = load_model(model, device)
    if crops is not None:
        spec = network.spec
        network.spec = replace(spec, protocol=replace(spec.protocol, num_crops=crops))
    return network
