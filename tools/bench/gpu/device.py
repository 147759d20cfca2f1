"""A device that is measured: its clock, its memory, its precisions, and errors as remarks."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from dsanet_core.workers import free_bytes
from tools.bench.table import Line
from tools.bench.timing import Action, NotMeasuredError, Turns, in_turns

Precision = Literal["fp32", "tf32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("bf16", "tf32", "fp32")
WARM_UP = 3
SAMPLE_SECONDS = 0.02
MAX_CALLS = 100


def reason_of(error: Exception) -> str:
    """An error in one line of a table."""
    text = " ".join(str(error).split())
    if isinstance(error, NotMeasuredError):
        return text
    kind = type(error).__name__
    return f"{kind}: {text[:157]}..." if len(text) > 160 else f"{kind}: {text}"


@dataclass
class Device:
    """The device of a benchmark.

    dry: tiny shapes. repeats: samples of every time. budget_seconds: nothing is compiled after a
    share of them (`has_time`).
    """

    device: torch.device
    dry: bool = False
    repeats: int = 15
    budget_seconds: float = 420.0
    quiet: bool = False
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.device.type == "cuda" and self.device.index is None:
            self.device = torch.device("cuda", 0)

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def log(self, text: str) -> None:
        """Progress, to stderr."""
        if not self.quiet:
            print(f"{time.monotonic() - self.started:6.1f} s  {text}", file=sys.stderr, flush=True)

    def has_time(self, share: float) -> bool:
        return time.monotonic() - self.started < share * self.budget_seconds

    def sync(self) -> None:
        if self.is_cuda:
            torch.cuda.synchronize(self.device)

    def free_bytes(self) -> int:
        """Bytes that can still be allocated; on a CPU more than any network takes."""
        return free_bytes(self.device) if self.is_cuda else 1 << 40

    def clear(self) -> None:
        """Return unused memory to the device."""
        gc.collect()
        if self.is_cuda:
            torch.cuda.empty_cache()

    @contextmanager
    def attempt(self, task: str, *lines: Line) -> Iterator[None]:
        """An error of the block is logged and becomes a remark of those of these lines that have
        no figures; where there is one line, it is added to its remark in any case. Memory of the
        block is free again."""
        try:
            yield
            self.sync()
        except Exception as error:  # any error of a driver or a compiler is a remark in the table
            reason = self.recover(task, error)
            for line in lines:
                if not line.is_measured:
                    line.remark = reason
                elif len(lines) == 1:
                    line.add_remark(f"{task}: {reason}")

    def recover(self, task: str, error: Exception) -> str:
        """Log an error and free the memory of its frames; the reason in one line."""
        if not isinstance(error, NotMeasuredError):
            self.log(f"{task}: {''.join(traceback.format_exception(error)[-9:])}")
        traceback.clear_frames(error.__traceback__)
        try:
            self.clear()
        except RuntimeError as broken:
            self.log(f"memory is not freed: {reason_of(broken)}")
        return reason_of(error)

    def peak_bytes(self, action: Action) -> int | None:
        """Peak memory of an action beyond what was allocated before it; None on a CPU."""
        if not self.is_cuda:
            action()
            return None
        self.sync()
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        action()
        self.sync()
        return torch.cuda.max_memory_allocated(self.device) - before

    def in_turns(self, actions: Mapping[str, Action]) -> Turns:
        """Times of actions that take turns, after one turn that is not counted. One that fails
        drops out; the others go on."""
        calls: dict[str, int] = {}

        def sample(name: str) -> float:
            if name not in calls:
                calls[name] = self._calls(actions[name])
            return self.sample(actions[name], calls[name])

        return in_turns(actions, self.repeats, warm_up=1, sample=sample, on_error=self.recover)

    def _calls(self, action: Action) -> int:
        """Warm up; the number of calls that make a sample long enough."""
        if self.dry:
            return 1
        for _ in range(WARM_UP):
            action()
        self.sync()
        seconds = max(self.sample(action, 1), 1e-6)
        return max(1, min(MAX_CALLS, round(SAMPLE_SECONDS / seconds)))

    def sample(self, action: Action, calls: int) -> float:
        """Seconds of one of so many calls in a row: CUDA events on a GPU, wall time elsewhere."""
        if not self.is_cuda:
            begin = time.perf_counter()
            for _ in range(calls):
                action()
            return (time.perf_counter() - begin) / calls
        start, end = _event(), _event()
        start.record()
        for _ in range(calls):
            action()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3 / calls

    @contextmanager
    def precision(self, name: Precision, *, cache: bool = False) -> Iterator[None]:
        """fp32: nothing is rounded to TF32. tf32: products and convolutions are. bf16: autocast.

        cache: autocast keeps the weights it has cast, which a CUDA graph must not."""
        matmul, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        torch.set_float32_matmul_precision("highest" if name == "fp32" else "high")
        torch.backends.cudnn.allow_tf32 = name != "fp32"
        enabled = name == "bf16"
        try:
            with torch.autocast(
                self.device.type, torch.bfloat16, enabled=enabled, cache_enabled=cache
            ):
                yield
        finally:
            torch.set_float32_matmul_precision(matmul)
            torch.backends.cudnn.allow_tf32 = convolution


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
