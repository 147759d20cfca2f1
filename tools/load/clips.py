"""Videos for visitors, and what the networks must say of them, found in this process."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dsanet_core import analyze, attribute, figures, load_model
from dsanet_core.figures.attribution import importance
from dsanet_core.records import Analysis
from dsanet_core.synthetic import CATEGORIES, FPS, make_video
from dsanet_core.video import encode_h264

MODELS = (
    "dsa_i3d_synth", "i3d_synth", "sda_tsn_synth", "tsm_synth", "sda_tsm_synth", "dsa_tsm_synth",
)
SIZES = ((120, 160, 1), (240, 320, 2), (360, 480, 1))
"""Height, width, and of how many videos of the benchmark, one after the other."""
TOLERANCE = 1e-3
"""Absolute, for numbers of figures: another process may add up in another order."""
SEED = 31


@dataclass(frozen=True)
class Clip:
    """A video with a content of its own. number: of the content; sha256: of its bytes."""

    number: int
    name: str
    bytes: bytes
    path: Path

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.bytes).hexdigest()

    def again(self, name: str, salt: int) -> Clip:
        """The same pictures in a file of other bytes, so that no cache knows it: a box that every
        reader of MP4 skips is added at the end."""
        box = b"free" + salt.to_bytes(16, "big")
        extra = (len(box) + 4).to_bytes(4, "big") + box
        return Clip(self.number, name, self.bytes + extra, self.path)

    def damaged(self, name: str, salt: int) -> Clip:
        """Half of the file, some of its bytes turned over."""
        data = bytearray(self.bytes[: len(self.bytes) // 2])
        random = np.random.default_rng(salt)
        for place in random.integers(0, len(data), 64):
            data[place] ^= 1 << int(random.integers(8))
        return Clip(self.number, name, bytes(data), self.path)


def make_clips(folder: Path, count: int) -> list[Clip]:
    """Clips of different contents and sizes; the same count makes the same ones."""
    clips = []
    for number in range(count):
        height, width, parts = SIZES[number % len(SIZES)]
        labels = [(7 * number + 11 * part) % len(CATEGORIES) for part in range(parts)]
        frames = itertools.chain.from_iterable(
            make_video(SEED + number, label, size=(height, width)).rgb for label in labels
        )
        path = folder / f"{number}.mp4"
        encode_h264(frames, fps=FPS, path=path)
        clips.append(Clip(number, path.name, path.read_bytes(), path))
    return clips


class ExpectedFigures:
    """Figures that every page must show of a clip, computed with the core alone, each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._analysis = cache(lambda path, model: analyze(path, self._network(model)))
        self._network = cache(lambda model: load_model(model, "cpu"))
        self._figures = cache(self._make_figures)

    def analysis(self, clip: Clip, model: str) -> Analysis:
        with self._lock:
            found: Analysis = self._analysis(clip.path, model)
            return found

    def figures(self, clip: Clip, page: str, models: tuple[str, ...]) -> dict[str, Any]:
        """Values of the figures of a page, by their descriptions; {} for a page that has none for
        these models."""
        with self._lock:
            found: dict[str, Any] = self._figures(clip.path, page, models)
            return found

    def _make_figures(self, path: Path, page: str, models: tuple[str, ...]) -> dict[str, Any]:
        first = self._analysis(path, models[0])
        made: dict[str, go.Figure] = {}
        if page == "":
            made["Bars: the five most probable categories"] = figures.top_bars(first, 5)
        elif page == "compare":
            second = self._analysis(path, models[1])
            made["Differences of probability"] = figures.disagreement(first, second)
        elif page == "kernels" and first.kernels:
            made["Weights: taps by channels"] = figures.kernel_heatmap(first.kernels[0], 0)
        elif page == "dependencies" and first.selections:
            weights = figures.dependency_weights(first, 0)
            made["Weight of every dependency in each block, stacked and centred"] = weights
        elif page == "explain":
            found = attribute(path, self._network(models[0]), "grad_cam")
            shares = found.per_snippet
            span = float(shares.min()), float(shares.max())
            alt = f"Share of every snippet in the logit, {models[0]}"
            made[alt] = importance(first, found, span=span)
        return {alt: plotted_values(figure.to_json()) for alt, figure in made.items()}

    def are_distinct(self, clips: list[Clip]) -> bool:
        """True where the figures of any two clips differ, for every page and model: only then is a
        result of another clip detected."""
        for page, model in itertools.product(("", "kernels", "dependencies"), MODELS):
            shown = [self.figures(clip, page, (model,)) for clip in clips]
            if any(shown) and any(same(a, b) for a, b in itertools.combinations(shown, 2)):
                return False
        return True


def plotted_values(spec: str) -> list[list[Any]]:
    """Numbers and names that a figure of this JSON draws, trace by trace."""
    traces = json.loads(spec)["data"]
    parts = ("x", "y", "z", "customdata", "name")
    return [[trace_part for part in parts for trace_part in _flat(trace.get(part))]
            for trace in traces]


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict) and "bdata" in value:
        yield from np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).tolist()
    elif isinstance(value, list):
        for item in value:
            yield from _flat(item)
    elif value is not None:
        yield value


def same(a: Any, b: Any) -> bool:
    """True where two results of `plotted_values` (or dicts of them) are equal, numbers to
    `TOLERANCE`."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) <= TOLERANCE
    return bool(a == b)
