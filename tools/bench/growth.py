"""Growth of time and memory with snippets, frames, resolution, length, videos and categories."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dsanet_core.models.base import VideoNetwork
from tools.bench.clips import CLIP, CLIP_SECONDS, write_clip, write_repeated
from tools.bench.processes import DecoderPeaks, ask_module, peak_megabytes
from tools.bench.table import Line
from tools.bench.timing import in_turns

SECTION = "growth"
REPEATS = 5
ROW = "dsa_i3d_synth"
LENGTH = "seconds of video"
AXES: dict[str, tuple[int, ...]] = {
    "snippets": (4, 8, 16, 32, 64),
    "frames per snippet": (1, 2, 4, 8, 16),
    "resolution": (64, 96, 128, 192, 256),
    LENGTH: (10, 60, 300, 1200, 3600),
    "videos of a dataset": (25, 50, 100, 200),
    "categories": (10, 100, 1000, 10000),
}
"""Axis -> its values; everything else stays as the row has it."""


def measure_growth(
    repeats: int | None = None, *, axes: dict[str, tuple[int, ...]] | None = None
) -> Iterator[Line]:
    """Times of the points of an axis in turns in this process, peak memory of each in its own."""
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "clip.mp4")
        for axis, values in (axes or AXES).items():
            yield from _along(axis, values, clip, repeats or REPEATS)


def _along(axis: str, values: tuple[int, ...], clip: Path, repeats: int) -> Iterator[Line]:
    protocol = {
        LENGTH: f"frames of 8 x 4, stride 4, by read_clips; {CLIP}, repeated",
        "videos of a dataset": f"{ROW}, random weights, run over synth:seed=7, workers apart",
    }.get(axis, f"analysis by {ROW}, random weights, with other {axis}; {CLIP}")
    names = {value: f"{value} {axis}" for value in values}
    first = names[values[0]]
    with ExitStack() as stack:
        actions = {
            name: _action(axis, value, clip, stack) for value, name in names.items()
        }
        turns = in_turns(actions, repeats, warm_up=1)
    for value, name in names.items():
        over = "" if name == first else first
        yield turns.line(SECTION, name, protocol, over=over, at=(axis, value))
    for value, name in names.items():
        asked = json.dumps([axis, value, str(clip)])
        peak = float(ask_module("growth", f"print(growth.peak_of({asked!r}))"))
        holder = "the decoder's process" if axis == LENGTH else "a fresh process"
        yield Line(SECTION, f"{name}, peak memory", f"{protocol}; {holder}", peak, "MB",
                   at=(axis, value))


def peak_of(asked: str) -> float:
    """Peak memory in MB of this process after one point, of its decoder where the video's length
    grows. asked: axis, value, clip, as JSON."""
    axis, value, clip = json.loads(asked)
    with ExitStack() as stack, DecoderPeaks() as decoder:
        _action(axis, value, Path(clip), stack)()
    return decoder.megabytes if axis == LENGTH else peak_megabytes()


def _action(axis: str, value: int, clip: Path, stack: ExitStack) -> Callable[[], object]:
    """The action that is timed at one point; its files are deleted with the stack."""
    from dsanet_core.analysis import analyze
    from dsanet_core.video import read_clips
    from dsanet_core.zoo import model_spec

    if axis == LENGTH:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        path = write_repeated(clip, Path(folder) / "long.mp4", value // CLIP_SECONDS)
        return partial(read_clips, path, model_spec(ROW).protocol.sampling)
    network = _network(axis, value)
    if axis == "videos of a dataset":
        return partial(_run, network, value)
    return partial(analyze, clip, network)


def _network(axis: str, value: int) -> VideoNetwork:
    """The row, random weights, with another value on one axis."""
    from dsanet_core.inference import prepare
    from dsanet_core.zoo import build_model, model_spec

    spec = model_spec(ROW)
    protocol = spec.protocol
    changed: dict[str, Any] = {}
    if axis == "snippets":
        changed = {"sampling": replace(protocol.sampling, num_snippets=value)}
    elif axis == "frames per snippet":
        changed = {"sampling": replace(protocol.sampling, frames_per_snippet=value)}
    elif axis == "resolution":
        changed = {"crop": value, "resize": value * protocol.resize // protocol.crop}
    classes = tuple(f"class {i}" for i in range(value)) if axis == "categories" else spec.classes
    fields: dict[str, Any] = {"protocol": replace(protocol, **changed), "classes": classes}
    return prepare(build_model(replace(spec, **fields)))


def _run(network: VideoNetwork, videos: int) -> None:
    from dsanet_core.datasets import open_dataset
    from dsanet_core.runs import run_dataset

    with tempfile.TemporaryDirectory() as folder:
        run_dataset(open_dataset(f"synth:seed=7,n={videos}"), network, folder=folder)
