"""Whole networks on one GPU: throughput, share of the ceiling, ratios, capture, and one clip."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from dsanet_core import inference
from dsanet_core.counting import complexity
from dsanet_core.hooks import capture
from dsanet_core.models.base import VideoNetwork
from tools.bench.gpu import profiling
from tools.bench.gpu.ceilings import TFLOPS, product
from tools.bench.gpu.device import Device
from tools.bench.gpu.modes import (
    BF16,
    DSANET,
    FP32,
    GRAPHED,
    MODES,
    PAIRS,
    TOLERANCE,
    Mode,
    Pair,
    build,
    clip_shape,
    difference,
    draw,
    forward_in,
    in_mode,
)
from tools.bench.table import Line, Report, Section, Wanted
from tools.bench.timing import Action, Turns

SECTION, RATIOS, CAPTURE, ONE_CLIP = "networks", "ratios", "capture", "latency"
RISE = 1.03
"""A batch is doubled as long as that makes this much more clips per second."""
ALL_MEMORY = 4.5
"""Memory of a pass in fp32 and of two recorded graphs, over that of a pass in bf16."""
EAGER_GAIN = f"{DSANET}, {BF16.name}, times as fast as fp32"
BEST_GAIN = f"{DSANET}, fastest bf16, times as fast as fp32"
EQUAL, UNEQUAL = "equal to eager", "NOT EQUAL TO EAGER"


def cost(pair: Pair, mode: Mode) -> str:
    """Name of the line of the network's time over its backbone's."""
    return f"{pair.network} over {pair.plain}, time, {mode.name}"


def plan() -> list[Section]:
    rows = [(row, pair) for pair in PAIRS for row in pair.rows]
    modes = {in_mode(row, mode): f"one clip of {' x '.join(map(str, pair.shape))}"
             for row, pair in rows for mode in MODES}
    costs = {cost(pair, mode): pair for pair in PAIRS for mode in MODES}
    return [
        Section.planned(
            SECTION, "Networks",
            "One forward of random weights in evaluation mode; times per clip, in the batch from "
            "which on doubling brings less than 3%, or memory is short. fp32: matmul precision "
            "\"highest\" and no TF32 in cuDNN. TFLOP/s: two per multiply-add of "
            "`dsanet_core.counting`; of ceiling: over the matrix product of that precision. Peak "
            "memory: of one pass, with weights and clips; of a graph, of the pass that it "
            "recorded. Compiled and graphed passes run without hook points: nothing can be "
            "captured there. Difference: norm of the difference over the norm; compiled and "
            f"graphed from bf16 autocast, where at most {TOLERANCE:g} is allowed, the others from "
            "fp32.",
            modes,
        ),
        Section.planned(
            RATIOS, "Against each other", "Ratios of the passes above, turn by turn.",
            dict.fromkeys([EAGER_GAIN, BEST_GAIN, *costs], "the passes above"),
            {EAGER_GAIN: Wanted("ratio", ">=", 4), BEST_GAIN: Wanted("ratio", ">=", 4),
             **{name: Wanted("ratio", "<=", 1.02) for name, pair in costs.items()
                if pair.network == DSANET}},
        ),
        Section.planned(
            CAPTURE, "Capture",
            "A pass under `dc.capture()` of every hook point, whose values go to the host, over "
            "one without; eager, bf16 autocast, the batch of the table above.",
            {row: "a batch, captured" for row, _ in rows},
        ),
        Section.planned(
            ONE_CLIP, "One clip",
            "A batch of one, where starting kernels from Python may take longer than running "
            "them, and a CUDA graph starts them all at once.",
            {in_mode(row, mode): f"one clip of {' x '.join(map(str, pair.shape))}"
             for row, pair in rows for mode in (BF16, GRAPHED)},
        ),
    ]


def measure(device: Device, report: Report) -> None:
    for pair in PAIRS:
        lines = [
            line for section in (SECTION, RATIOS, CAPTURE)
            for line in report.sections[section].lines if line.name.startswith(pair.rows)
        ]
        with device.attempt(pair.network, *lines):
            _measure_pair(device, report, pair)
        with device.attempt("compiler"):
            torch.compiler.reset()
        device.clear()
    with device.attempt("one clip"):
        _measure_one_clip(device, report)
    device.clear()


def _measure_pair(device: Device, report: Report, pair: Pair) -> None:
    shape = clip_shape(device, pair.shape)
    networks, macs = {}, {}
    for row in pair.rows:
        network = inference.prepare(build(device, row))
        macs[row] = complexity(network, input_shape=(1, *shape)).macs
        networks[row] = network.to(device.device)
    batch = _search_batch(device, networks[pair.network], shape, pair.max_batch)
    clips = draw(device, batch, shape)
    device.log(f"{' and '.join(pair.rows)}: batch {batch}")
    turns = _measure_modes(device, report, networks, clips, macs)
    _fill_ratios(device, report, pair, turns)
    device.clear()
    for row, network in networks.items():
        line = report.line(CAPTURE, row)
        device.log(f"{row}, captured")
        with device.attempt(f"{row}, captured", line):
            _measure_capture(device, line, network, clips)
        device.clear()


def _measure_modes(
    device: Device, report: Report, networks: Mapping[str, VideoNetwork], clips: Tensor,
    macs: Mapping[str, int],
) -> Turns:
    """Times of both networks in every mode, in turns; fills their lines."""
    actions: dict[str, Action] = {}
    failures: dict[str, str] = {}
    for row, network in networks.items():
        for mode in MODES:
            line = report.line(SECTION, in_mode(row, mode))
            device.log(line.name)
            with device.attempt(line.name, line):
                action = forward_in(device, network, clips, mode)
                action()  # compiles, or tries algorithms
                actions[line.name] = action
            if line.name not in actions:
                failures[line.name] = line.remark
    peaks: dict[str, int | None] = {}
    logits: dict[str, Tensor] = {}
    for name, action in actions.items():
        with device.attempt(name):  # a graph has taken its memory when it was recorded
            peaks[name] = device.peak_bytes(getattr(action, "run", action))
        with device.attempt(name):
            logits[name] = action().float().cpu()
    device.log("in turns")
    turns = device.in_turns(actions)
    turns = Turns(turns.seconds, {**turns.failures, **failures})
    for row, network in networks.items():
        weights = sum(tensor.nbytes for tensor in network.state_dict().values())
        for mode in MODES:
            line = report.line(SECTION, in_mode(row, mode))
            with device.attempt(line.name, line):
                _fill_mode(report, line, mode, turns.of(line.name), len(clips), macs[row])
                if (peak := peaks.get(line.name)) is not None:
                    line.more["peak GiB"] = (peak + weights + clips.nbytes) / 2**30
                _compare_logits(line, logits, row, mode)
    if DSANET in networks:
        names = [in_mode(DSANET, mode) for mode in MODES]
        if best := fastest(turns, names):
            profiling.measure(device, report, best, actions[best])
    return turns


def _fill_mode(
    report: Report, line: Line, mode: Mode, seconds: list[float], batch: int, macs: int
) -> None:
    line.fill([value / batch for value in seconds], {"batch": batch})
    assert line.median is not None
    tflops = 2 * macs / line.median / 1e12
    line.more |= {"clips/s": 1 / line.median, TFLOPS: tflops}
    if ceiling := report.line("ceilings", product(mode.precision)).more.get(TFLOPS):
        line.more["of ceiling, %"] = 100 * tflops / float(ceiling)


def _compare_logits(line: Line, logits: Mapping[str, Tensor], row: str, mode: Mode) -> None:
    """Difference from the logits that the mode has to give."""
    reference = FP32 if mode.how == "eager" else BF16
    if mode == FP32:
        return
    if not {line.name, in_mode(row, reference)} <= logits.keys():
        line.remark = "no logits to compare with"
        return
    apart = difference(logits[line.name], logits[in_mode(row, reference)])
    line.more["difference"] = apart
    if mode.how != "eager":
        line.remark = EQUAL if apart <= TOLERANCE else UNEQUAL


def fastest(turns: Turns, names: list[str]) -> str | None:
    """The variant with the least time; None if all failed."""
    measured = [name for name in names if name not in turns.failures]
    return min(measured, key=turns.median, default=None)


def _fill_ratios(device: Device, report: Report, pair: Pair, turns: Turns) -> None:
    """Lines of the ratios of a pair in every mode."""
    compared = {cost(pair, mode): (in_mode(pair.network, mode), in_mode(pair.plain, mode))
                for mode in MODES}
    if pair.network == DSANET:
        slow, eager = in_mode(DSANET, FP32), in_mode(DSANET, BF16)
        half = [in_mode(DSANET, mode) for mode in MODES if mode.precision == "bf16"]
        compared |= {EAGER_GAIN: (slow, eager), BEST_GAIN: (slow, fastest(turns, half) or eager)}
    for name, (first, second) in compared.items():
        line = report.line(RATIOS, name)
        with device.attempt(name, line):
            line.set_ratio(turns.ratios(first, second), f"{first} / {second}")
            line.remark = ""


def _measure_capture(
    device: Device, line: Line, network: VideoNetwork, clips: Tensor
) -> None:
    action = forward_in(device, network, clips, BF16)
    turns = device.in_turns({"off": action, "on": partial(_captured, action)})
    line.fill(turns.of("on"), {"points": _captured(action), "off, ms": 1e3 * turns.median("off")})
    line.set_ratio(turns.ratios("on", "off"), "captured / not captured")


def _captured(action: Action) -> int:
    """Run it with every hook point captured; their number."""
    with capture() as points:
        action()
    return len(points)


def _search_batch(device: Device, network: VideoNetwork, shape: tuple[int, ...], most: int) -> int:
    """The batch from which on doubling brings little, or memory is short for all modes. Raises
    RuntimeError where not even the smallest one fits."""
    best, best_rate, batch = 0, 0.0, 1 if device.dry else 4
    while batch <= (2 if device.dry else most):
        rate, peak = 0.0, 0
        with device.attempt(f"batch {batch}"):
            rate, peak = _try_batch(device, network, shape, batch)
        device.log(f"batch {batch}: {rate:.1f} clips/s in bf16")
        if rate < best_rate * RISE or rate == 0:
            break
        best, best_rate = batch, rate
        if peak * 2 * ALL_MEMORY > device.free_bytes():
            break
        batch *= 2
    if best == 0:
        raise RuntimeError(f"not even a batch of {batch} fits")
    return best


def _try_batch(
    device: Device, network: VideoNetwork, shape: tuple[int, ...], batch: int
) -> tuple[float, int]:
    """Clips per second in bf16, and bytes of a pass."""
    action = forward_in(device, network, draw(device, batch, shape), BF16)
    action()
    peak = device.peak_bytes(action) or 0
    action()
    seconds = min(device.sample(action, 1 if device.dry else 3) for _ in range(3))
    return batch / seconds, peak


def _measure_one_clip(device: Device, report: Report) -> None:
    section = report.sections[ONE_CLIP]
    actions: dict[str, Action] = {}
    for pair in PAIRS:
        for row in pair.rows:
            for mode in (BF16, GRAPHED):
                line = section.line(in_mode(row, mode))
                with device.attempt(line.name, line):
                    network = inference.prepare(build(device, row)).to(device.device)
                    clips = draw(device, 1, clip_shape(device, pair.shape))
                    actions[line.name] = forward_in(device, network, clips, mode)
    device.log("one clip, in turns")
    turns = device.in_turns(actions)
    for name in actions:
        line = section.line(name)
        with device.attempt(name, line):
            line.fill(turns.of(name), {"clips/s": 1 / turns.median(name)})
