"""Time that the decoding sandbox adds to reading an upload, once its server is warm.

    python -m tools.time_sandbox [CLIP ...]

In turns, the same clip is read by `read_clips` (in the sandbox, its hash included) and in this
process. Without clips it makes one of 10 s and 340x256.
"""

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from dsanet_core.records import Sampling
from dsanet_core.video import DEFAULT_LIMITS, decode, read_clips, sandbox
from tools.bench.timing import Action, in_turns
from tools.time_upload import make_clips

TURNS = 40
SAMPLING = Sampling(8, 8, 4)


def read_here(path: Path) -> None:
    with path.open("rb") as file:
        decode.read_snippets(file, SAMPLING, DEFAULT_LIMITS)


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.perf_counter()
        sandbox.protections()
        print(f"warming up: {1000 * (time.perf_counter() - begin):.0f} ms")
        for path in [Path(name) for name in names] or make_clips(Path(scratch), 1):
            actions: dict[str, Action] = {"sandbox": partial(read_clips, path, SAMPLING),
                                          "here": partial(read_here, path)}
            turns = in_turns(actions, TURNS)
            pairs = zip(turns.of("sandbox"), turns.of("here"), strict=True)
            added = sorted(1000 * (a - b) for a, b in pairs)
            print(
                f"{path.name}: {1000 * turns.median('sandbox'):.1f} ms in the sandbox, "
                f"{1000 * turns.median('here'):.1f} ms here;"
                f" it adds {statistics.median(added):.1f} ms (median of {TURNS} turns,"
                f" {added[0]:.1f} to {added[-1]:.1f})"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
