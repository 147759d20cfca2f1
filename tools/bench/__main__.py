"""Everything that is measured on this machine, as a table and as docs/benchmarks.md.

    python -m tools.bench [SECTION ...] [--repeats N] [--out FILE]
    python -m tools.bench --model ROW [--against ROW] [--repeats N]

Beside the sections of `tools.bench` there is `pages`, the app in a real browser. All sections
together write docs/benchmarks.md and docs/growth.svg; some of them only say what they measured,
unless --out names a document. A section that cannot be measured is said and the others go on.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from dsanet_core.errors import LensError
from tools import bench
from tools.bench.figure import growth_svg
from tools.bench.machine import describe_machine
from tools.bench.table import as_markdown, as_text

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
FIGURE = "growth.svg"
PAGES = "pages"
TITLES = {**bench.SECTIONS, PAGES: "Pages of the app"}
SECTIONS = [*(name for name in TITLES if name not in (PAGES, "growth")), PAGES, "growth"]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--repeats", type=int, metavar="N", help="instead of each section's own")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: docs/benchmarks.md, "
                        "where no section is named")
    parser.add_argument("--model", metavar="ROW", help="measure this row of the zoo instead")
    parser.add_argument("--against", metavar="ROW", help="a second row, forwards in turns")
    args = parser.parse_args(argv)
    if args.model and (args.sections or args.out):
        parser.error("--model excludes sections and --out")
    if args.against and not args.model:
        parser.error("--against needs --model")
    try:
        names = bench.check_sections(args.sections, SECTIONS)
        if args.model:
            bench.run_race(args.model, args.against, repeats=args.repeats,
                           report=lambda line: print(as_text(line), flush=True))
            return 0
    except LensError as error:
        parser.error(str(error))
    document = args.out or (None if args.sections else DOCUMENT)
    machine = describe_machine()
    lines, faults = measure_all(names, args.repeats)
    if document is not None:
        write_document(document, lines, machine, faults)
        print(f"written: {document}", file=sys.stderr)
    return 1 if faults else 0


def measure_all(
    names: Sequence[str], repeats: int | None
) -> tuple[list[bench.Line], dict[str, str]]:
    """All lines, said as they come, and the sections that failed with the reasons."""
    lines: list[bench.Line] = []
    faults = {}
    for name in names:
        start = time.monotonic()
        print(f"\n{TITLES[name]}", flush=True)
        try:
            for line in _measure(name, repeats):
                lines.append(line)
                print(as_text(line), flush=True)
        except Exception as error:  # what was measured so far is kept
            faults[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            print(f"not measured: {faults[name]}", file=sys.stderr, flush=True)
        print(f"    ({name}: {time.monotonic() - start:.0f} s)", flush=True)
    return lines, faults


def write_document(
    path: Path, lines: Sequence[bench.Line], machine: dict[str, str], faults: dict[str, str]
) -> None:
    """The table, and beside it the figure where growth was measured."""
    grown = [line for line in lines if line.at]
    if grown:
        path.with_name(FIGURE).write_text(growth_svg(grown))
    path.write_text(as_markdown(
        lines, machine, titles=TITLES, figure=FIGURE if grown else "", faults=faults
    ))


def _measure(name: str, repeats: int | None) -> Iterator[bench.Line]:
    if name != PAGES:
        return bench.measure_section(name, repeats)
    from tools.bench.pages import measure

    return measure(repeats)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
