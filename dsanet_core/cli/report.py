"""The command report: what one network, or two, say of a video, as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path

from dsanet_core.cli.output import Progress, load
from dsanet_core.errors import printable
from dsanet_core.text_format import file_size


def report(args: argparse.Namespace) -> None:
    from dsanet_core.report import check_name, report_name, write_report

    if args.out is not None:
        check_name(args.out)
    with Progress("loading") as progress:
        from dsanet_core.analysis import analyze
        from dsanet_core.ensemble import read_each

        names = [args.model] if args.against is None else [args.model, args.against]
        networks = [load(name, args) for name in names]
        seen = read_each(args.video, networks, progress=progress.report)
        shown = list(zip(seen, networks, strict=True))
        analyses = [analyze(*each, progress=progress.report) for each in shown]
        attributions = []
        if args.explain is not None:
            from dsanet_core.attribution import attribute

            attributions = [
                attribute(*each, args.explain, progress=progress.report) for each in shown
            ]
    measured = {each.weights.sha256: each.weights.accuracy for each in networks if each.weights}
    path = args.out or Path(report_name(analyses))
    existed = path.exists()
    write_report(path, analyses, attributions=attributions, accuracies=measured)
    size = file_size(path.stat().st_size)
    print(f"{printable(str(path))} ({size}{', replaced' if existed else ''})")
