"""Measurements of this machine, as a table and as docs/benchmarks.md.

    python -m tools.bench [SECTION ...] [--repeats N] [--out FILE]
    python -m tools.bench --model ROW [--against ROW] [--repeats N]

All sections together write docs/benchmarks.md and docs/growth.svg; named ones are only printed,
unless --out names a document. A section that fails is reported, and the others go on.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

from dsanet_core.errors import LensError
from tools.bench.figure import growth_svg
from tools.bench.machine import describe_machine
from tools.bench.table import Line, Report, Section, as_markdown, as_text

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
FIGURE = "growth.svg"
SECTIONS: dict[str, tuple[str, str]] = {
    "modules": ("The fast forms of DSA and SDA against the equations", "modules"),
    "networks": ("Networks with DSA and SDA over those without", "networks"),
    "compiled": ("The same, compiled", "networks"),
    "peers": ("Slow-only R50 against PyTorchVideo's", "peers"),
    "precision": ("Answers in bfloat16", "precision"),
    "decoding": ("Frames of a short clip", "decoding"),
    "analysis": ("From bytes to an analysis", "analysis"),
    "run": ("A run over a dataset", "analysis"),
    "memory": ("Memory of an analysis", "processes"),
    "start": ("Start of a command", "processes"),
    "pages": ("Pages of the app", "pages"),
    "growth": ("Growth", "growth"),
}
"""Sections in their order: the title, and the module that has `measure_<section>`."""
ABOUT = (
    "Written by `make bench`. Medians, and interquartile ranges (IQR) as the spread. What is "
    "compared took turns in one run, in alternating order; a ratio is the median of the turns' "
    "own ratios. Absolute times are this machine's, ratios travel better. *met* compares the "
    "figure with what is wanted, as measured here."
)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--repeats", type=int, metavar="N", help="instead of each section's own; "
                        "of videos in 'precision'")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: docs/benchmarks.md, "
                        "where no section is named")
    parser.add_argument("--model", metavar="ROW", help="measure this row of the zoo instead")
    parser.add_argument("--against", metavar="ROW", help="a second row, forwards in turns")
    args = parser.parse_args(argv)
    for name in args.sections:
        if name not in SECTIONS:
            parser.error(f"no section {name!r}, expected some of {', '.join(SECTIONS)}")
    if args.against and not args.model:
        parser.error("--against needs --model")
    if args.model and (args.sections or args.out):
        parser.error("--model excludes sections and --out")
    if args.model:
        try:
            print_lines(lines_of_rows(args.model, args.against, args.repeats))
        except LensError as error:
            parser.error(str(error))
        return 0
    document = args.out or (None if args.sections else DOCUMENT)
    report = Report("Benchmarks", ABOUT, {}, describe_machine())
    for name in SECTIONS:
        if name in args.sections or not args.sections:
            report.sections[name] = measure(name, args.repeats)
    if document is not None:
        write_document(document, report)
        print(f"written: {document}", file=sys.stderr)
    return 1 if any(section.reason for section in report.sections.values()) else 0


def lines_of_rows(row: str, against: str | None, repeats: int | None) -> Iterator[Line]:
    """Two rows of the zoo in turns, or the shares of one row's modules. Raises ModelError."""
    from tools.bench import networks

    if against is None:
        return networks.shares_within(row, repeats=repeats)
    return networks.compare(row, against, repeats=repeats)


def measure(name: str, repeats: int | None) -> Section:
    """The section with its lines, printed as they come; up to the error of one that fails."""
    title, _ = SECTIONS[name]
    section, start = Section(name, title), time.monotonic()
    print(f"\n{title}", flush=True)
    try:
        print_lines(measure_section(name, repeats), section.lines)
    except Exception as error:  # the lines before it are kept
        section.reason = f"{type(error).__name__}: {error}".splitlines()[0]
        print(f"not measured: {section.reason}", file=sys.stderr, flush=True)
    print(f"    ({name}: {time.monotonic() - start:.0f} s)", flush=True)
    return section


def measure_section(name: str, repeats: int | None) -> Iterator[Line]:
    """The lines of a section, one by one."""
    module = import_module(f"tools.bench.{SECTIONS[name][1]}")
    lines: Iterator[Line] = getattr(module, f"measure_{name}")(repeats)
    return lines


def print_lines(lines: Iterable[Line], kept: list[Line] | None = None) -> None:
    """Print lines as they come and append them to `kept`."""
    for line in lines:
        print(as_text(line), flush=True)
        if kept is not None:
            kept.append(line)


def write_document(path: Path, report: Report) -> None:
    """The document, and beside it the figure where growth was measured."""
    grown = [line for line in report.lines if line.at]
    if grown:
        report.figure = FIGURE
        path.with_name(FIGURE).write_text(growth_svg(grown))
    path.write_text(as_markdown(report))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
