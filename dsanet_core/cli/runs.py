"""The commands on many videos: run and effects."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dsanet_core.cli.output import (
    PROGRESS_SECONDS,
    StatusMessages,
    load_ensemble,
    log,
    print_json,
)
from dsanet_core.errors import printable
from dsanet_core.text_format import plural

if TYPE_CHECKING:
    from dsanet_core.records import Run
    from dsanet_core.runs.store import RunProgress


MAX_MISSING_SHOWN = 3


def run(args: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, _interrupt)  # torchrun and the app stop a run with it
    with StatusMessages(f"loading {args.model}"):
        from dsanet_core.datasets import open_dataset
        from dsanet_core.runs import run_dataset
        from dsanet_core.runs.metrics import average_runs
        from dsanet_core.runs.summary import run_to_dict
        from dsanet_core.workers import is_first, leave

        dataset = open_dataset(
            args.dataset, split=args.split, limit=args.limit, reader=args.reader
        )
        ensemble = load_ensemble(args.model, args)
    if dataset.missing:
        some = ", ".join(dataset.missing[:MAX_MISSING_SHOWN])
        log(f"missing videos, skipped: {len(dataset.missing)}, such as {some}")
    progress = RunProgressPrinter()
    runs = [
        run_dataset(
            dataset, network, folder=args.runs, untrimmed=args.untrimmed, report=progress,
            command=sys.argv[1:],
        )
        for network in ensemble.members
    ]
    leave()
    if not is_first():
        return
    average = runs[0] if len(runs) == 1 else average_runs(runs, args.runs)
    values = run_to_dict(average)
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
        _print_accuracy(average)
    _print_shares("group", values["per_group"])
    _print_shares("class", values["per_category"])
    for name, reason in average.failed:
        log(f"could not be read: {printable(name)}: {reason}")
    for one in runs:
        log(f"kept in {args.runs / one.id}")


class RunProgressPrinter:
    """Prints the progress of a run to stderr: every two seconds on a terminal, else every ten."""

    def __init__(self) -> None:
        self.pause = PROGRESS_SECONDS * (1 if sys.stderr.isatty() else 5)
        self.last_output, self.done = time.monotonic(), 0

    def __call__(self, progress: RunProgress) -> None:
        now = time.monotonic()
        if now - self.last_output < self.pause and progress.done < progress.total:
            return
        if progress.done == self.done:
            return
        self.last_output, self.done = now, progress.done
        log(progress.describe())


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _print_accuracy(run: Run) -> None:
    print(
        f"  {plural(len(run.row), 'video')}, top-1 {run.accuracy():.2%}, "
        f"top-5 {run.accuracy(5):.2%}, mAP {run.mean_average_precision:.2%}, "
        f"calibration error {run.calibration().error:.2%}"
    )
    if left_out := int((run.videos_per_class == 0).sum()):
        print(f"  mAP without the {plural(left_out, 'class', 'classes')} that have no video here")


def _print_shares(what: str, shares: Mapping[str, float]) -> None:
    if shares:
        print(f"\n  top-1  per {what}")
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"{share:>7.1%}  {printable(name)}")


def effects(args: argparse.Namespace) -> None:
    with StatusMessages("loading"):
        from dsanet_core.checkpoints import load_model
        from dsanet_core.runs import load_run
        from dsanet_core.runs.block_ablation import measure_run
        from dsanet_core.runs.summary import FILE

        named = args.runs / args.run
        folder = named if named.is_dir() else Path(args.run)
        run = load_run(folder / FILE)
        network = load_model(args.model or run.model.name, args.device)
    result = measure_run(folder, network, limit=args.limit, report=RunProgressPrinter())
    if args.json:
        print_json({
            "run": run.id,
            "blocks": result.blocks,
            "changes": result.changes,
            "categories": {
                run.classes[index]: {
                    "videos": int(result.videos[index]),
                    "before": float(result.before[index]),
                    "after": result.after[index].tolist(),
                    "drop": result.drop[index].tolist(),
                }
                for index in result.videos.nonzero()[0]
            },
            "seconds": result.seconds,
        })
        return
    before, after, drop = map(result.over_videos, (result.before, result.after, result.drop))
    print(f"{run.model.name} ({run.model.weights}) on {run.dataset}")
    print(f"  {result.videos.sum()} videos, top-1 {before:.1%}; with one block neutral:\n")
    print("  top-1   drop  block: change; most affected class")
    for place, change in enumerate(result.changes):
        most = max(result.videos.nonzero()[0], key=result.drop[:, place].__getitem__)
        most_affected = f"{printable(run.classes[most])} {result.drop[most, place]:+.1%}"
        print(f"{after[place]:>7.1%} {drop[place]:>+6.1%}  {change}; {most_affected}")
    log(f"kept in {folder}")
