"""Memory of the C library: few heaps, and free parts of them given back to the system.

A page is drawn by a new thread each time. With a heap for each, what one leaves behind is room that
no other can use.
"""

from __future__ import annotations

import ctypes
import sys

SECONDS = 10.0
"""Interval at which giving back is worth its milliseconds."""
HEAPS = 2
_M_ARENA_MAX = -8
"""glibc's malloc.h."""


def share_heaps() -> None:
    """All threads from now on share `HEAPS` heaps, on Linux with glibc."""
    if (limit := _of_glibc("mallopt")) is not None:
        limit(_M_ARENA_MAX, HEAPS)


def give_back() -> None:
    """Free memory goes back to the system, on Linux with glibc."""
    if (trim := _of_glibc("malloc_trim")) is not None:
        trim(0)


def _of_glibc(name: str) -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
