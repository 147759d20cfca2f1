"""Commands about many videos: run and train."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsanet_core.cli.output import Progress, load_members, log, print_json
from dsanet_core.errors import printable

if TYPE_CHECKING:
    from dsanet_core.runs import Accuracy, EnsembleSummary, Summary


def run(args: argparse.Namespace) -> None:
    with Progress(f"loading {args.model}") as progress:
        from dsanet_core.datasets import open_dataset
        from dsanet_core.runs import run_dataset, run_ensemble

        dataset = open_dataset(args.dataset)
        ensemble = load_members(args.model, args)

        def report(done: int, total: int) -> None:
            progress.doing = f"{done} of {total} videos"

        choices: dict[str, Any] = {"untrimmed": args.untrimmed, "progress": report}
        summary: Summary | EnsembleSummary
        if len(ensemble.members) == 1:
            summary = run_dataset(dataset, ensemble.members[0], **choices)
            members = [summary]
        else:
            summary = run_ensemble(dataset, ensemble, **choices)
            members = list(summary.members)
    if args.json:
        print_json(summary.to_dict())
        return
    for member in members:
        print(f"{member.model.name} ({member.model.weights}) on {member.dataset}")
        print(f"  {member.describe()}")
        _print_accuracy(member)
    if len(members) > 1:
        print(f"{ensemble.name}: scores averaged")
        _print_accuracy(summary)
    _print_shares("group", summary.per_group)
    _print_shares("category", summary.per_category)
    for name, reason in summary.failed:
        log(f"not read: {printable(name)}: {reason}")


def _print_accuracy(figures: Accuracy) -> None:
    print(
        f"  {figures.videos} videos, top-1 {figures.top1:.2%}, top-5 {figures.top5:.2%}, "
        f"mAP {figures.mean_average_precision:.2%}"
    )
    if figures.categories_left_out:
        print(f"  mAP without the {figures.categories_left_out} categories that have no video here")


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
