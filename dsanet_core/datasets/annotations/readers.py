"""Readers of the published annotation files of every dataset but Kinetics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from dsanet_core.datasets.annotations.dataset_files import (
    AnnotatedVideo,
    Annotations,
    AnnotationSource,
    normalised_split,
    split_from_name,
)
from dsanet_core.datasets.text_files import (
    LineError,
    csv_rows,
    file_error,
    json_member,
    parse_lines,
    read_json,
)

_FORM = "an object with a database of videos"


def read_activitynet(source: AnnotationSource) -> Annotations:
    """ActivityNet v1.3: whole videos with the classes of their segments, in their order; the test
    set, which has none, is left out. The classes have no published indices: alphabetical order."""
    path = source.files("activity_net*.json", required="annotation file")[0]
    database = json_member(read_json(path, dict, _FORM), "database", dict, path, "it")
    videos = []
    for identity, facts in database.items():
        where = f"video {identity!r}"
        annotations = json_member(facts, "annotations", list, path, where)
        labels = dict.fromkeys(
            json_member(annotation, "label", str, path, where) for annotation in annotations
        )
        if labels:
            first, *others = labels
            split = normalised_split(json_member(facts, "subset", str, path, where))
            videos.append(
                AnnotatedVideo((f"v_{identity}", identity), first, split, others=tuple(others))
            )
    names = {name for each in videos for name in (each.category, *each.others)}
    return Annotations(sorted(names), videos)


def read_diving48(source: AnnotationSource) -> Annotations:
    """Diving48 V2: objects with vid_name and label. A class name is the four attributes of the
    vocabulary at index `label`, joined by spaces. A video is one dive and is used whole:
    start_frame and end_frame are ignored."""
    vocabulary = source.companions("diving48_vocab.json", required="Diving48_vocab.json")[0]
    attributes = read_json(vocabulary, list, "a list of lists of four attributes")
    if not all(isinstance(each, list) and each for each in attributes):
        raise file_error(
            vocabulary, "an entry is no list", "a list of lists of four attributes"
        )
    names = [" ".join(map(str, each)) for each in attributes]
    files = source.files(
        "diving48_v2_train.json", "diving48_v2_test.json", required="annotation file"
    )
    videos = []
    for path in files:
        for number, entry in enumerate(read_json(path, list, "a list of objects"), start=1):
            where = f"entry {number}"
            label = json_member(entry, "label", int, path, where)
            if not 0 <= label < len(names):
                last = len(names) - 1
                raise file_error(path, f"{where} has label {label}", f"0 to {last}")
            name = json_member(entry, "vid_name", str, path, where)
            videos.append(AnnotatedVideo((name,), names[label], split_from_name(path)))
    return Annotations(names, videos)


EPIC_TASKS = ("verb", "noun")
EPIC_FPS = 60.0
"""Frame rate of the published frames, which the annotations count from 1."""
LAST_TRAINING_PARTICIPANT = 25
"""Later participants are for validation (Baradel et al., Object Level Visual Reasoning in Videos,
ECCV 2018), since the test set of the challenge has no public labels."""
_PARTICIPANT = re.compile(r"P(\d+)")


def read_epic(source: AnnotationSource) -> Annotations:
    """EPIC-KITCHENS-55, verbs or nouns: labelled parts of long videos, between their timestamps or,
    for a folder of frames, start_frame and stop_frame. Class order: that of the class file."""
    name = f"EPIC_{source.task}_classes.csv"
    classes = source.companions(name.lower(), required=name)[0]
    names = {
        row[f"{source.task}_id"]: row["class_key"]
        for _, row in csv_rows(classes, f"{source.task}_id", "class_key")
    }
    path = source.files("epic_train_action_labels.csv", required="EPIC_train_action_labels.csv")[0]
    column = f"{source.task}_class"
    videos = []
    for number, row in csv_rows(
        path, "participant_id", "video_id", "start_timestamp", "stop_timestamp", "start_frame",
        "stop_frame", column,
    ):
        category, who = names.get(row[column]), _PARTICIPANT.fullmatch(row["participant_id"])
        if category is None or who is None:
            found = f"line {number}: {column} {row[column]} of {row['participant_id']}"
            raise file_error(
                path, found, f"a participant such as P01 and an index of {classes.name}"
            )
        split = "train" if int(who[1]) <= LAST_TRAINING_PARTICIPANT else "val"
        videos.append(AnnotatedVideo(
            (row["video_id"],), category, split,
            folder_hints=(row["participant_id"],),
            window=_timestamp_window(row["start_timestamp"], row["stop_timestamp"], path, number),
            frames_window=_frame_window(row["start_frame"], row["stop_frame"], path, number),
            frame_rate=EPIC_FPS,
        ))
    return Annotations(list(names.values()), videos)


def _timestamp_window(start: str, stop: str, path: Path, number: int) -> tuple[float, float]:
    """(start, stop) in seconds of two times HH:MM:SS.ss."""
    try:
        first, last = (
            sum(float(part) * unit for part, unit in zip(time.split(":"), (3600, 60, 1),
                                                         strict=True))
            for time in (start, stop)
        )
        return _checked_interval(first, last)
    except ValueError as error:
        raise file_error(
            path, f"line {number}: {start} to {stop}", "two times HH:MM:SS.ss, the later one last"
        ) from error


def _frame_window(start: str, stop: str, path: Path, number: int) -> tuple[float, float]:
    """(start, stop) in seconds around frames `start` to `stop`, counted from 1."""
    try:
        return _checked_interval(max(int(start) - 1, 0) / EPIC_FPS, int(stop) / EPIC_FPS)
    except ValueError as error:
        raise file_error(
            path, f"line {number}: frames {start} to {stop}", "two numbers from 1 on, in order"
        ) from error


def _checked_interval(start: float, stop: float) -> tuple[float, float]:
    if not 0 <= start <= stop < float("inf"):
        raise ValueError(start, stop)
    return start, stop


SOMETHING_FPS = 12.0


def read_something_v1(source: AnnotationSource) -> Annotations:
    """Something-Something V1: lines of `id;class`; the test set, which has no labels, is left out.
    Class order: that of the label file."""
    labels = source.companions("something-something-v1-labels.csv", required="file of labels")
    names = list(parse_lines(labels[0], lambda _, line: line))
    known = set(names)
    files = source.files(
        "something-something-v1-train.csv", "something-something-v1-validation.csv",
        required="annotation file",
    )

    def parse(split: str, number: int, line: str) -> AnnotatedVideo:
        identity, _, category = line.partition(";")
        if category not in known:
            raise LineError(number, line, "id;class, the class one of the labels")
        return AnnotatedVideo((identity,), category, split, frame_rate=SOMETHING_FPS)

    return Annotations(names, [
        each for path in files
        for each in parse_lines(path, partial(parse, split_from_name(path)))
    ])


def read_something_v2(source: AnnotationSource) -> Annotations:
    """Something-Something V2: objects with an id and a template, which is the class name in
    brackets. Class order: that of the label file."""
    labels = source.companions(
        "something-something-v2-labels.json", "labels.json", required="file of labels"
    )
    names = _names_by_index(read_json(labels[0], dict, "an object of class name: index"), labels[0])
    files = source.files(
        "something-something-v2-train.json", "something-something-v2-validation.json",
        "train.json", "validation.json", required="annotation file",
    )
    known = set(names)
    videos = []
    for path in files:
        for number, entry in enumerate(read_json(path, list, "a list of objects"), start=1):
            where = f"entry {number}"
            template = json_member(entry, "template", str, path, where)
            category = template.replace("[", "").replace("]", "").strip()
            if category not in known:
                raise file_error(path, f"{where} has template {template!r}", "one of the labels")
            identity = str(entry.get("id", ""))
            videos.append(AnnotatedVideo(
                (identity,), category, split_from_name(path), frame_rate=SOMETHING_FPS
            ))
    # The files may be there under both names.
    return Annotations(names, list(dict.fromkeys(videos)))


def _names_by_index(numbers: Mapping[str, Any], path: Path) -> list[str]:
    """Class names in the order of their indices, which are numbers written as text."""
    try:
        names = sorted(numbers, key=lambda name: int(numbers[name]))
    except (TypeError, ValueError) as error:
        raise file_error(path, str(error), "numbers from 0 on") from error
    if [int(numbers[name]) for name in names] != list(range(len(names))):
        raise file_error(path, "a number is missing or there twice", "numbers from 0 on")
    return names


FIRST_SPLIT = ("train", "test")
"""Splits of a run over the whole dataset: those of split 1 hold every video that is used."""
_NUMBERED = re.compile(r"(\d+)\s+(\S.*)")
_UCF_LIST = re.compile(r"(train|test)list(\d+)\.txt", re.IGNORECASE)
_UCF_LINE = re.compile(r"(?P<path>.*?\S)(?:\s+(?P<number>\d+))?")
_HMDB_LIST = re.compile(r"(.+)_test_split(\d+)\.txt", re.IGNORECASE)
_HMDB_LINE = re.compile(r"(.*\S)\s+([012])")
_HMDB_SPLITS = {"1": "train", "2": "test"}
"""Split of the number in a line; 0: in neither."""


def read_ucf(source: AnnotationSource) -> Annotations:
    """UCF-101: lines of `class/video.avi index`, without the index in test lists; indices from 1.
    The splits are "train", "test" (split 1), "train2", ..."""
    classes = source.companions("classind.txt", required="classInd.txt")[0]

    def numbered(number: int, line: str) -> tuple[int, str]:
        match = _NUMBERED.fullmatch(line)
        if match is None:
            raise LineError(number, line, "the index of a class and its name")
        return int(match[1]), match[2]

    names = dict(parse_lines(classes, numbered))

    def parse(split: str, number: int, line: str) -> AnnotatedVideo:
        match = _UCF_LINE.fullmatch(line)
        path = PurePosixPath(match["path"] if match else "")
        category = path.parent.name
        of_number = names.get(int(match["number"])) if match and match["number"] else category
        if category not in known or of_number != category:
            raise LineError(number, line, f"class/video.avi and its index in {classes.name}")
        return AnnotatedVideo((path.stem,), category, split, folder_hints=(category,))

    known = set(names.values())
    files = source.files("trainlist*.txt", "testlist*.txt", required="list of videos")
    found: list[AnnotatedVideo] = []
    for path in files:
        match = _UCF_LIST.fullmatch(path.name)
        if match is not None:
            split = _split_name(match[1].lower(), match[2])
            found += parse_lines(path, partial(parse, split))
    return Annotations([names[number] for number in sorted(names)], found, FIRST_SPLIT)


def read_hmdb(source: AnnotationSource) -> Annotations:
    """HMDB51: a list of `video.avi 1` for every class and split, named as for UCF-101. The classes
    have no published indices: alphabetical order."""

    def parse(category: str, split: str, number: int, line: str) -> AnnotatedVideo | None:
        match = _HMDB_LINE.fullmatch(line)
        if match is None:
            raise LineError(number, line, "video.avi and 0, 1 or 2")
        part = _HMDB_SPLITS.get(match[2])
        if part is None:
            return None
        name = PurePosixPath(match[1]).stem
        return AnnotatedVideo((name,), category, _split_name(part, split), folder_hints=(category,))

    files = source.companions("*_test_split*.txt", required="list of videos")
    names: set[str] = set()
    found: list[AnnotatedVideo] = []
    for path in files:
        match = _HMDB_LIST.fullmatch(path.name)
        if match is not None:
            names.add(match[1])
            found += parse_lines(path, partial(parse, match[1], match[2]))
    return Annotations(sorted(names), found, FIRST_SPLIT)


def _split_name(part: str, number: str) -> str:
    return part if int(number) == 1 else f"{part}{int(number)}"
