"""Load checkpoints that were damaged by seeds, in a process that may be killed by them.

    python -m tools.fuzz_checkpoints --files 5000 [--first SEED]

Prints how many were refused, how many loaded as what they say, and the seed of everything else:
another error, other numbers, a process that ended, a file that took more than `SECONDS`. Ends with
1 if there was any. A file of a seed is always the same.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

from tests.checkpoints.damage import SUFFIXES, damage, originals, verdict

SECONDS = 20.0
PROGRESS = 500


def work(seeds: range, pipe: Connection) -> None:
    """Send None when ready, then (seed, kind, verdict, seconds) of one seed after the other."""
    with tempfile.TemporaryDirectory() as folder:
        files = originals(Path(folder))
        for suffix, data in files.items():  # the first takes as long as its imports
            assert verdict(Path(folder) / f"a.{suffix}", data) == "loaded"
        pipe.send(None)
        for seed in seeds:
            suffix = SUFFIXES[seed % len(SUFFIXES)]
            kind, data = damage(files[suffix], random.Random(seed))
            started = time.perf_counter()
            outcome = verdict(Path(folder) / f"a.{suffix}", data)
            pipe.send((seed, f"{suffix}, {kind}", outcome, time.perf_counter() - started))


def fuzz(seeds: range) -> tuple[Counter[str], list[str], float]:
    """Verdicts counted, faults with their seeds, the longest a file took in seconds."""
    counted: Counter[str] = Counter()
    faults: list[str] = []
    slowest, at = 0.0, seeds.start
    context = multiprocessing.get_context("spawn")
    while at < seeds.stop:
        ours, theirs = context.Pipe(duplex=False)
        worker = context.Process(target=work, args=(range(at, seeds.stop), theirs))
        worker.start()
        theirs.close()
        try:
            ours.recv()
            while at < seeds.stop and ours.poll(SECONDS):
                seed, kind, outcome, seconds = ours.recv()
                counted[outcome if outcome in ("refused", "loaded") else "fault"] += 1
                if outcome not in ("refused", "loaded"):
                    faults.append(f"seed {seed} ({kind}): {outcome}")
                slowest, at = max(slowest, seconds), seed + 1
                if at % PROGRESS == 0:
                    print(f"{at - seeds.start} files", file=sys.stderr, flush=True)
        except EOFError:
            pass
        if at < seeds.stop:
            worker.join(1)
            hung = worker.exitcode is None
            worker.kill()
            how = f"took over {SECONDS:.0f} s" if hung else f"ended the process ({worker.exitcode})"
            faults.append(f"seed {at}: {how}")
            counted["fault"] += 1
            at += 1
        worker.join()
    return counted, faults, slowest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    args = parser.parse_args()
    counted, faults, slowest = fuzz(range(args.first, args.first + args.files))
    print(f"seeds {args.first} to {args.first + args.files - 1}: {counted['refused']} refused, "
          f"{counted['loaded']} loaded as what they say, {counted['fault']} faults; "
          f"slowest {slowest:.2f} s")
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
