"""Times of variants that take turns.

Machines get slower and faster while they are measured. Variants that are compared therefore run in
turns within one process, in alternating order, and a ratio is the median of the ratios of single
turns.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tools.bench.table import Line, Wanted, line_of, median_and_spread

Action = Callable[..., Any]
WARM_UP = 2
"""Turns that are run and not counted."""


class NotMeasuredError(Exception):
    """A time that is missing; the message is the reason."""


@dataclass(frozen=True)
class Turns:
    """Seconds of one call of every variant in each turn; failures: reasons of those without."""

    seconds: Mapping[str, list[float]]
    failures: Mapping[str, str] = field(default_factory=dict)

    def of(self, variant: str) -> list[float]:
        """Its seconds. Raises NotMeasuredError for a variant that failed."""
        if variant in self.failures:
            raise NotMeasuredError(self.failures[variant])
        return self.seconds[variant]

    def median(self, variant: str) -> float:
        """Seconds. Raises NotMeasuredError."""
        return median_and_spread(self.of(variant))[0]

    def ratios(self, first: str, second: str) -> list[float]:
        """One variant's time over another's, turn by turn: what slows both in a turn leaves it as
        it is. Raises NotMeasuredError."""
        of_turns: list[float] = np.divide(self.of(first), self.of(second)).tolist()
        return of_turns

    def line(
        self,
        section: str,
        variant: str,
        protocol: str,
        *,
        name: str = "",
        over: str = "",
        under: str = "",
        wanted: Wanted | None = None,
        at: tuple[str, float] | None = None,
    ) -> Line:
        """A variant as a line. over: the variant that its time is divided by; under: the variant
        whose time is divided by it, which gives how many times as fast it is."""
        line = line_of(section, name or variant, protocol, self.of(variant), "s", at=at)
        if over or under:
            first, second = (variant, over) if over else (under, variant)
            line.set_ratio(self.ratios(first, second), f"{first} / {second}")
        line.wanted = wanted
        return line

    def summed(self, name: str, parts: tuple[str, ...]) -> Turns:
        """With one variant more, which takes as long as several of them together."""
        total = np.sum([self.seconds[part] for part in parts], 0).tolist()
        return Turns({**self.seconds, name: total})


def in_turns(
    variants: Mapping[str, Action],
    repeats: int,
    *,
    warm_up: int = WARM_UP,
    prepare: Callable[[], Any] | None = None,
    sample: Callable[[str], float] | None = None,
    on_error: Callable[[str, Exception], str] | None = None,
) -> Turns:
    """Run every variant once per turn, in one order and then in the other.

    prepare: makes the argument of each call, outside the clock. sample: seconds of one call of the
    named variant, instead of its wall time. on_error: the reason of an error; a variant that failed
    takes no further turn. Without it errors are raised.
    """
    def wall_time(name: str) -> float:
        return seconds_of(variants[name], *(() if prepare is None else (prepare(),)))

    sample = sample or wall_time
    names = list(variants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    failures: dict[str, str] = {}
    for turn in range(-warm_up, max(1, repeats)):
        for name in names if turn % 2 == 0 else reversed(names):
            if name in failures:
                continue
            try:
                spent = sample(name)
            except Exception as error:
                if on_error is None:
                    raise
                failures[name] = on_error(name, error)
            else:
                if turn >= 0:
                    seconds[name].append(spent)
    return Turns(seconds, failures)


def seconds_of(action: Action, *arguments: Any) -> float:
    """Wall time of one call, without a garbage collection within it."""
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        action(*arguments)
        return time.perf_counter() - start
    finally:
        if collects:
            gc.enable()
