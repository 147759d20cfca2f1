"""Commands about many videos: run and train."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from dsanet_core.cli.output import Progress, load, log, print_json
from dsanet_core.errors import printable


def run(args: argparse.Namespace) -> None:
    with Progress(f"loading {args.model}") as progress:
        from dsanet_core.datasets import open_dataset
        from dsanet_core.runs import run_dataset

        dataset = open_dataset(args.dataset)
        network = load(args.model, args)

        def report(done: int, total: int) -> None:
            progress.doing = f"{done} of {total} videos"

        summary = run_dataset(dataset, network, progress=report)
    if args.json:
        print_json(summary.to_dict())
        return
    print(f"{summary.model.name} ({summary.model.weights}) on {summary.dataset}")
    print(f"  {summary.protocol.describe()}")
    print(f"  {summary.videos} videos, top-1 {summary.top1:.2%}, top-5 {summary.top5:.2%}")
    _print_shares("group", summary.per_group)
    _print_shares("category", summary.per_category)
    for name, reason in summary.failed:
        log(f"not read: {printable(name)}: {reason}")


def _print_shares(what: str, shares: Mapping[str, float]) -> None:
    if shares:
        print(f"\n  top-1  per {what}")
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"{share:>7.1%}  {printable(name)}")


def train(args: argparse.Namespace) -> None:
    from dsanet_core.checkpoints import FOLDER, write_manifest
    from dsanet_core.train import train as train_recipe

    out = args.out or Path("runs") / f"{args.recipe}-seed{args.seed}.safetensors"
    out.parent.mkdir(parents=True, exist_ok=True)
    accuracy = train_recipe(
        args.recipe, seed=args.seed, out=out, device=args.device, epochs=args.epochs, log=log
    )
    if accuracy and out.resolve().parent == FOLDER.resolve():
        write_manifest()
