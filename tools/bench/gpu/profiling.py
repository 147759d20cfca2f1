"""Kernels of an action: their times and kinds, and the share of each kind in DSANet's time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from torch.profiler import ProfilerActivity, profile

from tools.bench.gpu.device import Device
from tools.bench.table import Report, Section
from tools.bench.timing import Action

SECTION = "limits"
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("convolution and matmul", ("triton_tem", "triton_mm")),
    ("pooling and reduction", ("triton_red", "triton_per")),
    ("elementwise", ("triton_",)),
    ("copies", ("memcpy", "memset", "copy", "catarray", "::cat", "nchw", "tonhwc", "transpose",
                "converttensor", "aten::contiguous", "aten::fill_", "fillfunctor")),
    ("normalisation", ("batch_norm", "batchnorm", "bn_fw", "bn_bw", "welford", "layer_norm")),
    ("pooling and reduction", ("pool", "reduce", "softmax", "aten::mean", "aten::sum")),
    ("convolution and matmul", ("conv", "gemm", "gemv", "xmma", "cutlass", "nvjet", "fprop",
                                "dgrad", "wgrad", "winograd", "cublas", "cudnn", "splitk",
                                "aten::mm", "aten::addmm", "aten::bmm", "aten::matmul",
                                "aten::linear", "sm80_", "sm90_")),
    ("elementwise", ("elementwise", "multi_tensor", "aten::", "vectorized")),
)
"""Kind and parts of kernel names; the first match decides. Triton's names list the fused operations
and are matched by their own prefix."""
OTHER = "other"
KIND_NAMES = (*dict.fromkeys(kind for kind, _ in KINDS), OTHER)

_NO_KERNELS = ("##", "Torch-Compiled", "ProfilerStep", "Optimizer.", "Context Sync", "Stream Sync",
               "Event Sync", "Stream Wait")


def plan() -> Section:
    return Section.planned(
        SECTION, "What limits DSANet",
        "Share of every kind of kernel in the kernel time of dsa_i3d_r50 in its fastest mode, from "
        "torch.profiler. Of kernels that a compiler made, those that reduce nothing count as "
        "elementwise, whatever normalisation or copy was fused into them.",
        dict.fromkeys(KIND_NAMES, "kernels per pass"),
    )


def measure(device: Device, report: Report, name: str, action: Action) -> None:
    """Fill the table from passes of the fastest mode, which is called `name`."""
    device.log(f"kernels of {name}")
    section = report.sections[SECTION]
    with device.attempt(name, *section.lines):
        times = kernel_times(device, action)
        total = sum(times.values())
        for kind, share in by_kind(times).items():
            section.line(kind).fill([share * total / 1e3], {"share, %": 100 * share})
        section.notes.append(f"Mode: {name}. The kernels that take longest, per pass:")
        section.notes.append(longest(times, 10))


def kind_of(name: str) -> str:
    """The kind of a kernel, a key of `KIND_NAMES`."""
    lower = name.lower()
    for kind, parts in KINDS:
        if any(part in lower for part in parts):
            return kind
    return OTHER


def kernel_times(device: Device, action: Action, calls: int = 3) -> dict[str, float]:
    """Milliseconds per call by kernel, the longest first; on a CPU by operator.

    Raises RuntimeError if the profiler saw none, as in a container that forbids it."""
    activities = [ProfilerActivity.CPU]
    if device.is_cuda:
        activities.append(ProfilerActivity.CUDA)
    action()
    device.sync()
    with profile(activities=activities) as seen:
        for _ in range(calls):
            action()
        device.sync()
    spent: dict[str, float] = defaultdict(float)
    for event in seen.events() or ():
        if event.name.startswith(_NO_KERNELS) or getattr(event, "is_user_annotation", False):
            continue
        on_gpu = event.device_type.name != "CPU"
        if device.is_cuda and on_gpu:
            spent[event.name] += event.time_range.elapsed_us() / 1e3 / calls
        elif not device.is_cuda and event.name.startswith("aten::"):
            spent[event.name] += event.self_cpu_time_total / 1e3 / calls
    if not spent:
        raise RuntimeError("the profiler saw no kernel")
    return dict(sorted(spent.items(), key=lambda item: -item[1]))


def by_kind(times: Mapping[str, float]) -> dict[str, float]:
    """Share of every kind in the time of all kernels."""
    total = sum(times.values())
    shares = dict.fromkeys(KIND_NAMES, 0.0)
    for name, spent in times.items():
        shares[kind_of(name)] += spent / total
    return shares


def longest(times: Mapping[str, float], count: int = 6) -> str:
    """The kernels that take most of the time, as items of a list in Markdown."""
    total = sum(times.values())
    top = sorted(times.items(), key=lambda item: -item[1])[:count]
    return "\n".join(
        f"- {spent / total:.0%}, {spent:.3f} ms, {kind_of(name)}: `{_short(name)}`"
        for name, spent in top
    )


def _short(name: str, length: int = 110) -> str:
    text = " ".join(name.replace("`", "'").split())
    return text if len(text) <= length else text[: length - 3] + "..."
