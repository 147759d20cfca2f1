"""Similarity of a video to the training videos, by a Gaussian of the first layers' statistics.

The last layers have lost what training taught the network to ignore, so real footage looks familiar
there; the first layers still respond to it. The score is the negative Mahalanobis distance of a
video's channel statistics after the stem, res2 and res3 to the training videos' (Lee et al., 2018,
with one Gaussian for all categories). The covariance is shrunk towards a sphere by the OAS rule
(Chen et al., 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dsanet_core.records import Array, Familiarity

METHOD = "negative Mahalanobis distance of the first layers' statistics"


@dataclass(frozen=True)
class FamiliarityModel:
    """mean: (C,); precision: (C, C) inverse covariance, both float64. threshold: videos that score
    below it are marked unfamiliar; true_rate: share of validation videos at or above it."""

    mean: Array
    precision: Array
    threshold: float
    true_rate: float

    def __post_init__(self) -> None:
        size = len(self.mean)
        if self.mean.shape != (size,) or self.precision.shape != (size, size):
            raise ValueError(f"mean {self.mean.shape} and precision {self.precision.shape}")

    def score(self, statistics: ArrayLike) -> Array:
        """(..., C) -> (...): minus the Mahalanobis distance; 0 at the mean, falling outwards."""
        offset = np.asarray(statistics, dtype=np.float64) - self.mean
        squared = np.einsum("...i,ij,...j->...", offset, self.precision, offset)
        return np.asarray(-np.sqrt(np.maximum(squared, 0)))

    def judge(self, statistics: ArrayLike) -> Familiarity:
        """The record for one video's statistics (C,)."""
        return Familiarity(METHOD, float(self.score(statistics)), self.threshold, self.true_rate)


def fit_familiarity(
    training: ArrayLike, validation: ArrayLike, *, true_rate: float = 0.95
) -> FamiliarityModel:
    """Fit the Gaussian to statistics (videos, C) of training videos, the threshold to others.

    The threshold is the score that at least `true_rate` of the validation videos reach.
    """
    known = np.asarray(training, dtype=np.float64)
    if known.ndim != 2 or len(known) < 2:
        raise ValueError(f"training statistics are {known.shape}; expected (videos >= 2, values)")
    mean = known.mean(0)
    precision = np.linalg.inv(_shrunk_covariance(known - mean))
    scores = FamiliarityModel(mean, precision, 0.0, 0.0).score(validation)
    threshold = float(np.quantile(scores, 1 - true_rate, method="lower"))
    return FamiliarityModel(mean, precision, threshold, float((scores >= threshold).mean()))


def _shrunk_covariance(centred: Array) -> Array:
    """Covariance of (n, p) centred samples, moved towards a sphere of the same trace by the
    oracle approximating shrinkage of Chen et al. (2010), Eq. 23. Channels that never vary get a
    small variance of their own, so that it can be inverted."""
    count, channels = centred.shape
    covariance = centred.T @ centred / count
    trace, energy = np.trace(covariance), float((covariance**2).sum())
    spread = energy - trace**2 / channels
    rho = 1.0
    if spread > 0:
        above = (1 - 2 / channels) * energy + trace**2
        rho = min(1.0, above / ((count + 1 - 2 / channels) * spread))
    sphere = max(trace / channels, np.finfo(np.float64).tiny)
    return np.asarray((1 - rho) * covariance + rho * sphere * np.eye(channels))
