"""What this GPU gives at best: matrix products of each precision, and copies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from tools.bench.gpu.machine import under_load
from tools.bench.gpu.report import Column, Report, Section
from tools.bench.gpu.stage import Action, Failure, Precision, Stage, Times

COPY = "copy, device to device"
PRECISIONS: tuple[Precision, ...] = ("bf16", "tf32", "fp32")
SIZES: dict[Precision, tuple[int, ...]] = {
    "bf16": (4096, 8192, 16384), "tf32": (4096, 8192, 16384), "fp32": (4096, 8192),
}
COPY_BYTES = 2 << 30


def product(precision: Precision) -> str:
    return f"matrix product, {precision}"


def plan() -> Section:
    return Section.of(
        "ceilings", "Ceilings",
        "Square products of normally distributed matrices, the fastest of several sizes; a copy of "
        "a large tensor, what is read and what is written counted. The other tables are held "
        "against these, not against a data sheet.",
        [Column("size", "size"), Column("ms", "ms", "{:.3f}", True),
         Column("TFLOP/s", "tflops", "{:.1f}"), Column("GB/s", "gb_per_s", "{:.0f}")],
        [*map(product, PRECISIONS), COPY],
    )


def measure(stage: Stage, report: Report) -> None:
    for precision in PRECISIONS:
        stage.say(product(precision))
        sizes = (32,) if stage.dry else SIZES[precision]
        _products(stage, report, precision, sizes)
    stage.say(COPY)
    _copy(stage, report)
    stage.clear()


def _products(
    stage: Stage, report: Report, precision: Precision, sizes: tuple[int, ...]
) -> None:
    line = report.line("ceilings", product(precision))
    for size in sizes:
        work = stage.attempt(line.name, partial(_product, stage, precision, size))
        times = work if isinstance(work, Failure) else stage.race({line.name: work})[line.name]
        if isinstance(times, Failure):
            if not line.values:
                line.reason = times.reason
            continue
        tflops = 2 * size**3 / times.median / 1e9
        if tflops > line.values.get("tflops", 0.0):
            line.fill(size=f"{size} x {size}", tflops=tflops, **times.values("ms"))
        if precision == "bf16" and size == sizes[-1] and stage.is_cuda:
            load = stage.attempt("clocks", partial(under_load, stage, work, times.median))
            if not isinstance(load, Failure):
                report.machine["under load"] = load


def _product(stage: Stage, precision: Precision, size: int) -> Action:
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(size, size, device=stage.device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)

    def work() -> None:
        kept = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
        try:
            torch.mm(a, b, out=out)
        finally:
            torch.set_float32_matmul_precision(kept)

    return work


def _copy(stage: Stage, report: Report) -> None:
    line = report.line("ceilings", COPY)
    count = (1 << 12) if stage.dry else COPY_BYTES

    def prepare() -> Callable[[], object]:
        source = torch.ones(count, dtype=torch.uint8, device=stage.device)
        target = torch.empty_like(source)
        return lambda: target.copy_(source)

    work = stage.attempt(COPY, prepare)
    times = work if isinstance(work, Failure) else stage.race({COPY: work})[COPY]
    if isinstance(times, Times):
        line.fill(
            size=f"{count / 2**30:.3g} GiB",
            gb_per_s=2 * count / times.median / 1e6,
            **times.values("ms"),
        )
    else:
        line.fail(times.reason)
