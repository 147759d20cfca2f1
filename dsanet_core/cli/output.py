"""Output and model loading of all commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from dsanet_core.errors import ModelError

if TYPE_CHECKING:
    from dsanet_core.ensemble import Ensemble
    from dsanet_core.models.base import VideoNetwork

PROGRESS_SECONDS = 2.0
"""Time without output after which a status message appears."""


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


class StatusMessages:
    """Prints the current step to stderr after two seconds without output, while the block runs."""

    def __init__(self, step: str) -> None:
        self.step = step
        self._start = time.monotonic()
        self._done = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> StatusMessages:
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

    def report(self, step: str, share: float) -> None:
        """Progress callback of analyses: a step and the completed share of it."""
        self.step = f"{step}, {share:.0%}"

    def _tick(self) -> None:
        pause = PROGRESS_SECONDS
        while not self._done.wait(pause):
            elapsed = time.monotonic() - self._start
            log(f"{self.step} ({elapsed:.0f} s)")
            pause = PROGRESS_SECONDS * (1 if sys.stderr.isatty() else 5)


def load_network(model: str, args: argparse.Namespace, protocol: str | None = None) -> VideoNetwork:
    """The network of a name or file, with the device and test protocol of the command line.
    protocol: used if the command line has none."""
    from dsanet_core.checkpoints import load_model
    from dsanet_core.zoo import with_protocol

    clips, crops = args.views or (None, None)
    if args.protocol is not None and args.views is not None:
        raise ModelError(
            "--protocol together with --views", "one or the other",
            "A protocol defines its clips and crops.",
        )
    if clips not in (None, 1) and getattr(args, "untrimmed", False):
        raise ModelError(
            f"--views {clips}x{crops} together with --untrimmed", f"--views 1x{crops}",
            "The number of clips follows from the length of an untrimmed video.",
        )
    network = load_model(model, args.device)
    return with_protocol(
        network, args.protocol or protocol, clips=clips, crops=crops, precision=args.precision
    )


def load_ensemble(model: str, args: argparse.Namespace) -> Ensemble:
    """The ensemble of `--model`; a single network is an ensemble of one."""
    from dsanet_core.ensemble import Ensemble, member_names

    return Ensemble([load_network(name, args, protocol) for name, protocol in member_names(model)])


def positive(text: str) -> int:
    """An option's whole number of at least 1."""
    return _at_least(int(text), 1)


def non_negative(text: str) -> int:
    """An option's whole number of at least 0."""
    return _at_least(int(text), 0)


def _at_least(value: int, least: int) -> int:
    if value < least:
        raise argparse.ArgumentTypeError(f"{value}; expected at least {least}")
    return value
