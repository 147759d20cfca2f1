"""EPIC-KITCHENS-55: verbs or nouns of parts of long videos."""

from __future__ import annotations

import re
from pathlib import Path

from dsanet_core.datasets.annotations.source import Listing, Source, Wanted, csv_rows, wrong

TASKS = ("verb", "noun")
FRAME_RATE = 60.0
"""Of the published frames, which the annotations count from 1."""
LAST_OF_TRAIN = 25
"""Participants up to this one are for training, later ones for validation (Baradel et al., Object
Level Visual Reasoning in Videos, ECCV 2018): the test set of the challenge has no public labels."""
_PARTICIPANT = re.compile(r"P(\d+)")


def read(source: Source) -> Listing:
    """The labelled parts, between their timestamps or, of a folder of frames, from start_frame to
    stop_frame. The categories count as the file of classes says."""
    classes = source.needed(
        source.companions(f"epic_{source.task}_classes.csv"), f"EPIC_{source.task}_classes.csv"
    )[0]
    names = {
        row[f"{source.task}_id"]: row["class_key"]
        for _, row in csv_rows(classes, f"{source.task}_id", "class_key")
    }
    path = source.needed(
        source.files("epic_train_action_labels.csv"), "EPIC_train_action_labels.csv"
    )[0]
    column = f"{source.task}_class"
    wanted = []
    for number, row in csv_rows(
        path, "participant_id", "video_id", "start_timestamp", "stop_timestamp", "start_frame",
        "stop_frame", column,
    ):
        category, who = names.get(row[column]), _PARTICIPANT.fullmatch(row["participant_id"])
        if category is None or who is None:
            found = f"line {number}: {column} {row[column]} of {row['participant_id']}"
            raise wrong(path, found, f"a participant such as P01 and a number of {classes.name}")
        wanted.append(Wanted(
            (row["video_id"],), category, "train" if int(who[1]) <= LAST_OF_TRAIN else "val",
            near=(row["participant_id"],),
            window=_seconds(row["start_timestamp"], row["stop_timestamp"], path, number),
            picture_window=_frames(row["start_frame"], row["stop_frame"], path, number),
            frame_rate=FRAME_RATE,
        ))
    return Listing(list(names.values()), wanted)


def _seconds(start: str, stop: str, path: Path, number: int) -> tuple[float, float]:
    """Seconds of two times HH:MM:SS.ss."""
    try:
        first, last = (
            sum(float(part) * unit for part, unit in zip(time.split(":"), (3600, 60, 1),
                                                         strict=True))
            for time in (start, stop)
        )
        return _ordered(first, last)
    except ValueError as error:
        raise wrong(
            path, f"line {number}: {start} to {stop}", "two times HH:MM:SS.ss, the later one last"
        ) from error


def _frames(start: str, stop: str, path: Path, number: int) -> tuple[float, float]:
    """Seconds from before the first to after the last of these frames."""
    try:
        return _ordered(max(int(start) - 1, 0) / FRAME_RATE, int(stop) / FRAME_RATE)
    except ValueError as error:
        raise wrong(
            path, f"line {number}: frames {start} to {stop}", "two numbers from 1 on, in order"
        ) from error


def _ordered(start: float, stop: float) -> tuple[float, float]:
    if not 0 <= start <= stop < float("inf"):
        raise ValueError(start, stop)
    return start, stop
