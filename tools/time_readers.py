"""decord against PyAV on a folder of clips: seconds, memory over many reads, and the pixels.

    python -m tools.time_readers [--clips 200] [--reads 2000]

Makes clips of 10 s at 340x256 (H.264, 25 frames per second) and reads of each what a network of 4
snippets of 8 frames is shown: clip by clip in turns, then the whole folder in as many processes as
there are cores, as a run does. Memory is that of this process and of decord's, which the reader
replaces after so many files.
"""

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from dsanet_core.datasets import DECORD, PYAV
from dsanet_core.datasets.files import READERS
from dsanet_core.records import Sampling
from dsanet_core.runs.inference import available_cores
from dsanet_core.video import decord_reader, encode_h264
from dsanet_core.video.decord_child import resident_bytes

SAMPLING = Sampling(num_snippets=4, frames_per_snippet=8, frame_stride=4)
FPS, SECONDS, SIZE = 25, 10, (256, 340)
REPORTS = 8
MIB = 1 << 20


def make_clip(path: Path, seed: int) -> None:
    """A window that pans over a random texture while noise flickers."""
    rng = np.random.default_rng(seed)
    height, width = SIZE
    steps = FPS * SECONDS
    texture = rng.integers(0, 256, (height // 16 + 20, width // 16 + 20, 3), np.uint8)
    texture = cv2.resize(texture, (width + steps, height + steps), interpolation=cv2.INTER_CUBIC)
    noise = rng.integers(0, 4, (4, height, width, 1), np.uint8)
    frames = (
        np.ascontiguousarray(texture[step : step + height, step : step + width] // 2
                             + noise[step % len(noise)])
        for step in range(steps)
    )
    encode_h264(frames, fps=FPS, path=path)


def seconds_to_read(reader: str, path: Path) -> float:
    begin = time.perf_counter()
    READERS[reader](path, SAMPLING)
    return time.perf_counter() - begin


def compare_in_turns(paths: list[Path]) -> None:
    spent = dict.fromkeys(READERS, 0.0)
    for path in paths:
        for reader in READERS:
            spent[reader] += seconds_to_read(reader, path)
    print(f"{len(paths)} clips in turns: {_compared(spent)}")


def compare_in_processes(paths: list[Path]) -> None:
    spent, cores = {}, available_cores()
    for reader in READERS:
        # Each in processes of its own: what one reader has started must not slow the other.
        with ProcessPoolExecutor(cores, get_context("forkserver")) as pool:
            list(pool.map(seconds_to_read, [reader] * cores, paths))
            begin = time.perf_counter()
            list(pool.map(seconds_to_read, [reader] * len(paths), paths, chunksize=4))
            spent[reader] = time.perf_counter() - begin
    print(f"{len(paths)} clips in {cores} processes: {_compared(spent)}")


def _compared(spent: dict[str, float]) -> str:
    seconds = ", ".join(f"{reader} {seconds:.2f} s" for reader, seconds in spent.items())
    return f"{seconds}; decord is {spent[PYAV] / spent[DECORD]:.2f} times as fast"


def compare_pixels(paths: list[Path]) -> None:
    equal = left = 0
    for path in paths:
        clips = [read(path, SAMPLING) for read in READERS.values()]
        equal += np.array_equal(clips[0].frames.rgb, clips[1].frames.rgb)
        left += clips[1].frames.video != clips[0].frames.video
    print(f"pixels equal in {equal} of {len(paths)} clips, {left} left to PyAV")


def watch_memory(paths: list[Path], reads: int) -> None:
    children: set[int] = set()
    for count in range(1, reads + 1):
        READERS[DECORD](paths[count % len(paths)], SAMPLING)
        child = decord_reader.decoder.child
        if child is not None:
            children.add(child.pid)
        if count % (reads // REPORTS) == 0:
            held = 0 if child is None else child.resident_bytes
            print(f"after {count} reads: decord {held / MIB:.0f} MiB, "
                  f"this process {resident_bytes() / MIB:.0f} MiB")
    print(f"{len(children)} processes of decord, one after the other")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--reads", type=int, default=2000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        paths = [Path(scratch) / f"{index}.mp4" for index in range(wanted.clips)]
        for index, path in enumerate(paths):
            make_clip(path, index)
        print(f"{wanted.clips} clips of {sum(p.stat().st_size for p in paths) / MIB:.0f} MiB")
        compare_pixels(paths)
        compare_in_turns(paths)
        compare_in_processes(paths)
        watch_memory(paths, wanted.reads)


if __name__ == "__main__":
    main()
