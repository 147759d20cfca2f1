"""The command about many videos: run."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsanet_core.cli.output import PROGRESS_SECONDS, Progress, load_members, log, print_json
from dsanet_core.errors import printable

if TYPE_CHECKING:
    from dsanet_core.records import Run
    from dsanet_core.runs.store import RunProgress


MISSING_SHOWN = 3


def run(args: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, _interrupt)  # torchrun and the app stop a run with it
    with Progress(f"loading {args.model}"):
        from dsanet_core.datasets import open_dataset
        from dsanet_core.runs import run_dataset
        from dsanet_core.runs.metrics import average_runs
        from dsanet_core.runs.summary import run_to_dict
        from dsanet_core.workers import is_first, leave

        dataset = open_dataset(
            args.dataset, split=args.split, limit=args.limit, reader=args.reader
        )
        ensemble = load_members(args.model, args)
    if dataset.missing:
        some = ", ".join(dataset.missing[:MISSING_SHOWN])
        log(f"missing videos, left out: {len(dataset.missing)}, such as {some}")
    report = Report()
    runs = [
        run_dataset(
            dataset, network, folder=args.runs, untrimmed=args.untrimmed, report=report,
            command=sys.argv[1:],
        )
        for network in ensemble.members
    ]
    leave()
    if not is_first():
        return
    together = runs[0] if len(runs) == 1 else average_runs(runs, args.runs)
    values = run_to_dict(together)
    if args.json:
        members = {"members": [run_to_dict(one) for one in runs]} if len(runs) > 1 else {}
        print_json(values | members)
        return
    for one in runs:
        print(f"{one.model.name} ({one.model.weights}) on {one.dataset}")
        print(f"  {one.protocol_in_words}")
        _print_accuracy(one)
    if len(runs) > 1:
        print(f"{ensemble.name}: scores averaged")
        _print_accuracy(together)
    _print_shares("group", values["per_group"])
    _print_shares("category", values["per_category"])
    for name, reason in together.failed:
        log(f"not read: {printable(name)}: {reason}")
    for one in runs:
        log(f"kept in {args.runs / one.id}")


class Report:
    """Progress on stderr: every two seconds on a terminal, every ten elsewhere."""

    def __init__(self) -> None:
        self.pause = PROGRESS_SECONDS * (1 if sys.stderr.isatty() else 5)
        self.said, self.done = time.monotonic(), 0

    def __call__(self, progress: RunProgress) -> None:
        now = time.monotonic()
        if now - self.said < self.pause and progress.done < progress.total:
            return
        if progress.done == self.done:
            return
        self.said, self.done = now, progress.done
        log(progress.describe())


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _print_accuracy(run: Run) -> None:
    print(
        f"  {len(run.row)} videos, top-1 {run.accuracy():.2%}, top-5 {run.accuracy(5):.2%}, "
        f"mAP {run.mean_average_precision:.2%}, calibration error {run.calibration().error:.2%}"
    )
    if left_out := int((run.videos_per_class == 0).sum()):
        print(f"  mAP without the {left_out} categories that have no video here")


def _print_shares(what: str, shares: Mapping[str, float]) -> None:
    if shares:
        print(f"\n  top-1  per {what}")
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"{share:>7.1%}  {printable(name)}")
