"""Networks against each other, and passes that are captured against those that are not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from torch import Tensor

from dsanet_core.hooks import capture
from dsanet_core.models.base import VideoNetwork
from tools.bench.gpu.modes import BF16, FP32, MODES, prepare
from tools.bench.gpu.pairs import DSANET, PAIRS, Pair, named
from tools.bench.gpu.report import Column, Report, Section
from tools.bench.gpu.stage import Action, Failure, Stage, Times

HALF = tuple(mode for mode in MODES if mode.precision == "bf16")
EAGER_GAIN = f"{DSANET}, {BF16.name}, times as fast as fp32"
BEST_GAIN = f"{DSANET}, fastest bf16, times as fast as fp32"


class Target(NamedTuple):
    """What a ratio has to be, at least or at most; nothing where no limit is set."""

    least: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        if self.least is not None:
            return f"at least {self.least:g}"
        return "" if self.most is None else f"at most {self.most:g}"

    def verdict(self, ratio: float) -> str:
        if self.least is None and self.most is None:
            return ""
        least, most = self.least, self.most
        met = (least is None or ratio >= least) and (most is None or ratio <= most)
        return "met" if met else "missed"


def slower(pair: Pair, mode: str) -> str:
    return f"{pair.network} over {pair.plain}, time, {mode}"


TARGETS = {
    EAGER_GAIN: Target(least=4),
    BEST_GAIN: Target(least=4),
    **{
        slower(pair, mode.name): Target(most=1.02 if pair.network == DSANET else None)
        for pair in PAIRS
        for mode in MODES
    },
}


def plan() -> list[Section]:
    return [
        Section.of(
            "ratios", "Against each other",
            "Ratios of the passes above, round by round.",
            [Column("ratio", "ratio", "{:.3f}", True), Column("target", "target"),
             Column("verdict", "verdict")],
            TARGETS,
        ),
        Section.of(
            "capture", "Capture",
            "A pass under `dc.capture()` of every hook point, whose values go to the host, over "
            "one that nobody listens to; eager, bf16 autocast, the batch of the table above.",
            [Column("ms off", "off_ms", "{:.2f}", True), Column("ms on", "on_ms", "{:.2f}", True),
             Column("ratio", "ratio", "{:.3f}", True), Column("points", "points")],
            [row for pair in PAIRS for row in pair.rows],
        ),
    ]


def fastest(times: Mapping[str, Times | Failure]) -> str | None:
    """The name of what took least time, None if all failed."""
    there = {name: taken.median for name, taken in times.items() if isinstance(taken, Times)}
    return min(there, key=lambda name: there[name], default=None)


def ratios(report: Report, pair: Pair, times: Mapping[str, Times | Failure]) -> None:
    """Fill the table from the times of a pair in every mode."""
    for mode in MODES:
        mine, its = (times[named(row, mode)] for row in pair.rows)
        _ratio(report, slower(pair, mode.name), mine, its)
    if pair.network != DSANET:
        return
    slow = times[named(DSANET, FP32)]
    halves = {mode.name: times[named(DSANET, mode)] for mode in HALF}
    best = fastest(halves) or BF16.name
    _ratio(report, EAGER_GAIN, slow, halves[BF16.name])
    _ratio(report, BEST_GAIN, slow, halves[best], remark=best)


def _ratio(
    report: Report, name: str, over: Times | Failure, under: Times | Failure, remark: str = ""
) -> None:
    line = report.line("ratios", name)
    if isinstance(over, Failure) or isinstance(under, Failure):
        reasons = dict.fromkeys(x.reason for x in (over, under) if isinstance(x, Failure))
        line.fail("; ".join(reasons))
        return
    values = over.over(under).values("ratio")
    target = TARGETS[name]
    line.fill(
        remark, target=str(target), verdict=target.verdict(values["ratio"]), **values
    )


def captured(
    stage: Stage, report: Report, networks: Mapping[str, VideoNetwork], clips: Tensor
) -> None:
    """Fill the table of passes with everybody listening."""
    for row, network in networks.items():
        stage.say(f"{row}, captured")
        done = stage.attempt(row, partial(_captured, stage, report, row, network, clips))
        if isinstance(done, Failure):
            report.line("capture", row).fail(done.reason)
        stage.clear()


def _captured(
    stage: Stage, report: Report, row: str, network: VideoNetwork, clips: Tensor
) -> None:
    action = prepare(stage, network, clips, BF16)
    raced = stage.race({"off": action, "on": partial(_listen, action)})
    off, on = raced["off"], raced["on"]
    line = report.line("capture", row)
    if isinstance(off, Failure) or isinstance(on, Failure):
        line.fail("; ".join(x.reason for x in (off, on) if isinstance(x, Failure)))
        return
    line.fill(
        points=_listen(action),
        **off.values("off_ms"), **on.values("on_ms"), **on.over(off).values("ratio"),
    )


def _listen(action: Action) -> int:
    """Run it with everybody listening; how many points were heard."""
    with capture() as heard:
        action()
    return len(heard)
