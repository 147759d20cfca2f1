"""Commands about weights: import and weights."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsanet_core.cli.output import Progress, print_json
from dsanet_core.errors import ModelError, printable

if TYPE_CHECKING:
    from dsanet_core.checkpoints.downloads import Download


def import_weights(args: argparse.Namespace) -> None:
    """Says what was understood of a checkpoint, once it is one of those at hand."""
    with Progress("checking"):
        from dsanet_core.checkpoints import Choices, at_hand, import_checkpoint, load_model

        choices = Choices(args.frames, args.stride, args.shift, args.beta, args.classes)
        name = import_checkpoint(args.checkpoint, args.name, choices=choices)
        network, entry = load_model(name, "cpu"), at_hand()[name]
        kept = entry["path"]
    spec, weights, protocol = network.spec, network.weights, network.spec.protocol
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if args.json:
        print_json({
            "name": name,
            "file": str(kept),
            "model": spec.name,
            "description": spec.description,
            "classes": len(spec.classes),
            "parameters": parameters,
            "sha256": weights.sha256,
            "trained_on": weights.trained_on,
            "accuracy": weights.accuracy,
            "protocol": protocol.describe(),
            "mean": list(protocol.mean),
            "std": list(protocol.std),
            "account": entry["account"],
        })  # fmt: skip
        return
    account = [tuple(row) for row in entry["account"]]
    lines = [
        ("model", f"{spec.name}, {parameters / 1e6:.2f} M parameters"),
        ("trained on", weights.trained_on or "not said"),
        *([] if any(what == "sees" for what, _ in account) else [
            ("sees", protocol.describe()),
            ("classes", f"{len(spec.classes)}, the first '{spec.classes[0]}'"),
        ]),
        *account,
        ("sha256", weights.sha256),
        ("kept as", str(kept)),
    ]
    print(f"{name} is at hand: --model {name}")
    for what, text in lines:
        print(f"  {what:<11} {printable(text)}")


def weights(args: argparse.Namespace) -> None:
    """The public checkpoints that are known by name, or one of them, fetched."""
    from dsanet_core.checkpoints.downloads import DOWNLOADS, get_weights

    if args.action == "list":
        _list_downloads(args.json, DOWNLOADS)
        return
    if not args.name:
        raise ModelError("no name", "weights get NAME", "weights list has the names.")
    with Progress("fetching") as progress:
        name = get_weights(args.name, progress.report)
    if args.json:
        print_json({"name": name})
    else:
        print(f"{name} is at hand: --model {name}")


def _list_downloads(as_json: bool, downloads: Mapping[str, Download]) -> None:
    if as_json:
        print_json({name: {
            "address": row.address, "sha256": row.sha256, "trained_on": row.trained_on,
            "top1": row.top1, "views": row.views,
        } for name, row in downloads.items()})
        return
    print(f"{'name':<25}{'top-1':>7}  {'published on':<36}address")
    for name, row in downloads.items():
        by_hand = "" if row.sha256 else " (no sha256 is published: fetch it by hand)"
        print(f"{name:<25}{row.top1:>7.2f}  {f'{row.trained_on}, {row.views}':<36}"
              f"{row.address}{by_hand}")
