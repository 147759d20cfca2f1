"""python -m tools.bench.gpu: measure on a CUDA GPU, print a table, write it to a file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from tools.bench.gpu import run_gpu_bench
from tools.bench.gpu.device import Device
from tools.bench.table import Report, as_markdown

MEASURED = "<!-- measured on a GPU -->"
"""Marks a file with results, which a report without any must not replace."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.dry_run and chosen.write is not None:
        parser.error("a dry run has no results to write: leave out --write or --dry-run")
    device = Device(
        torch.device(chosen.device or ("cpu" if chosen.dry_run else "cuda")), dry=chosen.dry_run,
        budget_seconds=chosen.budget, repeats=chosen.repeats or (2 if chosen.dry_run else 15),
    )
    save_to_file = partial(save, path=chosen.write) if chosen.write else None
    report = run_gpu_bench(device, after_section=save_to_file)
    if save_to_file is not None:
        save_to_file(report)
    print(json.dumps(report.to_dict(), indent=1) if chosen.json else markdown(report))
    return 0


def markdown(report: Report) -> str:
    """The whole file."""
    return f"{MEASURED}\n\n{as_markdown(report)}" if report.has_results else as_markdown(report)


def save(report: Report, path: Path) -> None:
    """Write the table, unless it would replace results by none."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if MEASURED in before and not report.has_results:
        print(f"{path} holds results and stays as it is", file=sys.stderr)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown(report), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.gpu", description=(__doc__ or "").partition(": ")[2]
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table to a file")
    parser.add_argument("--device", help="cuda, cuda:1, ...; for a dry run cpu unless given")
    parser.add_argument("--dry-run", action="store_true",
                        help="every code path with tiny networks; no figure is a result")
    parser.add_argument("--repeats", type=int, help="samples of every time (15)")
    parser.add_argument("--budget", type=float, default=420.0, metavar="SECONDS",
                        help="after 60 %% of it nothing is compiled any more (420)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
