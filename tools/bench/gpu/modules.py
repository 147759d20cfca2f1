"""DSA and SDA alone, held against the bytes that they have to move.

Byte floor, in milliseconds: bytes over the measured bandwidth of a copy. |x| is the size of the
feature in bytes, |x'| that of the leading int(beta C) channels that DSA aggregates.

- DSA into new memory: 2 |x| + |x'|. All is read and all is written, and the leading channels are
  read once more, as their average makes the kernel that the first of them needs.
- DSA in place: 3 |x'|. The other channels stay where they are. In channels_last the leading ones
  of a place are 32 bytes in a row in bf16 at res3; memory that is read in longer pieces moves more.
- SDA: 3 |x|. The gate of every place hangs on averages over all of them, so x is read once to know
  the averages and once to be multiplied, and the product is written. What is in between is a
  quarter of the channels and might be computed again; it counts for nothing.

Parameters, kernels and descriptors are thousands of times smaller and are left out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from dsanet_core.inference import prepare
from dsanet_core.inference.dsa import FastDSA
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from tools.bench.gpu.ceilings import COPY
from tools.bench.gpu.modes import difference
from tools.bench.gpu.profiling import kernel_times, longest
from tools.bench.gpu.report import Column, Line, Report, Section
from tools.bench.gpu.stage import Action, Failure, Precision, Stage, Times

Module = DSA | SDA
TARGET = 0.6
ELEMENTS = 1 << 29
"""Of a feature: 1 GiB in bf16, 2 GiB in fp32."""
SLOW_MS = 3000.0
"""A textbook form that takes longer is not repeated."""
TOLERANCE = {"fp32": 1e-3, "bf16": 3e-2, "tf32": 1e-2}


class Place(NamedTuple):
    """Where in a ResNet-50 a module stands; feature of one snippet or clip, (C, T, H, W)."""

    kind: type[DSA] | type[SDA]
    stage: str
    shape: tuple[int, int, int, int]

    @property
    def name(self) -> str:
        return f"{self.kind.__name__} in {self.stage}"


PLACES = (
    Place(DSA, "res3", (128, 4, 28, 28)),
    Place(DSA, "res4", (256, 4, 14, 14)),
    Place(SDA, "res3", (128, 8, 28, 28)),
    Place(SDA, "res4", (256, 8, 14, 14)),
)
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp32")
SNIPPETS = 4


def plan() -> Section:
    return Section.of(
        "modules", "DSA and SDA alone",
        "Evaluation and inference mode, channels_last_3d, bf16 under autocast. Floor: the bytes "
        "that must be moved (DSA into new memory: the feature twice and its leading channels once "
        "more; DSA in place: the leading channels three times; SDA: the feature three times) over "
        "the measured bandwidth of a copy. Kernel ms: all kernels of a call, from torch.profiler. "
        "Of floor: floor over kernel time, target at least 60 %; over the time between events "
        "where the profiler saw nothing. Textbook form: the plain module of "
        "dsanet_core.models, as the equations read.",
        [Column("feature", "shape"), Column("GiB", "gib", "{:.2f}"),
         Column("ms", "ms", "{:.3f}", True), Column("kernel ms", "kernel_ms", "{:.3f}"),
         Column("floor ms", "floor_ms", "{:.3f}"), Column("of floor", "of_floor", "{:.0%}"),
         Column("target", "verdict"), Column("textbook ms", "textbook_ms", "{:.3f}", True),
         Column("times faster", "times_faster", "{:.2f}")],
        [named(place, precision) for place in PLACES for precision in PRECISIONS],
    )


def named(place: Place, precision: Precision) -> str:
    return f"{place.name}, {precision}"


def measure(stage: Stage, report: Report) -> None:
    for place in PLACES:
        for precision in PRECISIONS:
            name = named(place, precision)
            stage.say(name)
            done = stage.attempt(name, partial(_one, stage, report, place, precision))
            if isinstance(done, Failure):
                report.line("modules", name).fail(done.reason)
            stage.clear()


def floor_bytes(module: Module, x: Tensor, *, in_place: bool) -> int:
    """Bytes that a forward has to move at least; see the head of this file."""
    if isinstance(module, SDA):
        return 3 * x.nbytes
    leading = x.nbytes // module.channels * module.aggregated
    return 3 * leading if in_place else 2 * x.nbytes + leading


def _one(stage: Stage, report: Report, place: Place, precision: Precision) -> None:
    line = report.line("modules", named(place, precision))
    module, plain, x = _made(stage, place, precision)
    run, book = (_call(stage, form, x, precision) for form in (module, plain))
    in_place, remark = _checked(module, x, run, book, precision)
    taken = stage.race({"module": run})["module"]
    if isinstance(taken, Failure):
        line.fail(taken.reason)
        return
    floor = floor_bytes(module, x, in_place=in_place)
    line.fill(
        ", ".join(filter(None, ["in place" if in_place else "", remark])),
        shape=" x ".join(map(str, x.shape)),
        gib=x.nbytes / 2**30,
        floor_bytes=floor,
        **taken.values("ms"),
    )
    _against_floor(stage, report, line, run, floor)
    _against_book(stage, line, run, book)


def _made(stage: Stage, place: Place, precision: Precision) -> tuple[Module, Module, Tensor]:
    """The module with random weights in its fast and its plain form, and a feature as a ReLU leaves
    it."""
    torch.manual_seed(0)
    channels, *space = (16, 2, 4, 4) if stage.dry else place.shape
    module: Module = DSA(channels, SNIPPETS) if place.kind is DSA else SDA(channels)
    per_row = channels * space[0] * space[1] * space[2]
    rows = SNIPPETS if stage.dry else -(-ELEMENTS // per_row // SNIPPETS) * SNIPPETS
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    x = torch.empty(rows, channels, *space, device=stage.device, dtype=dtype,
                    memory_format=torch.channels_last_3d)
    x.normal_().relu_()
    plain = module.eval().to(stage.device).to(memory_format=torch.channels_last_3d)
    fast = prepare(copy.deepcopy(plain))
    if isinstance(fast, FastDSA):
        fast.owns_input = True  # as in the networks, behind a normalisation
    return fast, plain, x


def _call(
    stage: Stage, module: Module, x: Tensor, precision: Precision
) -> Callable[..., Tensor]:
    """A call of the module, on x by default."""

    def run(feature: Tensor = x) -> Tensor:
        with torch.inference_mode(), stage.precision(precision):
            out: Tensor = module(feature)
        return out

    return run


def _checked(
    module: Module, x: Tensor, run: Callable[..., Tensor], book: Callable[..., Tensor],
    precision: Precision,
) -> tuple[bool, str]:
    """Whether the module writes into its input; whether a few rows equal the textbook form."""
    few = x[: 2 * SNIPPETS].clone()
    expected = book(few.clone())
    out = run(few)
    in_place = out.data_ptr() == few.data_ptr()
    apart = difference(out, expected)
    return in_place, "" if apart <= TOLERANCE[precision] else f"NOT EQUAL to textbook: {apart:.1e}"


def _against_floor(stage: Stage, report: Report, line: Line, run: Action, floor: int) -> None:
    """Kernel time, its floor, and the profile where the target is missed."""
    times = stage.attempt(f"profile of {line.name}", partial(kernel_times, stage, run, 5))
    seen = None if isinstance(times, Failure) else sum(times.values())
    if isinstance(times, Failure):
        _remark(line, times.reason)
    bandwidth = report.value("ceilings", COPY, "gb_per_s")
    line.values["kernel_ms"] = seen
    if not bandwidth:
        _remark(line, "no bandwidth to hold it against")
        return
    floor_ms = floor / bandwidth / 1e6
    reached = floor_ms / (seen or line.values["ms"])
    line.values.update(
        floor_ms=floor_ms, of_floor=reached, verdict="met" if reached >= TARGET else "missed"
    )
    if reached < TARGET and seen is not None:
        section = report.sections["modules"]
        section.notes.append(f"{line.name}, {reached:.0%} of the floor; its kernels:")
        section.notes.append(longest(times))


def _against_book(stage: Stage, line: Line, run: Action, book: Action) -> None:
    ms = stage.attempt(f"textbook form of {line.name}", partial(_second, stage, book))
    if isinstance(ms, Failure):
        _remark(line, f"textbook form: {ms.reason}")
        return
    if ms > SLOW_MS:
        line.values.update(textbook_ms=ms, textbook_ms_low=ms, textbook_ms_high=ms,
                           times_faster=ms / line.values["ms"])
        _remark(line, "textbook form timed once")
        return
    raced = stage.race({"module": run, "textbook": book})
    mine, its = raced["module"], raced["textbook"]
    if isinstance(mine, Times) and isinstance(its, Times):
        line.values.update(its.values("textbook_ms"), times_faster=its.over(mine).median)
    else:
        reasons = [x.reason for x in (mine, its) if isinstance(x, Failure)]
        _remark(line, *reasons)


def _second(stage: Stage, action: Action) -> float:
    """Milliseconds of the second call."""
    action()
    return stage.sample(action, 1)


def _remark(line: Line, *texts: str) -> None:
    line.reason = "; ".join(filter(None, [line.reason, *texts]))
