"""The commands on models and weights: models, import and weights."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING, Any

from dsanet_core.cli.output import StatusMessages, log, print_json
from dsanet_core.errors import ModelError, printable

if TYPE_CHECKING:
    from dsanet_core.catalogue import CatalogueRow, PaperComparison


def show_models(args: argparse.Namespace) -> None:
    if args.complexity:
        _show_complexity(args)
        return
    with StatusMessages("counting"):
        from dsanet_core.catalogue import catalogue_row, catalogue_rows
        from dsanet_core.checkpoints import (
            available_weights,
            damaged_entries,
            read_manifest,
            read_spec,
        )

        networks = catalogue_rows(read_manifest()) + [
            catalogue_row(name, read_spec(name), [entry])
            for name, entry in available_weights().items() if not entry["embedded"]
        ]
    for fault in damaged_entries().values():
        log(printable(fault))
    if args.json:
        print_json([_network_entry(network) for network in networks])
        return
    print(f"{'model':<18}{'parameters':>11}{'MACs/view':>12}{'views':>7}  weights")
    for network in networks:
        files = ", ".join(network.weights) or "-"
        print(
            f"{network.name:<18} {network.params / 1e6:>8.2f} M{network.macs / 1e9:>10.2f} G"
            f"{network.views:>7}  {files}"
        )


def _network_entry(network: CatalogueRow) -> dict[str, Any]:
    return {
        "name": network.name,
        "description": network.description,
        "reference": network.reference,
        "params": network.params,
        "macs_per_view": network.macs,
        "views": network.views,
        "classes": network.classes,
        "protocol": network.protocol,
        "weights": list(network.weights),
        "accuracy": dict(network.accuracy),
    }


def _show_complexity(args: argparse.Namespace) -> None:
    with StatusMessages("counting"):
        from dsanet_core.catalogue import TOLERANCE, compare_with_papers

        comparisons = compare_with_papers()
    if args.json:
        print_json([_comparison_entry(comparison) for comparison in comparisons])
        return
    print(
        "Parameters, and multiply-adds of one view at 224 x 224 ('FLOPs' in the papers), as "
        "printed and as\ncounted here. A row matches if its parameters equal the printed digits "
        f"and its multiply-adds are\nwithin {TOLERANCE:.1%}. Models without a count are not "
        "built here."
    )
    for (paper, table), rows in groupby(comparisons, lambda c: (c.row.paper, c.row.table)):
        print(f"\n{f'{paper}, Table {table}':<38}{'parameters':>18}{'multiply-adds':>21}")
        print(f"{'':<38}{'paper':>8}{'here':>10}{'paper':>10}{'here':>11}{'off by':>9}")
        of_table = list(rows)
        for comparison in of_table:
            print(_comparison_line(comparison))
        for note in _notes(of_table):
            print(fill(note, 100, subsequent_indent="  "))
    unmatched = [c for c in comparisons if c.is_matched is False]
    matched = sum(c.is_matched is True for c in comparisons)
    print(f"\n{matched} rows match, {len(unmatched)} do not:")
    for comparison in unmatched:
        row = comparison.row
        reason = f"{row.paper}, Table {row.table}, {row.label} {row.protocol}: {row.remark}."
        print(fill(reason, 100, initial_indent="  ", subsequent_indent="    "))


def _notes(of_table: Sequence[PaperComparison]) -> list[str]:
    """Remarks on the rows of a table; those on rows that do not match are printed at the end."""
    labels: dict[str, list[str]] = {}
    for comparison in of_table:
        if comparison.row.remark and comparison.is_matched is not False:
            labels.setdefault(comparison.row.remark, []).append(comparison.row.label)
    return [
        f"Note{'' if len(names) == len(of_table) else ' on ' + ' and '.join(names)}: {remark}."
        for remark, names in labels.items()
    ]


def _comparison_line(comparison: PaperComparison) -> str:
    row, error = comparison.row, comparison.macs_error
    params = "-" if comparison.params is None else f"{comparison.params / 1e6:.2f} M"
    macs = "-" if comparison.macs is None else f"{comparison.macs / 1e9:.2f} G"
    off = "" if error is None else f"{error:+.1%}"
    verdict = "  not matched" if comparison.is_matched is False else ""
    return (
        f"{row.label:<24}{row.protocol:<14}{row.params or '-':>8}{params:>10}"
        f"{row.macs or '-':>10}{macs:>11}{off:>9}{verdict}"
    ).rstrip()


def _comparison_entry(comparison: PaperComparison) -> dict[str, Any]:
    row = comparison.row
    return {
        "paper": row.paper,
        "table": row.table,
        "label": row.label,
        "protocol": row.protocol,
        "top1": dict(row.top1),
        "views": row.views,
        "printed": {"params_millions": row.params or None, "gmacs_per_view": row.macs or None},
        "counted": {"params": comparison.params, "macs_per_view": comparison.macs},
        "networks": [
            {"name": spec.name, "args": spec.args, "input_shape": list(shape)}
            for spec, shape in row.networks
        ],
        "params_equal": comparison.params_equal,
        "macs_error": comparison.macs_error,
        "matched": comparison.is_matched,
        "remark": row.remark,
    }


if TYPE_CHECKING:
    from dsanet_core.checkpoints.downloads import Download


def import_weights(args: argparse.Namespace) -> None:
    """Import a checkpoint and print its description and import notes."""
    with StatusMessages("checking"):
        from dsanet_core.checkpoints import (
            Choices,
            available_weights,
            import_checkpoint,
            load_model,
        )

        choices = Choices(args.frames, args.stride, args.shift, args.beta, args.classes)
        name = import_checkpoint(args.checkpoint, args.name, choices=choices)
        network, entry = load_model(name, "cpu"), available_weights()[name]
    spec, weights, protocol = network.spec, network.weights, network.spec.protocol
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if args.json:
        print_json({
            "name": name,
            "file": str(entry["path"]),
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
    notes = [tuple(row) for row in entry["account"]]
    lines = [
        ("model", f"{spec.name}, {parameters / 1e6:.2f} M parameters"),
        ("trained on", weights.trained_on or "not stated"),
        *([] if any(topic == "input" for topic, _ in notes) else [
            ("input", protocol.describe()),
            ("classes", f"{len(spec.classes)}, the first '{spec.classes[0]}'"),
        ]),
        *notes,
        ("sha256", weights.sha256),
        ("stored as", str(entry["path"])),
    ]
    print(f"{name} is available: --model {name}")
    for topic, text in lines:
        print(f"  {topic:<12} {printable(text)}")


def weights(args: argparse.Namespace) -> None:
    """List the public checkpoints, or download and import one."""
    from dsanet_core.checkpoints.downloads import DOWNLOADS, get_weights

    if args.action == "list":
        _list_downloads(args.json, DOWNLOADS)
        return
    if not args.name:
        raise ModelError("no name", "weights get NAME", "See the names with: weights list")
    with StatusMessages("downloading") as progress:
        name = get_weights(args.name, progress.report)
    if args.json:
        print_json({"name": name})
    else:
        print(f"{name} is available: --model {name}")


def _list_downloads(as_json: bool, downloads: Mapping[str, Download]) -> None:
    if as_json:
        print_json({name: {
            "address": row.address, "sha256": row.sha256, "trained_on": row.trained_on,
            "top1": row.top1, "views": row.views,
        } for name, row in downloads.items()})
        return
    print(f"{'name':<25}{'top-1':>7}  {'published on':<36}address")
    for name, row in downloads.items():
        by_hand = "" if row.sha256 else " (no SHA-256 is published: download it by hand)"
        print(f"{name:<25}{row.top1:>7.2f}  {f'{row.trained_on}, {row.views}':<36}"
              f"{row.address}{by_hand}")
