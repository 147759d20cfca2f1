"""The app under load, with visitors that speak Streamlit's protocol.

    python -m tools.load sessions --sessions 8 --minutes 10
    python -m tools.load sessions --sessions 8 --minutes 10 --kill-every 20
    python -m tools.load endurance --analyses 300

Each starts a server of its own and checks every figure; the exit code is 1 if one does not
hold. The first starts with about three minutes of a single visitor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tools.load import endurance, sessions


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.load", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--log", type=Path, help="keep the server's log in this file")
    commands = parser.add_subparsers(dest="command", required=True)
    many = commands.add_parser("sessions", help="visitors at once")
    many.add_argument("--sessions", type=int, default=8)
    many.add_argument("--minutes", type=float, default=10)
    many.add_argument("--kill-every", type=float, default=0, metavar="SECONDS",
                      help="kill one of the server's children about so often")
    long = commands.add_parser("endurance", help="analyses in a row")
    long.add_argument("--analyses", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-") as scratch:
        if options.command == "sessions":
            report = sessions.measure(
                Path(scratch), options.sessions, options.minutes, options.kill_every
            )
        else:
            report = endurance.measure(Path(scratch), options.analyses)
        if options.log is not None:
            options.log.write_bytes((Path(scratch) / "server.log").read_bytes())
    print(report.to_json() if options.json else report)
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
