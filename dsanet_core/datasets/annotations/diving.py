"""Diving48, second version of its labels."""

from __future__ import annotations

from dsanet_core.datasets.annotations.source import (
    Listing,
    Source,
    Wanted,
    member,
    read_json,
    split_in_name,
    wrong,
)


def read(source: Source) -> Listing:
    """Objects with vid_name and label; a category is the four attributes that the vocabulary lists
    at this number, with spaces between. A video is one dive and is read whole: start_frame and
    end_frame are not used."""
    vocabulary = source.needed(source.companions("diving48_vocab.json"), "Diving48_vocab.json")[0]
    attributes = read_json(vocabulary, list, "a list of lists of four attributes")
    if not all(isinstance(each, list) and each for each in attributes):
        raise wrong(vocabulary, "an entry is no list", "a list of lists of four attributes")
    names = [" ".join(map(str, each)) for each in attributes]
    files = source.needed(
        source.files("diving48_v2_train.json", "diving48_v2_test.json"), "annotation file"
    )
    wanted = []
    for path in files:
        for number, entry in enumerate(read_json(path, list, "a list of objects"), start=1):
            where = f"entry {number}"
            label = member(entry, "label", int, path, where)
            if not 0 <= label < len(names):
                raise wrong(path, f"{where} has label {label}", f"0 to {len(names) - 1}")
            name = member(entry, "vid_name", str, path, where)
            wanted.append(Wanted((name,), names[label], split_in_name(path)))
    return Listing(names, wanted)
