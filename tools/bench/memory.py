"""Memory that one analysis takes, each in a process of its own."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.bench.clips import CLIP, write_clip
from tools.bench.fresh import ask_section
from tools.bench.timing import Line, Wanted, line_of

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
            code = f"print(*memory.peaks_of_analysis({row!r}, {str(path)!r}))"
            peaks = [
                [float(peak) for peak in ask_section(SECTION, code).split()]
                for _ in range(max(1, repeats or REPEATS))
            ]
            mine, decoders = (list(column) for column in zip(*peaks, strict=True))
            yield line_of(SECTION, f"peak of an analysis by {row}",
                          f"{protocol}; {CLIP}; a fresh process", mine, "MB", wanted=wanted)
            yield line_of(SECTION, f"peak of its decoder, {row}",
                          f"{protocol}; {CLIP}; the confined process beside it", decoders, "MB")


def peaks_of_analysis(row: str, path: str) -> tuple[float, float]:
    """MB that this process and its decoder's have held at most, after an analysis with random
    weights."""
    from dsanet_core.analysis import analyze
    from dsanet_core.inference import prepare
    from dsanet_core.zoo import create_model

    with DecoderPeaks() as decoder:
        analyze(path, prepare(create_model(row)))
    return peak_megabytes(), decoder.megabytes


class DecoderPeaks(logging.Handler):
    """The most that any decoding process has held while this is open, as the sandbox's log says."""

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
    """The most that this process has held so far, in 10^6 bytes."""
    if _STATUS.exists():  # getrusage may still know the parent's
        lines = dict(line.partition(":")[::2] for line in _STATUS.read_text().splitlines())
        if "VmHWM" in lines:
            return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
