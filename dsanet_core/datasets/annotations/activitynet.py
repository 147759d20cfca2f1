"""ActivityNet v1.3: what happens in long videos."""

from __future__ import annotations

from dsanet_core.datasets.annotations.source import (
    Listing,
    Source,
    Wanted,
    member,
    plain_split,
    read_json,
)

_FORM = "an object with a database of videos"


def read(source: Source) -> Listing:
    """Whole videos with the categories of their segments, the first one first; videos without any
    (of the test set) are left out. The categories, which were published without numbers, count in
    alphabetical order."""
    path = source.needed(source.files("activity_net*.json"), "annotation file")[0]
    database = member(read_json(path, dict, _FORM), "database", dict, path, "it")
    wanted = []
    for identity, facts in database.items():
        where = f"video {identity!r}"
        annotations = member(facts, "annotations", list, path, where)
        labels = dict.fromkeys(
            member(annotation, "label", str, path, where) for annotation in annotations
        )
        if labels:
            first, *others = labels
            split = plain_split(member(facts, "subset", str, path, where))
            wanted.append(
                Wanted((f"v_{identity}", identity), first, split, others=tuple(others))
            )
    names = {name for each in wanted for name in (each.category, *each.others)}
    return Listing(sorted(names), wanted)
