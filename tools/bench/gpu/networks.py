"""Whole networks on one GPU: how fast, how near the ceiling, and against each other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from dsanet_core import inference
from dsanet_core.counting import complexity
from dsanet_core.models.base import VideoNetwork
from tools.bench.gpu import against, limits
from tools.bench.gpu.ceilings import product
from tools.bench.gpu.modes import (
    BF16,
    FP32,
    MODES,
    TOLERANCE,
    Mode,
    difference,
    hooks_are_guarded,
    prepare,
)
from tools.bench.gpu.pairs import DSANET, PAIRS, Pair, build, clip_shape, draw, named
from tools.bench.gpu.report import NOT_RUN, Column, Line, Report, Section
from tools.bench.gpu.stage import Action, Failure, Stage, Times

RISE = 1.03
"""A batch is doubled as long as that makes this much more clips per second."""
ALL_MEMORY = 4.5
"""Memory of a pass in fp32 and of two recorded graphs, over that of a pass in bf16."""


def plan() -> Section:
    return Section.of(
        "networks", "Networks",
        "One forward of random weights in evaluation mode, 224 x 224; clips of 4 snippets of 4 "
        "frames (I3D) or 8 frames (TSN); the batch from which on doubling brings less than 3 %, "
        "or memory is short. fp32: matmul precision \"highest\" and no TF32 in cuDNN. TFLOP/s: "
        "two per multiply-add of `dsanet_core.counting`; of ceiling: over the matrix product of "
        "that precision. Peak memory: of one pass, with weights and clips; of a graph, of the "
        "pass that it recorded. Compiled and graphed passes run without hook points: nothing can "
        "be captured there. Difference: norm of the difference over the norm; compiled and "
        f"graphed from bf16 autocast, where at most {TOLERANCE:g} is allowed, the others from "
        "fp32.",
        [Column("batch", "batch"), Column("ms per clip", "ms_per_clip", "{:.3f}", True),
         Column("clips/s", "clips_per_s", "{:.1f}"), Column("TFLOP/s", "tflops", "{:.1f}"),
         Column("of ceiling", "of_ceiling", "{:.0%}"),
         Column("peak GiB", "peak_gib", "{:.2f}"),
         Column("difference", "difference", "{:.1e}")],
        [named(row, mode) for pair in PAIRS for row in pair.rows for mode in MODES],
    )


def measure(stage: Stage, report: Report) -> None:
    for pair in PAIRS:
        with hooks_are_guarded():
            done = stage.attempt(pair.network, partial(_pair, stage, report, pair))
        if isinstance(done, Failure):
            _give_up(report, pair, done.reason)
        stage.clear()


def _give_up(report: Report, pair: Pair, reason: str) -> None:
    """Say of every line of a pair that is still empty why."""
    for section in ("networks", "ratios", "capture"):
        for line in report.sections[section].lines.values():
            if line.name.startswith(pair.rows) and line.reason == NOT_RUN:
                line.fail(reason)


def _pair(stage: Stage, report: Report, pair: Pair) -> None:
    shape = clip_shape(stage, pair.shape)
    networks, macs = {}, {}
    for row in pair.rows:
        network = inference.prepare(build(stage, row))
        macs[row] = complexity(network, input_shape=(1, *shape)).macs
        networks[row] = network.to(stage.device)
    batch = _search(stage, networks[pair.network], shape, 2 if stage.dry else pair.max_batch)
    clips = draw(stage, batch, shape)
    stage.say(f"{' and '.join(pair.rows)}: batch {batch}")
    times = _modes(stage, report, networks, clips, macs)
    against.ratios(report, pair, times)
    stage.clear()
    against.captured(stage, report, networks, clips)


def _modes(
    stage: Stage, report: Report, networks: Mapping[str, VideoNetwork], clips: Tensor,
    macs: Mapping[str, int],
) -> dict[str, Times | Failure]:
    """Times of both networks in every mode, in turns; fills their lines."""
    actions, failed = _prepared(stage, networks, clips)
    peaks = _peaks(stage, actions)
    stage.say("in turns")
    times = {**stage.race({name: action for name, (action, _) in actions.items()}), **failed}
    answers = _answers(stage, actions)
    for row, network in networks.items():
        for mode in MODES:
            name = named(row, mode)
            peak = peaks.get(name)
            if peak is not None:
                peak += _bytes(network) + clips.nbytes
            _fill(report, name, mode, times[name], batch=len(clips), macs=macs[row], peak=peak)
            if isinstance(times[name], Times):
                _compare(report.line("networks", name), answers, row, mode)
    if DSANET in networks:
        best = against.fastest({named(DSANET, mode): times[named(DSANET, mode)] for mode in MODES})
        if best is not None:
            limits.measure(stage, report, best, actions[best][0])
    return times


def _fill(
    report: Report, name: str, mode: Mode, taken: Times | Failure, *, batch: int, macs: int,
    peak: int | None,
) -> None:
    line = report.line("networks", name)
    if isinstance(taken, Failure):
        line.fail(taken.reason)
        return
    ceiling = report.value("ceilings", product(mode.precision), "tflops")
    tflops = 2 * macs * batch / taken.median / 1e9
    line.fill(
        batch=batch,
        clips_per_s=batch / taken.median * 1e3,
        tflops=tflops,
        of_ceiling=tflops / ceiling if ceiling else None,
        peak_gib=None if peak is None else peak / 2**30,
        **taken.values("ms_per_clip", 1 / batch),
    )


def _on_host(action: Action) -> Tensor:
    answers: Tensor = action().float().cpu()
    return answers


def _compare(line: Line, answers: Mapping[str, Tensor], row: str, mode: Mode) -> None:
    """How far the answers of a mode are from what they have to be."""
    reference = FP32 if mode.how == "eager" else BF16
    if mode == FP32:
        return
    if not {named(row, mode), named(row, reference)} <= answers.keys():
        line.reason = "nothing to compare its answers with"
        return
    apart = difference(answers[named(row, mode)], answers[named(row, reference)])
    line.values["difference"] = apart
    if mode.how != "eager":
        line.reason = "equal to eager" if apart <= TOLERANCE else "NOT EQUAL TO EAGER"


def _search(stage: Stage, network: VideoNetwork, shape: tuple[int, ...], limit: int) -> int:
    """The batch from which on doubling brings little, or memory is short for all modes."""
    best, best_rate, batch = 0, 0.0, 1 if stage.dry else 4
    while batch <= limit:
        tried = stage.attempt(f"batch {batch}", partial(_try, stage, network, shape, batch))
        if isinstance(tried, Failure):
            if best == 0:
                raise RuntimeError(f"not even a batch of {batch}: {tried.reason}")
            break
        rate, peak = tried
        stage.say(f"batch {batch}: {rate:.1f} clips/s in bf16")
        if rate < best_rate * RISE:
            break
        best, best_rate = batch, rate
        if peak * 2 * ALL_MEMORY > stage.free_bytes():
            break
        batch *= 2
    return best


def _try(
    stage: Stage, network: VideoNetwork, shape: tuple[int, ...], batch: int
) -> tuple[float, int]:
    """Clips per second in bf16, and bytes of a pass."""
    action = prepare(stage, network, draw(stage, batch, shape), BF16)
    action()
    peak = stage.peak_bytes(action) or 0
    action()
    ms = min(stage.sample(action, 1 if stage.dry else 3) for _ in range(3))
    return batch / ms * 1e3, peak


def _prepared(
    stage: Stage, networks: Mapping[str, VideoNetwork], clips: Tensor
) -> tuple[dict[str, tuple[Action, Mode]], dict[str, Failure]]:
    """The call of every network in every mode, run once; or why it cannot be run."""
    actions, failed = {}, {}
    for row, network in networks.items():
        for mode in MODES:
            name = named(row, mode)
            stage.say(name)
            action = stage.attempt(name, partial(_first, stage, network, clips, mode))
            if isinstance(action, Failure):
                failed[name] = action
            else:
                actions[name] = action, mode
    return actions, failed


def _first(stage: Stage, network: VideoNetwork, clips: Tensor, mode: Mode) -> Action:
    """The call of a mode, after its first, in which it is compiled or algorithms are tried."""
    action = prepare(stage, network, clips, mode)
    action()
    return action


def _peaks(stage: Stage, actions: Mapping[str, tuple[Action, Mode]]) -> dict[str, int | None]:
    """Memory of one pass; a graph has taken its own when it was recorded."""
    peaks = {}
    for name, (action, mode) in actions.items():
        run = getattr(action, "run", action) if mode.how == "graphed" else action
        peak = stage.attempt(name, partial(stage.peak_bytes, run))
        peaks[name] = None if isinstance(peak, Failure) else peak
    return peaks


def _answers(stage: Stage, actions: Mapping[str, tuple[Action, Mode]]) -> dict[str, Tensor]:
    found = {}
    for name, (action, _) in actions.items():
        answers = stage.attempt(name, partial(_on_host, action))
        if not isinstance(answers, Failure):
            found[name] = answers
    return found


def _apart(answers: Mapping[str, Tensor], row: str, mode: Mode) -> tuple[float | None, str]:
    """How far the answers of a mode are from what they have to be, and a word on it."""
    reference = FP32 if mode.how == "eager" else BF16
    if mode == FP32 or not {named(row, mode), named(row, reference)} <= answers.keys():
        return None, "" if mode == FP32 else "nothing to compare its answers with"
    apart = difference(answers[named(row, mode)], answers[named(row, reference)])
    if mode.how == "eager":
        return apart, ""
    return apart, "equal to eager" if apart <= TOLERANCE else "NOT EQUAL TO EAGER"


def _bytes(network: VideoNetwork) -> int:
    return sum(tensor.nbytes for tensor in network.state_dict().values())
