"""What every command of the command line shares: answers on stdout, the rest on stderr."""

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

    def report(self, step: str, share: float) -> None:
        """What analyses report: a step and the done share of it."""
        self.doing = f"{step}, {share:.0%}"

    def _tick(self) -> None:
        pause = PROGRESS_SECONDS
        while not self._done.wait(pause):
            elapsed = time.monotonic() - self._start
            log(f"{self.doing} ({elapsed:.0f} s)")
            pause = PROGRESS_SECONDS * (1 if sys.stderr.isatty() else 5)


def load(model: str, args: argparse.Namespace, protocol: str | None = None) -> VideoNetwork:
    """The network of a name or file on the device and under the protocol of the command line;
    protocol: what stands for it where the command line says nothing."""
    from dsanet_core.checkpoints import load_model
    from dsanet_core.zoo import with_protocol

    clips, crops = args.views or (None, None)
    if args.protocol is not None and args.views is not None:
        raise ModelError(
            "--protocol together with --views", "one or the other",
            "A protocol says how many clips and crops it has.",
        )
    if clips not in (None, 1) and getattr(args, "untrimmed", False):
        raise ModelError(
            f"--views {clips}x{crops} together with --untrimmed", f"--views 1x{crops}",
            "The length of an untrimmed video says how many clips there are.",
        )
    network = load_model(model, args.device)
    return with_protocol(
        network, args.protocol or protocol, clips=clips, crops=crops, precision=args.precision
    )


def load_members(model: str, args: argparse.Namespace) -> Ensemble:
    """What `--model` names: a network is an ensemble of one."""
    from dsanet_core.ensemble import Ensemble, member_names

    return Ensemble([load(name, args, protocol) for name, protocol in member_names(model)])
