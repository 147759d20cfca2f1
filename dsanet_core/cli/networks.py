"""Commands about networks: models and bench."""

from __future__ import annotations

import argparse
from typing import Any

from dsanet_core.cli.output import Progress, print_json


def show_models(args: argparse.Namespace) -> None:
    import torch

    from dsanet_core.checkpoints import read_manifest
    from dsanet_core.counting import complexity
    from dsanet_core.zoo import build_model, list_models, model_spec

    manifest = read_manifest()
    rows: list[dict[str, Any]] = []
    with Progress("counting"), torch.device("meta"):
        for name in list_models():
            spec = model_spec(name)
            cost = complexity(build_model(spec))
            weights = [entry for entry in manifest.values() if entry["model"] == name]
            rows.append(
                {
                    "name": name,
                    "description": spec.description,
                    "reference": spec.reference,
                    "params": cost.params,
                    "macs_per_view": cost.macs,
                    "views": spec.protocol.num_views,
                    "classes": len(spec.classes),
                    "protocol": spec.protocol.describe(),
                    "weights": [entry["file"] for entry in weights],
                    "accuracy": weights[0]["accuracy"] if weights else {},
                }
            )
    if args.json:
        print_json(rows)
        return
    print(f"{'model':<18}{'parameters':>11}{'MACs/view':>12}{'views':>7}  weights")
    for row in rows:
        files = ", ".join(row["weights"]) or "-"
        print(
            f"{row['name']:<18}{row['params'] / 1e6:>9.2f} M{row['macs_per_view'] / 1e9:>10.2f} G"
            f"{row['views']:>7}  {files}"
        )


def bench(args: argparse.Namespace) -> None:
    with Progress("measuring"):
        from dsanet_core.bench import run_bench

        figures = run_bench(model=args.model)
    if args.json:
        print_json(figures)
        return
    for name, value in figures.items():
        unit = ""
        if name.endswith("_seconds"):
            name, value, unit = name.removesuffix("_seconds"), f"{1000 * value:.4g}", " ms"
        elif name.endswith("_share"):
            value = f"{value:.3%}"
        print(f"{name.replace('_', ' '):<28}{value}{unit}")
