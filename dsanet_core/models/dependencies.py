"""Texts and sizes of the dependencies that SDA models (SDA, section 3.2 and Table 1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dsanet_core.errors import ModelError
from dsanet_core.models.base import Size

_WHOLE = ("T", "H", "W")
_KERNELS = re.compile(r"(\d+|T)x(\d+|H)x(\d+|W)/(\d+)x(\d+)x(\d+)")
NAMED = {
    "LST": "TxHxW/1x1x1",
    "LT": "Tx1x1/1x3x3",
    "LS": "1xHxW/3x1x1",
    "S122": "1x2x2/3x1x1",
    "S144": "1x4x4/3x1x1",
    "S222": "2x2x2/1x1x1",
}
"""The dependencies that the paper names (Table 1), as pooling kernel / convolution kernel."""
DEFAULT_DEPENDENCIES = ("LST", "LT", "LS", "S122")
"""The four of the paper's final network (section 4.3)."""


@dataclass(frozen=True)
class Dependency:
    """A pooling kernel (None: the whole extent) and an odd convolution kernel, each (T, H, W)."""

    name: str
    pool: tuple[int | None, int | None, int | None]
    conv: Size

    @classmethod
    def parse(cls, text: str) -> Dependency:
        """A name of `NAMED`, or kernels such as "1x3x3/3x1x1". Raises ModelError."""
        match = _KERNELS.fullmatch(NAMED.get(text, text))
        sizes = [None if s in _WHOLE else int(s) for s in match.groups()] if match else []
        if not match or 0 in sizes or any(not s or s % 2 == 0 for s in sizes[3:]):
            raise ModelError(
                f"dependency {text!r}",
                f"one of {', '.join(NAMED)}, or kernels as in '1x2x2/3x1x1' (the second one odd)",
                "Name the pooling kernel, a slash, and the convolution kernel.",
            )
        pool, conv = sizes[:3], [size or 1 for size in sizes[3:]]
        return cls(text, (pool[0], pool[1], pool[2]), (conv[0], conv[1], conv[2]))

    def grid(self, size: Size) -> Size:
        """Places of the squeezed feature for a feature of size (T, H, W): size / pool, at least 2
        along an axis that is not pooled whole, as in the authors' code."""
        t, h, w = (
            1 if kernel is None else min(full, max(full // kernel, 2))
            for full, kernel in zip(size, self.pool, strict=True)
        )
        return t, h, w
