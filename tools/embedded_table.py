"""Markdown tables from the JSON of `python -m dsanet_core run ... --json`, one column per network.

    python -m tools.embedded_table groups run1.json run2.json ...
    python -m tools.embedded_table categories run1.json run2.json ...

Runs of the same network (other training seeds) share a column: mean, and the spread from the
lowest to the highest.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any


def cell(values: list[float]) -> str:
    percent = [100 * value for value in values]
    mean = f"{sum(percent) / len(percent):.1f}"
    return mean if len(percent) == 1 else f"{mean} ({min(percent):.1f} to {max(percent):.1f})"


def table(kind: str, runs: list[dict[str, Any]]) -> str:
    by_model: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        by_model[run["model"]["name"]].append(run)
    rows = {"all, top-1": lambda run: run["top1"], "all, top-5": lambda run: run["top5"]}
    key = {"groups": "per_group", "categories": "per_category"}[kind]
    for name in runs[0][key]:
        rows[name] = lambda run, name=name: run[key][name]
    lines = ["| % | " + " | ".join(by_model) + " |", "|---|" + "---|" * len(by_model)]
    for name, figure in rows.items():
        cells = [cell([figure(run) for run in group]) for group in by_model.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("groups", "categories"):
        sys.exit(__doc__)
    print(table(sys.argv[1], [json.loads(Path(path).read_text()) for path in sys.argv[2:]]))
