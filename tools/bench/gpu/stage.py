"""Where a benchmark runs and how it takes times: CUDA events on a GPU, plain timers elsewhere."""

from __future__ import annotations

import gc
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

import torch

from dsanet_core.devices import free_bytes

Precision = Literal["fp32", "tf32", "bf16"]
Action = Callable[[], Any]

WARM_UP = 3
SAMPLE_MS = 20.0
MAX_CALLS = 100


class Times(NamedTuple):
    """Milliseconds of one call, sample by sample."""

    ms: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.ms)

    @property
    def quartiles(self) -> tuple[float, float]:
        if len(self.ms) < 2:
            return self.ms[0], self.ms[0]
        low, _, high = statistics.quantiles(self.ms, n=4, method="inclusive")
        return low, high

    def over(self, other: Times) -> Times:
        """Their ratio, round by round: what slowed both in a round leaves it as it is."""
        return Times(tuple(mine / its for mine, its in zip(self.ms, other.ms, strict=False)))

    def values(self, key: str, scale: float = 1.0) -> dict[str, float]:
        """Median and quartiles under the names that a table looks for."""
        low, high = self.quartiles
        ends = sorted((low * scale, high * scale))
        return {key: self.median * scale, f"{key}_low": ends[0], f"{key}_high": ends[1]}


class Failure(NamedTuple):
    """Why something could not be measured."""

    reason: str


def reason_of(error: BaseException) -> str:
    """An error in one line of a table."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    return f"{kind}: {text[:157]}..." if len(text) > 160 else f"{kind}: {text}"


@dataclass
class Stage:
    """A device and the care taken on it.

    dry: tiny shapes. repeats: samples of every time. budget_seconds: what is long to prepare and
    can be left out is left out after this share of the time is gone (`has_time`).
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

    def say(self, text: str) -> None:
        """Progress, to stderr."""
        if not self.quiet:
            print(f"{time.monotonic() - self.started:6.1f} s  {text}", file=sys.stderr, flush=True)

    def has_time(self, share: float) -> bool:
        return time.monotonic() - self.started < share * self.budget_seconds

    def sync(self) -> None:
        if self.is_cuda:
            torch.cuda.synchronize(self.device)

    def clear(self) -> None:
        """Give back what nobody holds any more."""
        gc.collect()
        if self.is_cuda:
            torch.cuda.empty_cache()

    def free_bytes(self) -> int:
        """Bytes that can still be allocated; plenty where nobody knows."""
        return free_bytes(self.device) if self.is_cuda else 1 << 40

    def attempt(self, what: str, action: Callable[[], Any]) -> Any:
        """What the action returns, or a Failure; memory that it had taken is free again."""
        try:
            result = action()
            self.sync()
            return result
        except Exception as error:  # whatever a driver or a compiler raises is a line of the table
            reason, trace = reason_of(error), traceback.format_exc(limit=-8)
        self.say(f"{what}: {trace}")
        try:
            self.clear()
        except RuntimeError as error:
            self.say(f"memory is not given back: {reason_of(error)}")
        return Failure(reason)

    def peak_bytes(self, action: Action) -> int | None:
        """Most memory that the action holds at once beyond what was allocated before it."""
        if not self.is_cuda:
            action()
            return None
        self.sync()
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        action()
        self.sync()
        return torch.cuda.max_memory_allocated(self.device) - before

    def race(self, actions: Mapping[str, Action]) -> dict[str, Times | Failure]:
        """Times of actions that take turns. One that fails drops out; the others go on."""
        found: dict[str, Times | Failure] = {}
        calls: dict[str, int] = {}
        for name, action in actions.items():
            count = self.attempt(name, partial(self._calls, action))
            if isinstance(count, Failure):
                found[name] = count
            else:
                calls[name] = count
        samples: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(self.repeats):
            for name in [name for name in samples if name not in found]:
                taken = self.attempt(name, partial(self.sample, actions[name], calls[name]))
                if isinstance(taken, Failure):
                    found[name] = taken
                else:
                    samples[name].append(taken)
        for name, spent in samples.items():
            found.setdefault(name, Times(tuple(spent)))
        return found

    def _calls(self, action: Action) -> int:
        """Warm up, and find how many calls make a sample long enough."""
        for _ in range(1 if self.dry and not self.is_cuda else WARM_UP):
            action()
        self.sync()
        if self.dry:
            return 1
        return max(1, min(MAX_CALLS, round(SAMPLE_MS / max(self.sample(action, 1), 1e-3))))

    def sample(self, action: Action, calls: int) -> float:
        """Milliseconds of one of so many calls in a row."""
        if not self.is_cuda:
            begin = time.perf_counter()
            for _ in range(calls):
                action()
            return (time.perf_counter() - begin) * 1e3 / calls
        start, end = _event(), _event()
        start.record()
        for _ in range(calls):
            action()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / calls

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
