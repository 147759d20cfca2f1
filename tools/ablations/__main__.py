"""Train the settings that are not finished, then write `docs/ablations.md`.

    python -m tools.ablations [--seeds 3] [--jobs 2]
    python -m tools.ablations --write

Cells that finish lie in .cache/ablations and are never trained again, so that the command goes on
where it was stopped: all settings by seed 0 first, then all by seed 1, and so on.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tools.ablations.cells import Cell, finished, make_cell, missing_cells, videos_of
from tools.ablations.report import budgets, report
from tools.ablations.settings import SETTINGS

DATA, DOCS = Path(".cache"), Path("docs")
CELLS = DATA / "ablations"


def train_missing(seeds: int, jobs: int) -> None:
    """Every setting by every seed that has no cell yet."""
    for budget in budgets():
        videos_of(budget, DATA, print)
    missing = missing_cells(seeds, CELLS)
    started = time.monotonic()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(make_cell, name, seed, DATA, CELLS) for name, seed in missing]
        for done, future in enumerate(as_completed(waiting), 1):
            cell = future.result()
            left = (time.monotonic() - started) / done * (len(missing) - done)
            print(f"{done}/{len(missing)} {cell['setting']} seed {cell['seed']}: "
                  f"{cell['top1']:.1%}, {left / 60:.0f} minutes left", flush=True)


def collected() -> list[Cell]:
    """All finished cells, without what repeats the settings."""
    cells = []
    for path in sorted(CELLS.glob("*.json")):
        cell: Cell = json.loads(path.read_text())
        setting = SETTINGS.get(cell["setting"])
        if setting is not None and finished(setting, cell["seed"], CELLS) is not None:
            cells.append({key: value for key, value in cell.items() if key != "made_by"})
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="training seeds per setting")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, a core each")
    parser.add_argument("--write", action="store_true", help="only write the page again")
    options = parser.parse_args()
    kept = DOCS / "ablations.json"
    if not options.write:
        train_missing(options.seeds, options.jobs)
        lines = ",\n".join(json.dumps(cell) for cell in collected())
        kept.write_text(f"[\n{lines}\n]\n")
    (DOCS / "ablations.md").write_text(report(json.loads(kept.read_text())))


if __name__ == "__main__":
    main()
