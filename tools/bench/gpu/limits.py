"""What limits DSANet: the time of its kernels by kind."""

from __future__ import annotations

from functools import partial

from tools.bench.gpu.profiling import KIND_NAMES, by_kind, kernel_times, longest
from tools.bench.gpu.report import NOT_RUN, Column, Report, Section
from tools.bench.gpu.stage import Action, Failure, Stage


def plan() -> Section:
    return Section.of(
        "limits", "What limits DSANet",
        "Share of every kind of kernel in the kernel time of dsa_i3d_r50 in its fastest mode, from "
        "torch.profiler. Of kernels that a compiler made, those that reduce nothing count as "
        "elementwise, whatever normalisation or copy was fused into them.",
        [Column("share", "share", "{:.1%}"), Column("ms per pass", "ms", "{:.3f}")],
        KIND_NAMES,
    )


def measure(stage: Stage, report: Report, name: str, action: Action) -> None:
    """Fill the table from passes of the fastest mode, which is called `name`."""
    stage.say(f"what limits {name}")
    section = report.sections["limits"]
    times = stage.attempt(name, partial(kernel_times, stage, action))
    if isinstance(times, Failure):
        section.fail_rest(times.reason)
        return
    whole = sum(times.values())
    for kind, share in by_kind(times).items():
        section.lines[kind].fill(share=share, ms=share * whole)
    section.notes.append(f"Mode: {name}. The kernels that take longest, per pass:")
    section.notes.append(longest(times, 10))


def settle(report: Report) -> None:
    """Say of lines that were not reached that the network they are about was not there."""
    for line in report.sections["limits"].lines.values():
        if not line.values and line.reason == NOT_RUN:
            line.reason = "dsa_i3d_r50 was not run"
