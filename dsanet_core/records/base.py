"""What all records are made of: numpy arrays, and a refusal of nonsense."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def best_of(classes: tuple[str, ...], scores: Array, k: int) -> list[tuple[str, float]]:
    """The k best (category, score), best first."""
    order = np.argsort(-scores, kind="stable")[:k]
    return [(classes[index], float(scores[index])) for index in order]
