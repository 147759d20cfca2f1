"""Verdict on a claim of a paper in small: a rule over training seeds, not an opinion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from tools.ablations.tables import Claim

Tops = Mapping[str, Sequence[float]]
"""Setting -> top-1 in per cent of each training seed."""

CONFIDENCE = 0.95
ALIKE_POINTS = 5.0
"""Settings "differ little" if they lie no further apart than so many points of top-1."""

HOLDS = "reproduces in small"
FAILS = "does not reproduce in small"
OPEN = "undecided"
MISSING = "not measured"

RULE = f"""A claim is judged by code. The difference of two settings has a {CONFIDENCE:.0%} interval
(Student's t) from the spread over training seeds: the standard deviation between seeds, pooled over
all settings of the same videos (also those of one seed are held against it), or that of the two
compared if theirs is the larger.

- "A is above B" *{HOLDS}* if the whole interval is above 0, *{FAILS}* if it is
  wholly below 0, and else *{OPEN}*: the difference is within the spread over seeds.
- A claim about several pairs needs all of them, and one pair that fails is enough against it.
- "Alike" compares the best with the worst of the settings: it reproduces if the whole interval is
  below {ALIKE_POINTS:g} points, does not if it is wholly above, and else is undecided."""


class Difference(NamedTuple):
    """Of two means in points, with its interval."""

    points: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.points:+.1f} ({self.low:+.1f} to {self.high:+.1f})"


@dataclass(frozen=True)
class Spread:
    """deviation: standard deviation between seeds in points, pooled over settings; freedom: its
    degrees of freedom, 0 if no setting has two seeds."""

    deviation: float
    freedom: int

    @classmethod
    def pooled(cls, tops: Iterable[Sequence[float]]) -> Spread:
        """Over settings of the same videos."""
        several = [np.asarray(values) for values in tops if len(values) > 1]
        freedom = sum(len(values) - 1 for values in several)
        squares = sum(float(((values - values.mean()) ** 2).sum()) for values in several)
        return cls((squares / freedom) ** 0.5 if freedom else 0.0, freedom)

    def difference(self, first: Sequence[float], second: Sequence[float]) -> Difference:
        """Of the means of two settings, first less second."""
        deviation = max(self.deviation, Spread.pooled([first, second]).deviation)
        quantile = float(stats.t.ppf(0.5 + CONFIDENCE / 2, self.freedom))
        half = quantile * deviation * (1 / len(first) + 1 / len(second)) ** 0.5
        points = float(np.mean(first) - np.mean(second))
        return Difference(points, points - half, points + half)


class Verdict(NamedTuple):
    """reason: the difference that decided, in words."""

    verdict: str
    reason: str


def judge(
    claim: Claim, tops: Tops, videos_of: Mapping[str, str], names: Mapping[str, str]
) -> Verdict:
    """A claim, by the rule above. videos_of: setting -> what it is trained and measured on, whose
    settings share a spread; names: setting -> its name in the text. Of several pairs the least
    favourable one is reported."""
    wanted = {setting for pair in claim.above for setting in pair} | set(claim.alike)
    if any(not tops.get(setting) for setting in wanted):
        return Verdict(MISSING, "")
    together: dict[str, list[Sequence[float]]] = defaultdict(list)
    for setting, values in tops.items():
        together[videos_of[setting]].append(values)
    spreads = {videos: Spread.pooled(values) for videos, values in together.items()}
    if any(spreads[videos_of[setting]].freedom == 0 for setting in wanted):
        return Verdict(OPEN, "one seed has no spread")

    def compared(first: str, second: str) -> tuple[Difference, str]:
        found = spreads[videos_of[first]].difference(tops[first], tops[second])
        return found, f"{names[first]} less {names[second]}: {found}"

    if claim.alike:
        ranked = sorted(claim.alike, key=lambda setting: float(np.mean(tops[setting])))
        found, words = compared(ranked[-1], ranked[0])
        if found.high < ALIKE_POINTS:
            return Verdict(HOLDS, words)
        return Verdict(FAILS if found.low > ALIKE_POINTS else OPEN, words)
    found, words = min((compared(*pair) for pair in claim.above), key=lambda pair: pair[0].low)
    against = min((compared(*pair) for pair in claim.above), key=lambda pair: pair[0].high)
    if against[0].high < 0:
        return Verdict(FAILS, against[1])
    return Verdict(HOLDS if found.low > 0 else OPEN, words)
