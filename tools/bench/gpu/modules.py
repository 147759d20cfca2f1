"""DSA and SDA alone, compared with the bytes that they have to move.

Byte floor: bytes over the measured bandwidth of a copy. |x| is the size of the feature in bytes,
|x'| that of the leading int(beta C) channels that DSA aggregates.

- DSA into new memory: 2 |x| + |x'|. All is read and all is written, and the leading channels are
  read once more, as their average makes the kernel that the first of them needs.
- DSA in place: 3 |x'|. The other channels stay where they are. In channels_last the leading ones
  of a place are 32 bytes in a row in bf16 at res3; memory that is read in longer pieces moves more.
- SDA: 3 |x|. The gate of every place depends on averages over all of them, so x is read once for
  the averages and once to be multiplied, and the product is written. The features between are a
  quarter of the channels and might be computed again; they count for nothing.

Parameters, kernels and descriptors are thousands of times smaller and are left out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dsanet_core.inference import prepare
from dsanet_core.inference.dsa import FastDSA
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from tools.bench.gpu.ceilings import COPY, GB
from tools.bench.gpu.ceilings import SECTION as CEILINGS
from tools.bench.gpu.device import Device, Precision
from tools.bench.gpu.modes import difference
from tools.bench.gpu.profiling import kernel_times, longest
from tools.bench.table import Line, Report, Section, Wanted

Module = DSA | SDA
Call = Callable[..., Tensor]
SECTION = "modules"
OF_FLOOR = "of floor, %"
TARGET = Wanted(OF_FLOOR, ">=", 60)
ELEMENTS = 1 << 29
"""Of a feature: 1 GiB in bf16, 2 GiB in fp32."""
SLOW_SECONDS = 3.0
"""A plain form that takes longer is not repeated."""
TOLERANCE = {"fp32": 1e-3, "bf16": 3e-2, "tf32": 1e-2}


class Place(NamedTuple):
    """The place of a module in a ResNet-50; feature of one snippet or clip, (C, T, H, W)."""

    kind: type[DSA] | type[SDA]
    stage: str
    shape: tuple[int, int, int, int]

    def line(self, precision: Precision) -> str:
        return f"{self.kind.__name__} in {self.stage}, {precision}"


PLACES = (
    Place(DSA, "res3", (128, 4, 28, 28)),
    Place(DSA, "res4", (256, 4, 14, 14)),
    Place(SDA, "res3", (128, 8, 28, 28)),
    Place(SDA, "res4", (256, 8, 14, 14)),
)
HALF_AND_FULL: tuple[Precision, ...] = ("bf16", "fp32")
SNIPPETS = 4


def plan() -> Section:
    names = [place.line(precision) for place in PLACES for precision in HALF_AND_FULL]
    return Section.planned(
        SECTION, "DSA and SDA alone",
        "Evaluation and inference mode, channels_last_3d, bf16 under autocast. Floor: the bytes "
        "that must be moved (DSA into new memory: the feature twice and its leading channels once "
        "more; DSA in place: the leading channels three times; SDA: the feature three times) over "
        "the measured bandwidth of a copy. Kernel ms: all kernels of a call, from torch.profiler. "
        "Of floor: floor over kernel time; over the time between events where the profiler saw "
        "nothing. Plain form: the module of dsanet_core.models, as the equations read.",
        dict.fromkeys(names, "one forward"), dict.fromkeys(names, TARGET),
    )


def measure(device: Device, report: Report) -> None:
    for place in PLACES:
        for precision in HALF_AND_FULL:
            line = report.line(SECTION, place.line(precision))
            device.log(line.name)
            with device.attempt(line.name, line):
                _measure_place(device, report, line, place, precision)
            device.clear()


def floor_bytes(module: Module, x: Tensor, *, in_place: bool) -> int:
    """Bytes that a forward has to move at least; see the head of this file."""
    if isinstance(module, SDA):
        return 3 * x.nbytes
    leading = x.nbytes // module.channels * module.aggregated
    return 3 * leading if in_place else 2 * x.nbytes + leading


def _measure_place(
    device: Device, report: Report, line: Line, place: Place, precision: Precision
) -> None:
    module, plain_module, x = _build(device, place, precision)
    run, plain = (_call(device, form, x, precision) for form in (module, plain_module))
    few = x[: 2 * SNIPPETS].clone()
    expected = plain(few.clone())
    out = run(few)
    in_place = out.data_ptr() == few.data_ptr()
    apart = difference(out, expected)
    remarks = ["in place"] if in_place else []
    if apart > TOLERANCE[precision]:
        remarks.append(f"NOT EQUAL to the plain form: {apart:.1e}")
    line.fill(device.in_turns({"module": run}).of("module"), remark=", ".join(remarks))
    line.more |= {"feature": " x ".join(map(str, x.shape)), "GiB": x.nbytes / 2**30}
    _compare_with_floor(device, report, line, run, floor_bytes(module, x, in_place=in_place))
    with device.attempt("plain form", line):
        _compare_with_plain(device, line, run, plain)


def _build(device: Device, place: Place, precision: Precision) -> tuple[Module, Module, Tensor]:
    """The module with random weights in its fast and its plain form, and a feature as a ReLU leaves
    it."""
    torch.manual_seed(0)
    channels, *space = (16, 2, 4, 4) if device.dry else place.shape
    module: Module = DSA(channels, SNIPPETS) if place.kind is DSA else SDA(channels)
    per_row = channels * space[0] * space[1] * space[2]
    rows = SNIPPETS if device.dry else -(-ELEMENTS // per_row // SNIPPETS) * SNIPPETS
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    x = torch.empty(rows, channels, *space, device=device.device, dtype=dtype,
                    memory_format=torch.channels_last_3d)
    x.normal_().relu_()
    plain = module.eval().to(device.device).to(memory_format=torch.channels_last_3d)
    fast = prepare(copy.deepcopy(plain))
    if isinstance(fast, FastDSA):
        fast.owns_input = True  # as in the networks, behind a normalisation
    return fast, plain, x


def _call(device: Device, module: Module, x: Tensor, precision: Precision) -> Call:
    """A call of the module, on x by default."""

    def run(feature: Tensor = x) -> Tensor:
        with torch.inference_mode(), device.precision(precision):
            out: Tensor = module(feature)
        return out

    return run


def _compare_with_floor(
    device: Device, report: Report, line: Line, run: Call, floor: int
) -> None:
    """Kernel time, its floor, and the profile where the target is missed."""
    times: dict[str, float] = {}
    with device.attempt("profile", line):
        times = kernel_times(device, run, 5)
        line.more["kernel ms"] = sum(times.values())
    bandwidth = report.line(CEILINGS, COPY).more.get(GB)
    if not bandwidth:
        line.add_remark("no bandwidth to compare with")
        return
    assert line.median is not None
    floor_ms = floor / float(bandwidth) / 1e6
    reached = 100 * floor_ms / (sum(times.values()) or 1e3 * line.median)
    line.more |= {"floor ms": floor_ms, OF_FLOOR: reached}
    if times and not TARGET.is_met(reached):
        notes = report.sections[SECTION].notes
        notes += [f"{line.name}, {reached:.0f}% of the floor; its kernels:", longest(times)]


def _compare_with_plain(device: Device, line: Line, run: Call, plain: Call) -> None:
    plain()
    seconds = device.sample(plain, 1)
    ratio_of = "plain form / module"
    if seconds > SLOW_SECONDS:
        assert line.median is not None
        line.more["plain ms"] = 1e3 * seconds
        line.set_ratio([seconds / line.median], ratio_of)
        line.add_remark("plain form timed once")
        return
    turns = device.in_turns({"module": run, "plain": plain})
    line.more["plain ms"] = 1e3 * turns.median("plain")
    line.set_ratio(turns.ratios("plain", "module"), ratio_of)
