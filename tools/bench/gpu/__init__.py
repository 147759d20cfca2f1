"""These networks on one CUDA GPU: ceilings, forwards, modules, training steps, what limits them.

Needs Python, torch and numpy, nothing else. Every line of the report is measured or says why not;
with `dry` all of it runs with tiny networks, also on a CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from types import ModuleType

import torch

from tools.bench.gpu import (
    against,
    ceilings,
    latency,
    limits,
    machine,
    modules,
    networks,
    steps,
)
from tools.bench.gpu.report import Report
from tools.bench.gpu.stage import MAX_CALLS, SAMPLE_MS, WARM_UP, Failure, Stage

__all__ = ["Report", "Stage", "plan", "run_gpu_bench"]


def plan(*, dry: bool = False) -> Report:
    """A report with every line and nothing measured."""
    return Report.of(
        [ceilings.plan(), networks.plan(), *against.plan(), latency.plan(), modules.plan(),
         steps.plan(), limits.plan()],
        dry=dry,
    )


def run_gpu_bench(
    stage: Stage, *, after_section: Callable[[Report], object] | None = None
) -> Report:
    """Measure on the stage's device; on anything but a CUDA GPU only where it is a dry run.

    after_section: told of the report as it grows, so that a run that is stopped leaves something.
    """
    report = plan(dry=stage.dry)
    if why := _why_not(stage):
        stage.say(why)
        for section in report.sections.values():
            section.fail_rest(why)
        return report
    report.machine = machine.describe(stage)
    report.protocol = _protocol(stage)
    tries = torch.backends.cudnn.benchmark
    if stage.is_cuda:
        torch.cuda.set_device(stage.device)
        torch.backends.cudnn.benchmark = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of compilers and algorithms that were tried
            for room in (ceilings, networks, latency, modules, steps):
                _run(stage, report, room)
                if after_section is not None:
                    after_section(report)
    finally:
        torch.backends.cudnn.benchmark = tries
    limits.settle(report)
    stage.say("done")
    return report


def _run(stage: Stage, report: Report, room: ModuleType) -> None:
    """One part; what it could not get to does not keep the next one from running."""
    done = stage.attempt(room.__name__, partial(room.measure, stage, report))
    if isinstance(done, Failure):
        report.sections[room.plan().key].fail_rest(done.reason)


def _why_not(stage: Stage) -> str:
    """Why nothing can be measured here; empty where something can."""
    if stage.dry and not stage.is_cuda:
        return ""
    if not stage.is_cuda:
        return f"the device is {stage.device}, no CUDA GPU"
    if not torch.cuda.is_available():
        return "torch sees no CUDA GPU here"
    if (stage.device.index or 0) >= torch.cuda.device_count():
        return f"there are only {torch.cuda.device_count()} CUDA GPUs here"
    return ""


def _protocol(stage: Stage) -> dict[str, str]:
    clock = "CUDA events" if stage.is_cuda else "a plain timer"
    return {
        "times": f"{clock}; {WARM_UP} calls to warm up, then {stage.repeats} samples, each of as "
        f"many calls as take {SAMPLE_MS:g} ms, {MAX_CALLS} at most; median (quartiles)",
        "order": "what is compared takes turns, sample by sample",
        "cuDNN": "benchmark mode: the first call of a shape tries algorithms",
        "time": f"nothing is compiled after {stage.budget_seconds * 0.6:.0f} s",
    }
