"""Base of the records that hold numpy arrays, and the check that refuses impossible values."""

from __future__ import annotations

import textwrap
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_WIDTH = 100
_MOST_CHARACTERS, _MOST_ITEMS = 40, 4
"""Of a text and of a collection in a `repr`: longer ones are cut."""


class Record:
    """A dataclass with arrays, declared with eq=False and repr=False.

    `==` compares all fields, arrays by shape and values, NaN equal to NaN. The hash is that of the
    fields that are texts, integers or records. `repr` has a line per field, arrays by dtype and
    shape.
    """

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_are_equal(value, getattr(other, name)) for name, value in _items(self))

    def __hash__(self) -> int:
        kept = (value for _, value in _items(self) if isinstance(value, str | int | Record))
        return hash((type(self).__name__, *kept))

    def __repr__(self) -> str:
        lines = [
            textwrap.fill(
                f"{name}={_short(value)},", _WIDTH, initial_indent=" " * 4,
                subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False,
            )
            for name, value in _items(self)
        ]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


def require(condition: bool, message: str) -> None:
    """Raises ValueError with the message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def best_of(classes: tuple[str, ...], scores: Array, k: int) -> list[tuple[str, float]]:
    """The k best (category, score), best first."""
    order = np.argsort(-scores, kind="stable")[:k]
    return [(classes[index], float(scores[index])) for index in order]


def _items(record: Any) -> list[tuple[str, Any]]:
    return [(entry.name, getattr(record, entry.name)) for entry in fields(record)]


def _are_equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        has_nan = all(np.asarray(each).dtype.kind in "fc" for each in (a, b))
        return np.array_equal(a, b, equal_nan=has_nan)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(_are_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_are_equal(a[key], b[key]) for key in a)
    return bool(a == b or (a != a and b != b))


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    if isinstance(value, str):
        cut = len(value) > _MOST_CHARACTERS
        return f"{value[:_MOST_CHARACTERS]!r}..." if cut else repr(value)
    if is_dataclass(value):
        parts = [f"{name}={_short(part)}" for name, part in _items(value)]
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, dict):
        parts = [f"{_short(key)}: {_short(part)}" for key, part in value.items()]
        return f"{{{_joined(parts)}}}"
    if isinstance(value, tuple | list):
        most = 1 if value and isinstance(value[0], Record) else _MOST_ITEMS
        return f"({_joined([_short(part) for part in value], most)})"
    return repr(value)


def _joined(parts: list[str], most: int = _MOST_ITEMS) -> str:
    more = [f"... {len(parts)} in all"] if len(parts) > most else []
    return ", ".join([*parts[:most], *more])
