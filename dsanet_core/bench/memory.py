"""Memory that one analysis takes, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dsanet_core.bench.clips import CLIP, write_clip
from dsanet_core.bench.timing import Line, Wanted, line_of

SECTION = "memory"
REPEATS = 3
ROWS = {"dsa_i3d_r50": Wanted("median", "<=", 1500), "tsn_r50": None}
_STATUS = Path("/proc/self/status")


def measure(repeats: int | None = None) -> Iterator[Line]:
    """Peak resident memory of a process that builds a network and analyses one video."""
    from dsanet_core.zoo import model_spec

    with tempfile.TemporaryDirectory() as folder:
        path = write_clip(Path(folder) / "clip.mp4")
        for row, wanted in ROWS.items():
            protocol = model_spec(row).protocol.describe()
            peaks = [
                float(ask_child(f"print(memory.peak_of_analysis({row!r}, {str(path)!r}))"))
                for _ in range(max(1, repeats or REPEATS))
            ]
            yield line_of(SECTION, f"peak of an analysis by {row}",
                          f"{protocol}; {CLIP}; a fresh process, its decoder's apart", peaks, "MB",
                          wanted=wanted)


def ask_child(code: str, section: str = "memory") -> str:
    """What a fresh process prints that runs a line of code with a section's module at hand."""
    command = [sys.executable, "-c", f"from dsanet_core.bench import {section}; {code}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def peak_of_analysis(row: str, path: str) -> float:
    """MB that this process has held at most, after an analysis with random weights."""
    from dsanet_core.analysis import analyze
    from dsanet_core.zoo import create_model

    analyze(path, create_model(row).eval())
    return peak_megabytes()


def peak_megabytes() -> float:
    """The most that this process has held so far, in 10^6 bytes."""
    if _STATUS.exists():  # getrusage may still know the parent's
        lines = dict(line.partition(":")[::2] for line in _STATUS.read_text().splitlines())
        if "VmHWM" in lines:
            return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
