"""Variants that take turns, and the lines of a table made of what they took.

Machines get slower and faster while they are measured. What is compared is therefore run in turns
within one run, in alternating order, and a ratio is the median of the ratios of single turns.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Sense = Literal["<=", "<", ">="]
Figure = Literal["ratio", "median"]
WARM_UP = 2
"""Turns that are run and not counted."""


@dataclass(frozen=True)
class Wanted:
    """A target: of which figure of a line, and the bound that it has to keep."""

    figure: Figure
    sense: Sense
    bound: float

    def is_met(self, value: float) -> bool:
        if self.sense == ">=":
            return value >= self.bound
        return value < self.bound if self.sense == "<" else value <= self.bound


@dataclass(frozen=True)
class Line:
    """One line of the table.

    section: key of `SECTIONS`. name: what is measured; protocol: on what and how. median, spread:
    of `repeats` values, in `unit`; the spread is the interquartile range. ratio, ratio_spread: of
    the same turns, `ratio_of` says of what to what. at: the place on an axis of growth.
    """

    section: str
    name: str
    protocol: str
    median: float
    unit: str
    spread: float = 0.0
    repeats: int = 1
    ratio: float | None = None
    ratio_spread: float | None = None
    ratio_of: str = ""
    wanted: Wanted | None = None
    at: tuple[str, float] | None = None

    def __post_init__(self) -> None:
        for name in ("name", "protocol", "unit"):
            if not getattr(self, name):
                raise ValueError(f"a line without {name}")
        if self.wanted and self.wanted.figure == "ratio" and self.ratio is None:
            raise ValueError(f"{self.name}: a ratio is wanted and there is none")

    @property
    def is_met(self) -> bool | None:
        """Whether the wanted figure was measured; None where nothing is wanted."""
        if self.wanted is None:
            return None
        value = self.ratio if self.wanted.figure == "ratio" else self.median
        return value is not None and self.wanted.is_met(value)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"met": self.is_met}


@dataclass(frozen=True)
class Turns:
    """Seconds that every variant took in each turn."""

    seconds: Mapping[str, list[float]]

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
        """A variant as a line. over: the variant that its time is divided by; under: the one whose
        time is divided by it, which says how many times as fast it is."""
        spent = self.seconds[variant]
        ratio = ratio_spread = None
        ratio_of = ""
        if over or under:
            first, second = (variant, over) if over else (under, variant)
            ratio, ratio_spread = self.ratio(first, second)
            ratio_of = f"{first} / {second}"
        median, spread = median_and_spread(spent)
        return Line(
            section, name or variant, protocol, median, "s", spread, len(spent), ratio,
            ratio_spread, ratio_of, wanted, at,
        )

    def ratio(self, first: str, second: str) -> tuple[float, float]:
        """Median and interquartile range, over turns, of one variant's time over another's."""
        return median_and_spread(np.divide(self.seconds[first], self.seconds[second]).tolist())

    def summed(self, name: str, parts: tuple[str, ...]) -> Turns:
        """With one variant more, which takes as long as several of them together."""
        total = np.sum([self.seconds[part] for part in parts], 0).tolist()
        return Turns({**self.seconds, name: total})


def in_turns(
    variants: Mapping[str, Callable[..., object]],
    repeats: int,
    *,
    warm_up: int = WARM_UP,
    prepare: Callable[[], Any] | None = None,
) -> Turns:
    """Run every variant once per turn, in one order and then in the other.

    prepare: makes the argument of each call, outside the clock.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    collects = gc.isenabled()
    try:
        for turn in range(-warm_up, max(1, repeats)):
            for name in names if turn % 2 == 0 else reversed(names):
                given = () if prepare is None else (prepare(),)
                gc.collect()
                gc.disable()
                start = time.perf_counter()
                variants[name](*given)
                spent = time.perf_counter() - start
                if collects:
                    gc.enable()
                if turn >= 0:
                    seconds[name].append(spent)
    finally:
        if collects:
            gc.enable()
    return Turns(seconds)


def median_and_spread(values: list[float]) -> tuple[float, float]:
    """Median and interquartile range."""
    low, median, high = np.percentile(values, (25, 50, 75))
    return float(median), float(high - low)


def line_of(
    section: str, name: str, protocol: str, values: list[float], unit: str, **more: Any
) -> Line:
    """A line of values that are no times of turns. more: further fields of the line."""
    median, spread = median_and_spread(values)
    return Line(section, name, protocol, median, unit, spread, len(values), **more)
