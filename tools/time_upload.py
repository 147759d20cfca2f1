"""Seconds from dropping a 10 s 340x256 clip to its picture, in a real browser on a warm app.

    python -m tools.time_upload [CLIP ...]

Without clips it makes six different ones; the first warms the app up and is not counted.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from dsanet_core.synthetic import FPS, make_video
from dsanet_core.video import encode_h264
from tests.browser.stage import WAIT_MILLISECONDS
from tools.browser import app_and_browser

PICTURE = ".js-plotly-plot image"
"""The frames of the snippets, which Inspect draws last."""


def make_clips(folder: Path, count: int) -> list[Path]:
    """Ten seconds each: two and a half videos of the benchmark, one after another."""
    paths = []
    for index in range(count):
        parts = [make_video(99, 3 * index + part, size=(256, 340)).rgb for part in range(3)]
        frames = [frame for part in parts for frame in part][: 10 * FPS]
        paths.append(folder / f"clip{index}.mp4")
        encode_h264(frames, fps=FPS, path=paths[-1])
    return paths


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch, app_and_browser() as (address, browser):
        seconds = []
        for path in [Path(name) for name in names] or make_clips(Path(scratch), 6):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(address)
            page.wait_for_selector("input[type=file]", state="attached")
            page.wait_for_timeout(2000)
            begin = time.perf_counter()
            page.set_input_files("input[type=file]", path)
            page.wait_for_selector(PICTURE, timeout=WAIT_MILLISECONDS)
            seconds.append(time.perf_counter() - begin)
            print(f"{path.name}: {seconds[-1]:.2f} s")
            page.close()
    warm = seconds[1:]
    print(f"warm: median {statistics.median(warm):.2f} s, {min(warm):.2f} to {max(warm):.2f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
