"""A single clip, as an app shows it to a network: what a large batch hides."""

from __future__ import annotations

from functools import partial

from dsanet_core import inference
from tools.bench.gpu.modes import BF16, GRAPHED, Mode, prepare
from tools.bench.gpu.pairs import PAIRS, Pair, build, clip_shape, draw, named
from tools.bench.gpu.report import Column, Report, Section
from tools.bench.gpu.stage import Action, Failure, Stage

MODES = (BF16, GRAPHED)


def plan() -> Section:
    return Section.of(
        "latency", "One clip",
        "A batch of one, where starting kernels from Python may take longer than running them, "
        "and a CUDA graph starts them all at once.",
        [Column("ms", "ms", "{:.3f}", True), Column("clips/s", "clips_per_s", "{:.1f}")],
        [named(row, mode) for pair in PAIRS for row in pair.rows for mode in MODES],
    )


def measure(stage: Stage, report: Report) -> None:
    actions: dict[str, Action] = {}
    for pair in PAIRS:
        for row in pair.rows:
            for mode in MODES:
                name = named(row, mode)
                made = stage.attempt(name, partial(_made, stage, pair, row, mode))
                if isinstance(made, Failure):
                    report.line("latency", name).fail(made.reason)
                else:
                    actions[name] = made
    stage.say("one clip, in turns")
    for name, taken in stage.race(actions).items():
        line = report.line("latency", name)
        if isinstance(taken, Failure):
            line.fail(taken.reason)
        else:
            line.fill(clips_per_s=1e3 / taken.median, **taken.values("ms"))


def _made(stage: Stage, pair: Pair, row: str, mode: Mode) -> Action:
    network = inference.prepare(build(stage, row)).to(stage.device)
    return prepare(stage, network, draw(stage, 1, clip_shape(stage, pair.shape)), mode)
