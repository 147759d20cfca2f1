"""Measurements in fresh processes: peak memory of an analysis, and the start of a command."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tools.bench.clips import CLIP, write_clip
from tools.bench.table import Line, Wanted, line_of
from tools.bench.timing import in_turns

ROOT = Path(__file__).parents[2]
MEMORY, START = "memory", "start"
MEMORY_REPEATS, START_REPEATS = 3, 15
ROWS = {"dsa_i3d_r50": Wanted("median", "<=", 1500), "tsn_r50": None}
PYTHON = "python -c pass"
COMMANDS: dict[str, tuple[tuple[str, ...], Wanted | None]] = {
    "python -m dsanet_core --help": (("-m", "dsanet_core", "--help"), Wanted("median", "<", 0.3)),
    "import dsanet_core": (("-c", "import dsanet_core"), None),
    PYTHON: (("-c", "pass"), None),
}
_STATUS = Path("/proc/self/status")


def run_python(*arguments: str) -> str:
    """Output of a fresh interpreter of this checkout, run to its end. Raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return done.stdout.strip()


def ask_module(module: str, code: str) -> str:
    """Output of a fresh process that runs a line of code which uses a module of `tools.bench`."""
    return run_python("-c", f"from tools.bench import {module}; {code}")


def measure_start(repeats: int | None = None) -> Iterator[Line]:
    """Fresh processes, files in the cache of the system after the first turns."""
    turns = in_turns(
        {name: partial(run_python, *arguments) for name, (arguments, _) in COMMANDS.items()},
        repeats or START_REPEATS,
    )
    for name, (_, wanted) in COMMANDS.items():
        yield turns.line(START, name, "a fresh process, from its start to its end", wanted=wanted,
                         over="" if name == PYTHON else PYTHON)


def measure_memory(repeats: int | None = None) -> Iterator[Line]:
    """Peak resident memory of a process that builds a network and analyses one video."""
    from dsanet_core.zoo import model_spec

    with tempfile.TemporaryDirectory() as folder:
        path = write_clip(Path(folder) / "clip.mp4")
        for row, wanted in ROWS.items():
            protocol = f"{model_spec(row).protocol.describe()}; {CLIP}"
            code = f"print(*processes.peaks_of_analysis({row!r}, {str(path)!r}))"
            peaks = [
                [float(peak) for peak in ask_module("processes", code).split()]
                for _ in range(max(1, repeats or MEMORY_REPEATS))
            ]
            analyses, decoders = (list(column) for column in zip(*peaks, strict=True))
            yield line_of(MEMORY, f"peak of an analysis by {row}", f"{protocol}; a fresh process",
                          analyses, "MB", wanted=wanted)
            yield line_of(MEMORY, f"peak of its decoder, {row}",
                          f"{protocol}; the confined process beside it", decoders, "MB")


def peaks_of_analysis(row: str, path: str) -> tuple[float, float]:
    """Peak memory of this process and of its decoder in MB, after an analysis with random
    weights."""
    from dsanet_core.analysis import analyze
    from dsanet_core.inference import prepare
    from dsanet_core.zoo import create_model

    with DecoderPeaks() as decoder:
        analyze(path, prepare(create_model(row)))
    return peak_megabytes(), decoder.megabytes


class DecoderPeaks(logging.Handler):
    """Peak memory of all decoding processes while this is open, from the sandbox's log."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.megabytes = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        self.megabytes = max(self.megabytes, getattr(record, "peak_bytes", 0) / 1e6)

    def __enter__(self) -> DecoderPeaks:
        from dsanet_core.video.sandbox import log

        self._log, self._level = log, log.level
        log.setLevel(logging.DEBUG)
        log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._log.removeHandler(self)
        self._log.setLevel(self._level)


def peak_megabytes() -> float:
    """Peak resident memory of this process so far, in 10^6 bytes."""
    if _STATUS.exists():  # getrusage may still know the parent's
        lines = dict(line.partition(":")[::2] for line in _STATUS.read_text().splitlines())
        if "VmHWM" in lines:
            return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
