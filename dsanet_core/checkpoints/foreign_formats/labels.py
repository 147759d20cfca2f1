"""Class names of a network's outputs, from lists of this package or from files.

`lists/`: the classes of Kinetics-400 (alphabetical, as in every public code base) and of
Something-Something V1 in the order of the dataset's own list.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from dsanet_core.errors import CheckpointError
from dsanet_core.text_format import file_size

FOLDER = Path(__file__).parent / "lists"
MAX_BYTES = 8 << 20
_EXPECTED = (
    "a .txt of one name per line in the order of the outputs, a .csv of index,name, a .json of "
    "names in order or of name to index, or one of: "
)


def known_lists() -> list[str]:
    """Names of the lists in this package."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def read_classes(name_or_path: str | Path, *, sorted_labels: bool = False) -> tuple[str, ...]:
    """Class names in the order of the outputs.

    name_or_path: one of `known_lists()`, or a file. sorted_labels: the network numbers
    the classes of a known list alphabetically; a file is always read in its own order.
    Raises CheckpointError for a file that cannot be read, and for indices with gaps.
    """
    if str(name_or_path) in known_lists():
        names = _lines((FOLDER / f"{name_or_path}.txt").read_text(encoding="utf-8"))
        return tuple(sorted(names) if sorted_labels else names)
    path = Path(name_or_path)
    expected = _EXPECTED + ", ".join(known_lists())
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {file_size(MAX_BYTES)}")
        text = path.read_text(encoding="utf-8-sig")
        read = {".json": _json, ".csv": _csv}.get(path.suffix.lower(), _lines)
        names = [name.strip() for name in read(text)]
        if not names or not all(names):
            raise ValueError("it has an empty name" if names else "it has no names")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{twice[:80]!r} is in it twice")
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CheckpointError(f"class names {str(path)!r} cannot be read ({str(reason)[:200]})",
                              expected, "Correct the file, or choose another one.") from error
    return tuple(names)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _csv(text: str) -> list[str]:
    """index,name with or without a header, or one name per line."""
    rows = [row for row in csv.reader(text.splitlines()) if any(cell.strip() for cell in row)]
    if rows and not any(cell.strip().isdecimal() for cell in rows[0][:1]) and (
        len(rows) > 1 and len(rows[1]) > 1 and rows[1][0].strip().isdecimal()
    ):
        rows = rows[1:]
    if all(len(row) == 1 for row in rows):
        return [row[0] for row in rows]
    return _in_order({row[1]: int(row[0]) for row in rows if len(row) > 1})


def _json(text: str) -> list[str]:
    value: Any = json.loads(text)
    if isinstance(value, list):
        return [_name(name) for name in value]
    if not isinstance(value, dict):
        raise ValueError("neither a list nor a mapping")
    if value and all(str(key).isdecimal() for key in value):
        return _in_order({_name(name): int(index) for index, name in value.items()})
    # PyTorchVideo's list of Kinetics has its names in quotes within the quotes of JSON.
    return _in_order({_name(name).strip('"'): int(index) for name, index in value.items()})


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is not a name")
    return value


def _in_order(index_of: dict[str, int]) -> list[str]:
    names = sorted(index_of, key=index_of.__getitem__)
    found = [index_of[name] for name in names]
    if found != list(range(len(names))):
        gap = next(at for at, index in enumerate(found) if at != index)
        raise ValueError(f"its indices are not 0 to {len(names) - 1} (no {gap}, or one twice)")
    return names
