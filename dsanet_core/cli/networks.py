"""The command about networks: models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING, Any

from dsanet_core.cli.output import Progress, log, print_json
from dsanet_core.errors import printable

if TYPE_CHECKING:
    from dsanet_core.catalogue import Comparison, Network


def show_models(args: argparse.Namespace) -> None:
    if args.complexity:
        _show_complexity(args)
        return
    with Progress("counting"):
        from dsanet_core.catalogue import list_networks, network_of
        from dsanet_core.checkpoints import at_hand, damaged, read_manifest, read_spec

        networks = list_networks(read_manifest()) + [
            network_of(name, read_spec(name), [entry])
            for name, entry in at_hand().items() if not entry["embedded"]
        ]
    for fault in damaged().values():
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


def _network_entry(network: Network) -> dict[str, Any]:
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
    with Progress("counting"):
        from dsanet_core.catalogue import TOLERANCE, compare_with_papers

        comparisons = compare_with_papers()
    if args.json:
        print_json([_comparison_entry(comparison) for comparison in comparisons])
        return
    print(
        "Parameters, and multiply-adds of one view at 224 x 224 ('FLOPs' in the papers), as "
        "printed and as\ncounted here. A row matches with the printed digits of its parameters "
        f"and multiply-adds within\n{TOLERANCE:.1%}. Networks without a count are not built here."
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


def _notes(of_table: Sequence[Comparison]) -> list[str]:
    """Remarks on rows that match or have nothing to match; reasons for others stand at the end."""
    labels: dict[str, list[str]] = {}
    for comparison in of_table:
        if comparison.row.remark and comparison.is_matched is not False:
            labels.setdefault(comparison.row.remark, []).append(comparison.row.label)
    return [
        f"Note{'' if len(names) == len(of_table) else ' on ' + ' and '.join(names)}: {remark}."
        for remark, names in labels.items()
    ]


def _comparison_line(comparison: Comparison) -> str:
    row, error = comparison.row, comparison.macs_error
    params = "-" if comparison.params is None else f"{comparison.params / 1e6:.2f} M"
    macs = "-" if comparison.macs is None else f"{comparison.macs / 1e9:.2f} G"
    off = "" if error is None else f"{error:+.1%}"
    verdict = "  not matched" if comparison.is_matched is False else ""
    return (
        f"{row.label:<24}{row.protocol:<14}{row.params or '-':>8}{params:>10}"
        f"{row.macs or '-':>10}{macs:>11}{off:>9}{verdict}"
    ).rstrip()


def _comparison_entry(comparison: Comparison) -> dict[str, Any]:
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
