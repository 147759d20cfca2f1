"""Damaged files of every container through the decoding sandbox.

    python -m tools.fuzz run --per-container 5000 --jobs 2 --trace reached --folder build/fuzz
    python -m tools.fuzz report --folder build/fuzz --refused build/refused --out docs/fuzzing.md
    python -m tools.fuzz one mp4 4711                  # one file again, its outcome as JSON

A run that was stopped goes on where it was. --trace needs strace; with "reached" it sees the calls
that succeeded, with "refused", many times slower, also those that did not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from dsanet_core.atomic import atomic_file
from tools.fuzz import report, trace
from tools.fuzz.attempt import attempt
from tools.fuzz.bases import CONTAINERS

CHUNK = 250
"""Files of one process, whose results are written when all are there."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--containers", nargs="+", choices=CONTAINERS, default=CONTAINERS)
    run.add_argument("--per-container", type=int, default=5000)
    run.add_argument("--seed", type=int, default=0, help="the first one")
    run.add_argument("--jobs", type=int, default=2)
    run.add_argument("--trace", choices=trace.HOW, help="what to see of the children's calls")
    run.add_argument("--folder", type=Path, required=True)
    chunk = commands.add_parser("chunk")
    chunk.add_argument("container")
    chunk.add_argument("first", type=int)
    chunk.add_argument("count", type=int)
    chunk.add_argument("out", type=Path)
    summary = commands.add_parser("report")
    summary.add_argument("--folder", type=Path, required=True)
    summary.add_argument("--out", type=Path, required=True)
    summary.add_argument("--refused", type=Path, help="folder of a run with --trace refused")
    one = commands.add_parser("one")
    one.add_argument("container", choices=CONTAINERS)
    one.add_argument("seed", type=int)
    args = parser.parse_args()
    if args.command == "run":
        run_all(args)
    elif args.command == "chunk":
        run_chunk(args.container, args.first, args.count, args.out)
    elif args.command == "report":
        args.out.write_text(report.markdown(args.folder, args.refused))
    else:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(asdict(attempt(args.container, args.seed, Path(folder))), indent=1))


def run_all(args: argparse.Namespace) -> None:
    """Every chunk that is not there yet, some at a time, containers in turns."""
    args.folder.mkdir(parents=True, exist_ok=True)
    commit = args.folder / report.COMMIT
    if not commit.exists():
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE)
        commit.write_text(head.stdout.decode().strip() or "unknown")
    end = args.seed + args.per_container
    chunks = [
        (container, first, min(CHUNK, end - first))
        for first in range(args.seed, end, CHUNK)
        for container in args.containers
        if not _path(args.folder, container, first).exists()
    ]

    def work(chunk: tuple[str, int, int]) -> None:
        container, first, count = chunk
        path = _path(args.folder, container, first)
        log = path.with_suffix(".trace")
        command = [sys.executable, "-m", "tools.fuzz", "chunk", container, str(first), str(count)]
        before = trace.command(str(log), args.trace) if args.trace else []
        with atomic_file(path) as part:
            subprocess.run([*before, *command, str(part)], check=True)
            if args.trace:
                with log.open(errors="replace") as lines:
                    reach = trace.reach(lines)
                path.with_suffix(".reach").write_text(json.dumps(vars(reach)))
                log.unlink()
        print(path.name, flush=True)

    with ThreadPoolExecutor(args.jobs) as threads:
        list(threads.map(work, chunks))


def run_chunk(container: str, first: int, count: int, out: Path) -> None:
    """Outcomes of some seeds, one JSON object a line."""
    with tempfile.TemporaryDirectory() as folder, out.open("w") as lines:
        for seed in range(first, first + count):
            lines.write(json.dumps(asdict(attempt(container, seed, Path(folder)))) + "\n")


def _path(folder: Path, container: str, first: int) -> Path:
    return folder / f"{container}-{first:07d}.jsonl"


if __name__ == "__main__":
    main()
