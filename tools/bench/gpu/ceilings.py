"""Ceilings of this GPU: matrix products of each precision, and copies."""

from __future__ import annotations

import torch

from tools.bench.gpu.device import PRECISIONS, Device, Precision
from tools.bench.machine import state_under_load
from tools.bench.table import Report, Section
from tools.bench.timing import Action

SECTION = "ceilings"
COPY = "copy, device to device"
TFLOPS, GB = "TFLOP/s", "GB/s"
SIZES: dict[Precision, tuple[int, ...]] = {
    "bf16": (4096, 8192, 16384), "tf32": (4096, 8192, 16384), "fp32": (4096, 8192),
}
COPY_BYTES = 2 << 30


def product(precision: Precision) -> str:
    return f"matrix product, {precision}"


def plan() -> Section:
    return Section.planned(
        SECTION, "Ceilings",
        "The other tables compare with these figures, not with a data sheet. GB/s: bytes read and "
        "written.",
        {**{product(precision): "square, normally distributed, the fastest of several sizes"
            for precision in PRECISIONS},
         COPY: "a large tensor"},
    )


def measure(device: Device, report: Report) -> None:
    for precision in PRECISIONS:
        device.log(product(precision))
        sizes = (32,) if device.dry else SIZES[precision]
        _products(device, report, precision, sizes)
    device.log(COPY)
    line = report.line(SECTION, COPY)
    with device.attempt(COPY, line):
        count = (1 << 12) if device.dry else COPY_BYTES
        source = torch.ones(count, dtype=torch.uint8, device=device.device)
        target = torch.empty_like(source)
        turns = device.in_turns({COPY: lambda: target.copy_(source)})
        rate = 2 * count / turns.median(COPY) / 1e9
        line.fill(turns.of(COPY), {"size": f"{count / 2**30:.3g} GiB", GB: rate})
    device.clear()


def _products(
    device: Device, report: Report, precision: Precision, sizes: tuple[int, ...]
) -> None:
    line = report.line(SECTION, product(precision))
    for size in sizes:
        with device.attempt(f"{line.name}, {size}", line):
            work = _product(device, precision, size)
            turns = device.in_turns({line.name: work})
            seconds = turns.median(line.name)
            tflops = 2 * size**3 / seconds / 1e12
            if tflops > float(line.more.get(TFLOPS, 0.0)):
                line.fill(turns.of(line.name), {"size": f"{size} x {size}", TFLOPS: tflops})
            if precision == "bf16" and size == sizes[-1] and device.is_cuda:
                report.machine["under load"] = state_under_load(device.device, work, seconds)


def _product(device: Device, precision: Precision, size: int) -> Action:
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(size, size, device=device.device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)

    def work() -> None:
        with device.precision("fp32" if precision == "fp32" else "tf32"):
            torch.mm(a, b, out=out)

    return work
