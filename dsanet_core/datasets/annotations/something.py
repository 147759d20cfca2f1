"""Something-Something, V1 and V2."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from dsanet_core.datasets.annotations.source import (
    Listing,
    Source,
    Wanted,
    each_line,
    member,
    read_json,
    split_in_name,
    wrong,
)
from dsanet_core.datasets.text import LineError

FRAME_RATE = 12.0


def read_first(source: Source) -> Listing:
    """Lines of `id;category`; the test set, which has no categories, is left out. The categories
    count in the order of the file of labels."""
    labels = source.needed(source.companions("something-something-v1-labels.csv"), "file of labels")
    names = list(each_line(labels[0], lambda _, line: line))
    known = set(names)
    files = source.needed(
        source.files("something-something-v1-train.csv", "something-something-v1-validation.csv"),
        "annotation file",
    )

    def wanted(split: str, number: int, line: str) -> Wanted:
        identity, _, category = line.partition(";")
        if category not in known:
            raise LineError(number, line, "id;category, the category one of the labels")
        return Wanted((identity,), category, split, frame_rate=FRAME_RATE)

    return Listing(names, [
        each for path in files
        for each in each_line(path, partial(wanted, split_in_name(path)))
    ])


def read_second(source: Source) -> Listing:
    """Objects with an id and a template, whose brackets the labels have not. The categories count
    as the file of labels says."""
    labels = source.needed(
        source.companions("something-something-v2-labels.json", "labels.json"), "file of labels"
    )
    names = _ordered(read_json(labels[0], dict, "an object of numbers by category"), labels[0])
    files = source.needed(
        source.files("something-something-v2-train.json", "something-something-v2-validation.json",
                     "train.json", "validation.json"),
        "annotation file",
    )
    known = set(names)
    wanted = []
    for path in files:
        for number, entry in enumerate(read_json(path, list, "a list of objects"), start=1):
            where = f"entry {number}"
            template = member(entry, "template", str, path, where)
            category = template.replace("[", "").replace("]", "").strip()
            if category not in known:
                raise wrong(path, f"{where} has template {template!r}", "one of the labels")
            identity = str(entry.get("id", ""))
            wanted.append(
                Wanted((identity,), category, split_in_name(path), frame_rate=FRAME_RATE)
            )
    return Listing(names, list(dict.fromkeys(wanted)))  # either names of the files, or both


def _ordered(numbers: Mapping[str, Any], path: Path) -> list[str]:
    """The categories by their numbers, which are written as text."""
    try:
        names = sorted(numbers, key=lambda name: int(numbers[name]))
    except (TypeError, ValueError) as error:
        raise wrong(path, str(error), "numbers from 0 on") from error
    if [int(numbers[name]) for name in names] != list(range(len(names))):
        raise wrong(path, "a number is missing or there twice", "numbers from 0 on")
    return names
