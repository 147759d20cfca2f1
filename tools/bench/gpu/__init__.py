"""The networks on one CUDA GPU: ceilings, forwards, modules, training steps, limits.

Needs Python, torch and numpy, nothing else. Every line of the report is measured or has the reason
why not; with `dry` all of it runs with tiny networks, also on a CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

from tools.bench.gpu import ceilings, modules, networks, profiling, training
from tools.bench.gpu.device import MAX_CALLS, SAMPLE_SECONDS, WARM_UP, Device
from tools.bench.gpu.modes import COMPILE_SHARE
from tools.bench.machine import describe_machine
from tools.bench.table import NOT_REACHED, Report

ABOUT = """\
Written by `make bench-gpu`; on a machine that has Python, torch and numpy and nothing else:

    python3 -m tools.bench.gpu --write docs/benchmarks_gpu.md
    python3 -m tools.bench.gpu --dry-run     # every code path, tiny networks, no results

A line that could not be measured has the reason. Times are medians of CUDA-event times after
warm-up, with the interquartile range (IQR) as the spread; variants that are compared take turns, so
that a slow moment of the machine slows all of them."""
DRY = (
    "**Dry run: tiny networks, to check that every line can be measured. No figure here is a "
    "result.**\n\n"
)


def plan(*, dry: bool = False) -> Report:
    """A report with every line and nothing measured."""
    sections = [
        ceilings.plan(), *networks.plan(), modules.plan(), training.plan(), profiling.plan()
    ]
    about = (DRY if dry else "") + ABOUT
    return Report(
        "Benchmarks on one GPU", about, {section.key: section for section in sections}, dry=dry
    )


def run_gpu_bench(
    device: Device, *, after_section: Callable[[Report], object] | None = None
) -> Report:
    """Measure on a device; on anything but a CUDA GPU only where it is a dry run.

    after_section: receives the report as it grows, so that a run that is stopped leaves something.
    """
    report = plan(dry=device.dry)
    if reason := _missing(device):
        device.log(reason)
        for line in report.lines:
            line.remark = reason
        return report
    report.machine = describe_machine(device.device if device.is_cuda else None)
    report.protocol = _protocol(device)
    tries = torch.backends.cudnn.benchmark
    if device.is_cuda:
        torch.cuda.set_device(device.device)
        torch.backends.cudnn.benchmark = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of compilers and algorithms that were tried
            for part in (ceilings, networks, modules, training):
                with device.attempt(part.__name__):
                    part.measure(device, report)
                if after_section is not None:
                    after_section(report)
    finally:
        torch.backends.cudnn.benchmark = tries
    for line in report.sections[profiling.SECTION].lines:
        if line.remark == NOT_REACHED:
            line.remark = "dsa_i3d_r50 was not run"
    device.log("done")
    return report


def _missing(device: Device) -> str:
    """The reason why nothing can be measured; empty where something can."""
    if device.dry and not device.is_cuda:
        return ""
    if not device.is_cuda:
        return f"the device is {device.device}, no CUDA GPU"
    if not torch.cuda.is_available():
        return "torch sees no CUDA GPU here"
    if (device.device.index or 0) >= torch.cuda.device_count():
        return f"there are only {torch.cuda.device_count()} CUDA GPUs here"
    return ""


def _protocol(device: Device) -> dict[str, str]:
    clock = "CUDA events" if device.is_cuda else "a plain timer"
    return {
        "times": f"{clock}; {WARM_UP} calls to warm up and one turn not counted, then "
        f"{device.repeats} samples, each of as many calls as take {SAMPLE_SECONDS * 1e3:g} ms, "
        f"{MAX_CALLS} at most",
        "order": "variants that are compared take turns, in alternating order",
        "cuDNN": "benchmark mode: the first call of a shape tries algorithms",
        "time": f"nothing is compiled after {device.budget_seconds * COMPILE_SHARE:.0f} s",
    }
