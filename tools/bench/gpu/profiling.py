"""Which kernels an action runs, for how long, and of what kind they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from torch.profiler import ProfilerActivity, profile

from tools.bench.gpu.stage import Action, Stage

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
"""Parts of the names of kernels, the first that fits decides. Triton's names list what is fused:
they go by their own prefix."""
OTHER = "other"
KIND_NAMES = (*dict.fromkeys(kind for kind, _ in KINDS), OTHER)

_NO_KERNELS = ("##", "Torch-Compiled", "ProfilerStep", "Optimizer.", "Context Sync", "Stream Sync",
               "Event Sync", "Stream Wait")


def kind_of(name: str) -> str:
    """The kind of a kernel, a key of `KIND_NAMES`."""
    lower = name.lower()
    for kind, parts in KINDS:
        if any(part in lower for part in parts):
            return kind
    return OTHER


def kernel_times(stage: Stage, action: Action, calls: int = 3) -> dict[str, float]:
    """Milliseconds per call by kernel, the longest first; on a CPU by operator.

    Raises RuntimeError if the profiler saw none, as where a container forbids it."""
    activities = [ProfilerActivity.CPU]
    if stage.is_cuda:
        activities.append(ProfilerActivity.CUDA)
    action()
    stage.sync()
    with profile(activities=activities) as seen:
        for _ in range(calls):
            action()
        stage.sync()
    spent: dict[str, float] = defaultdict(float)
    for event in seen.events() or ():
        if event.name.startswith(_NO_KERNELS) or getattr(event, "is_user_annotation", False):
            continue
        on_gpu = event.device_type.name != "CPU"
        if stage.is_cuda and on_gpu:
            spent[event.name] += event.time_range.elapsed_us() / 1e3 / calls
        elif not stage.is_cuda and event.name.startswith("aten::"):
            spent[event.name] += event.self_cpu_time_total / 1e3 / calls
    if not spent:
        raise RuntimeError("the profiler saw no kernel")
    return dict(sorted(spent.items(), key=lambda item: -item[1]))


def by_kind(times: Mapping[str, float]) -> dict[str, float]:
    """Share of every kind in the time of all kernels."""
    whole = sum(times.values())
    shares = dict.fromkeys(KIND_NAMES, 0.0)
    for name, spent in times.items():
        shares[kind_of(name)] += spent / whole
    return shares


def longest(times: Mapping[str, float], count: int = 6) -> str:
    """The kernels that take most of the time, as items of a list in Markdown."""
    whole = sum(times.values())
    top = sorted(times.items(), key=lambda item: -item[1])[:count]
    return "\n".join(
        f"- {spent / whole:.0%}, {spent:.3f} ms, {kind_of(name)}: `{_short(name)}`"
        for name, spent in top
    )


def _short(name: str, length: int = 110) -> str:
    text = " ".join(name.replace("`", "'").split())
    return text if len(text) <= length else text[: length - 3] + "..."
