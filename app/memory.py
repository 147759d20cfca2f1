"""Free memory goes back to the system: the C library keeps what many threads have freed.
"""

from __future__ import annotations

import ctypes
import sys

SECONDS = 10.0
"""How often that is worth its milliseconds."""


def give_back() -> None:
    """Elsewhere than on Linux with glibc, nothing."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
