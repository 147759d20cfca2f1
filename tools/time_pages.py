"""Server time and memory of the pages about datasets, on runs as large as the papers' datasets.

    python -m tools.time_pages                # 20,000 videos, 174 categories, 16 SDA blocks
    python -m tools.time_pages 2000 25 8

The runs are made up (`tools.made_up_run`): their numbers come from no network. Each page is drawn
in a process of its own: once from the start, then again with everything loaded.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app import page_file

ROOT = Path(__file__).parents[1]
PAGES = ("categories", "layers", "errors")
SIZE = (20_000, 174, 16)
REDRAWN = 3


def make_runs(folder: Path, videos: int, categories: int, blocks: int) -> None:
    """A plain network, two with SDA and one with DSA, on the same videos."""
    from dsanet_core.runs.summary import FILE, save_run
    from tools.made_up_run import made_up_run

    for seed, (name, kinds) in enumerate({
        "made_up_average": {"sda": False},
        "made_up_sda": {"sda": True},
        "made_up_sda_too": {"sda": True},
        "made_up_dsa": {"sda": False, "dsa": True},
    }.items()):
        run = made_up_run(videos, categories, blocks, seed=seed, skill=2 + seed, name=name, **kinds)
        (folder / run.id).mkdir(parents=True)
        save_run(run, folder / run.id / FILE)


def draw(page: str, folder: Path) -> None:
    """Draw one page several times and print the times and the memory it took."""
    from streamlit.testing.v1 import AppTest

    from app.server import runs
    from dsanet_core import checkpoints

    runs.FOLDER = folder
    checkpoints.FOLDER = folder / "none"
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    ids = sorted(path.name for path in folder.iterdir())
    at.query_params.update({"run": ids[-2], "against": ids[-1], "runs": "~".join(ids)})
    at.run()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for attempt in range(1 + REDRAWN):
        start = time.perf_counter()
        if attempt == 0:
            at = at.switch_page(str(page_file(page).relative_to(ROOT)))
        at = at.run()
        seconds.append(time.perf_counter() - start)
        if at.exception or at.error:
            raise SystemExit(f"{page}: {[*at.exception, *at.error]}")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{page}: first {seconds[0]:.2f} s, again {min(seconds[1:]):.2f} to "
          f"{max(seconds[1:]):.2f} s; {(after - before) / 1024:.0f} MB more than the app before it "
          f"({after / 1024:.0f} MB in all)", flush=True)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["draw"]:
        draw(arguments[1], Path(arguments[2]))
        return
    videos, categories, blocks = map(int, arguments) if arguments else SIZE
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_runs(folder, videos, categories, blocks)
        print(f"made up: {videos} videos, {categories} categories, {blocks} blocks, 4 runs")
        for page in PAGES:
            command = [sys.executable, "-m", "tools.time_pages", "draw", page, scratch]
            subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main(sys.argv[1:])
