"""What things cost on this machine, section by section, each figure with its spread and protocol.

What is compared takes turns in one run (`timing`). A section imports what it needs when it runs:
nothing here needs a video decoder before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module

from dsanet_core.errors import ModelError
from tools.bench.clips import write_clip
from tools.bench.timing import Line

__all__ = ["SECTIONS", "Line", "measure_section", "run_bench", "run_race", "write_clip"]

SECTIONS: dict[str, str] = {
    "modules": "The fast forms of DSA and SDA against the equations",
    "networks": "Networks with DSA and SDA over those without",
    "compiled": "The same, compiled",
    "peers": "Slow-only R50 against PyTorchVideo's",
    "precision": "Answers in bfloat16",
    "decoding": "Frames of a short clip",
    "analysis": "From bytes to an analysis",
    "run": "A run over a dataset",
    "memory": "Memory of an analysis",
    "start": "Start of a command",
    "growth": "Growth",
}
"""Sections in their order, with titles."""
_MODULES = {"analysis": "analysing", "run": "running"}


def run_bench(
    sections: Sequence[str] = (),
    *,
    repeats: int | None = None,
    report: Callable[[Line], None] | None = None,
) -> list[Line]:
    """Measure sections, all of them without names. repeats: instead of each section's own number;
    in `precision` so many videos. report: gets each line as soon as it is measured.

    Raises ModelError for a section that there is not.
    """
    names = check_sections(sections, SECTIONS)
    return _collect((line for name in names for line in measure_section(name, repeats)), report)


def run_race(
    row: str,
    against: str | None = None,
    *,
    repeats: int | None = None,
    report: Callable[[Line], None] | None = None,
) -> list[Line]:
    """Two rows of the zoo in turns, or one looked into: random weights, one clip by its protocol.
    Raises ModelError."""
    from tools.bench.networks import inside, race

    lines = inside(row, repeats=repeats) if against is None else race(row, against, repeats=repeats)
    return _collect(lines, report)


def measure_section(name: str, repeats: int | None = None) -> Iterator[Line]:
    """The lines of a section, one by one."""
    module = import_module(f"{__name__}.{_MODULES.get(name, name)}")
    lines: Iterator[Line] = module.measure(repeats)
    return lines


def check_sections(asked: Sequence[str], known: Sequence[str] | dict[str, str]) -> list[str]:
    """The sections that are meant, in the order of the known ones. Raises ModelError."""
    for name in asked:
        if name not in known:
            raise ModelError(
                f"no section {name!r}", f"some of {', '.join(known)}",
                "Name those, or none for all.",
            )
    return [name for name in known if name in asked or not asked]


def _collect(lines: Iterator[Line], report: Callable[[Line], None] | None) -> list[Line]:
    measured = []
    for line in lines:
        measured.append(line)
        if report is not None:
            report(line)
    return measured
