"""JSON from files that come from anywhere: values and records, checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Literal, Never, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

MAX_DEPTH = 8
MAX_TEXT, MAX_PARTS, MAX_SHOWN = 2000, 100_000, 20


def parse_json(text: str, kind: type | UnionType) -> Any:
    """A JSON value of a kind, for example dict.

    Raises ValueError for anything else, names given twice, nesting, and numbers that are not
    finite: NaN is not JSON, though Python writes and reads it.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"a {type(value).__name__} instead of {getattr(kind, '__name__', kind)}")
    return value


def record_from(
    kind: type[T], values: Any, *, unpack: Callable[[Any], NDArray[Any]] | None = None
) -> T:
    """A record from the JSON values of its fields, checked against its type hints.

    kind: a dataclass, also one that holds others, or another type that hints name. Numbers must be
    of their type, lists become tuples, fields that have a default may be absent. unpack: makes an
    array of a JSON value; arrays that are there already are kept. Raises ValueError, which names
    the field.
    """
    import msgspec  # here, so that networks are built without it

    def decode(_: type, value: Any) -> Any:
        if unpack is None or isinstance(value, np.ndarray):
            return value
        return unpack(value)

    try:
        record = msgspec.convert(values, kind, dec_hook=decode)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        place = place.strip("`.")
        if options := _options(kind, place):
            reason += f"; expected one of {options}"
        raise ValueError(f"{_named(values, place)}: {reason}" if place else reason) from error
    _require_known(record, values, kind.__name__)
    return record


def _options(kind: Any, place: str) -> tuple[Any, ...]:
    """The choices of a field by the type hints of a record; empty for one that has none."""
    for step in re.findall(r"[^.\[\]]+", place):
        if is_dataclass(kind):
            kind = get_type_hints(kind).get(step)
        else:  # an item of a tuple, list or dict
            kind = next((part for part in reversed(get_args(kind)) if part is not ...), None)
    return get_args(kind) if get_origin(kind) is Literal else ()


def _named(values: Any, place: str) -> str:
    """The place of a value, such as "sampling.num_snippets", and the value if a short number."""
    value = values
    for step in re.findall(r"[^.\[\]]+", place):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list | tuple) and step.isdecimal():
            value = value[int(step)]
    is_shown = isinstance(value, int | float) and len(str(value)) <= MAX_SHOWN
    return f"{place} {value}" if is_shown else place


def _require_known(record: Any, values: Any, where: str) -> None:
    """Raises ValueError for fields that a record does not have."""
    if is_dataclass(record) and isinstance(values, dict):
        known = {entry.name for entry in fields(record)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown field {unknown[0]!r} of {where}")
        for name, value in values.items():
            _require_known(getattr(record, name), value, name)
    elif isinstance(record, tuple) and isinstance(values, list):
        for part, value in zip(record, values, strict=True):
            _require_known(part, value, where)


def require_plain(value: Any, depth: int = 0) -> None:
    """Raises ValueError for values that cannot be shown and stored again: texts of control
    characters or endless ones, numbers beyond 64 bits, deep nesting, endless lists."""
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, dict | list) and len(value) > MAX_PARTS:
        raise ValueError(f"{len(value)} parts, at most {MAX_PARTS}")
    if isinstance(value, str):
        if len(value) > MAX_TEXT or not value.isprintable():
            raise ValueError(f"text {value[:40]!r} of {len(value)} characters, all of which "
                             f"must be printable, at most {MAX_TEXT}")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"number {value}")
    elif isinstance(value, int):
        if abs(value) >= 2**63:
            raise ValueError("a number beyond 64 bits")
    elif isinstance(value, dict):
        for key, part in value.items():
            require_plain(key, depth + 1)
            require_plain(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            require_plain(part, depth + 1)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name that is given twice")
    return value


def _refuse(constant: str) -> Never:
    raise ValueError(f"number {constant}")
