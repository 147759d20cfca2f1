"""What a training is given, looked at before it begins: bad data fails early and says how."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsanet_core.datasets import PYAV, SYNTH, Dataset, open_dataset
from dsanet_core.errors import CheckpointError, DatasetError, LensError, VideoError
from dsanet_core.records import Sampling
from dsanet_core.training.recipe import DATASETS, Recipe

SAMPLED = 32
"""Videos of a data set that are read before the first epoch."""
MOST_BAD = 0.1
"""Share of missing videos, or unreadable ones among those sampled, that a training bears."""
MOST_GONE = 0.5
"""Share of the videos of a published data set that may be missing: many are gone from the web."""


@dataclass(frozen=True)
class Data:
    """The videos of a training. validation: None where nothing is measured. classes: categories in
    the order of the network's outputs. labels: (videos,) of the training's."""

    training: Dataset
    validation: Dataset | None
    classes: tuple[str, ...]
    labels: NDArray[np.int64]


def open_data(
    recipe: Recipe,
    description: str | None = None,
    *,
    split: str | None = None,
    validation: str | None = None,
    reader: str = PYAV,
) -> Data:
    """The data sets of a training, whose categories fit together.

    description, split: as of `open_dataset`; None: the recipe's own. validation: a split of the
    same description, or, where it has a ":" or "/", a description of its own. reader: as of
    `open_dataset`.
    Raises LensError if the recipe has no data of its own, DatasetError if a description is not
    understood, has another number of categories than its data set, fewer than two, or a category of
    the validation is not among the training's.
    """
    made_for = DATASETS[recipe.data]
    if description is None:
        if recipe.train_on is None:
            raise LensError(
                f"{recipe.name} without data", f"{made_for.title}, or videos of your own",
                f"For example: --data {made_for.description} --split train --val val.",
            )
        description = recipe.train_on
        validation = validation or recipe.validate_on
    training = open_dataset(description, split=split, reader=reader)
    classes = tuple(training.class_names)
    is_it = description.partition(":")[:2] == made_for.description.partition(":")[:2]
    if is_it and len(classes) != made_for.categories:
        raise DatasetError(
            f"{len(classes)} categories in {description!r}", f"{made_for.categories}",
            "Is a file of its annotations missing or cut short?",
        )
    if len(classes) < 2:
        raise DatasetError(
            f"{len(classes)} category in {description!r}", "at least two to tell apart",
            "Check that each category has a folder or label of its own.",
        )
    measured = None
    if validation is not None:
        is_split = ":" not in validation and os.sep not in validation
        where, part = (description, validation) if is_split else (validation, None)
        measured = open_dataset(where, split=part, reader=reader)
        labels_of(measured, classes)
    return Data(training, measured, classes, labels_of(training, classes))


def labels_of(dataset: Dataset, classes: Sequence[str]) -> NDArray[np.int64]:
    """(videos,) index of each row's category. Raises DatasetError that names the first without."""
    known = {name: label for label, name in enumerate(classes)}
    unknown = Counter(name for name in dataset.categories if name not in known)
    if unknown:
        name, count = next(iter(unknown.items()))
        raise DatasetError(
            f"{len(unknown)} categories of {dataset.name} are not among the training's, first "
            f"{name!r} of {count} videos",
            f"some of its {len(classes)}, such as {classes[0]!r}",
            "Correct the labels, or leave these videos out.",
        )
    return np.array([known[name] for name in dataset.categories], np.int64)


def look_at(dataset: Dataset) -> list[str]:
    """Lines about the videos of a data set, a sample of which is read.

    Raises DatasetError if more than `MOST_BAD` of them are missing or cannot be read, or more than
    `MOST_GONE` of what a published data set lists is missing.
    """
    counts = sorted(Counter(dataset.categories).values())
    lines = [
        f"{dataset.name}: {len(dataset)} videos of {len(counts)} categories, {counts[0]} to "
        f"{counts[-1]} of each"
    ]
    there = [row for row in range(len(dataset)) if _is_there(dataset, row)]
    absent = [dataset.video_name(row) for row in sorted({*range(len(dataset))} - {*there})]
    for names, listed, most in (
        (dataset.missing, len(dataset) + len(dataset.missing), MOST_GONE),
        (absent, len(dataset), MOST_BAD),
    ):
        if names:
            lines.append(f"  {len(names)} of {listed} files are missing, such as {names[0]}")
        if len(names) > most * listed:
            raise _too_bad(dataset, f"{len(names)} of {listed} videos are missing", names[0], most)
    if dataset.path(0) is None:  # drawn, not read
        return lines
    chosen = np.unique(np.linspace(0, len(there) - 1, SAMPLED).round().astype(int))
    bad = {row: why for row in (there[index] for index in chosen)
           if (why := _why_unreadable(dataset, row))}
    lines.append(f"  {len(chosen)} read to see: {len(bad)} could not be")
    lines += [f"  {dataset.video_name(row)}: {why}" for row, why in bad.items()]
    if len(bad) > MOST_BAD * len(chosen):
        row, why = next(iter(bad.items()))
        raise _too_bad(
            dataset, f"{len(bad)} of {len(chosen)} videos that were tried cannot be read",
            f"{dataset.video_name(row)}: {why}", MOST_BAD,
        )
    return lines


def require_writable(path: Path) -> None:
    """Make the folder of a weights file. Raises CheckpointError if it could not be written."""
    if path.suffix not in (".safetensors", ".pth"):
        raise CheckpointError(f"suffix {path.suffix!r}", ".safetensors or .pth", "Rename --out.")
    trial = path.with_name(f"{path.name}.trial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror})", "a folder that can be written to",
            "Choose another --out.",
        ) from error


def _is_there(dataset: Dataset, row: int) -> bool:
    path = dataset.path(row)
    return path is None or path.exists()


def _why_unreadable(dataset: Dataset, row: int) -> str:
    try:
        dataset.clips(row, Sampling(num_snippets=1, frames_per_snippet=1, frame_stride=1))
    except VideoError as error:
        return str(error)
    return ""


def _too_bad(dataset: Dataset, what: str, such_as: str, most: float) -> DatasetError:
    return DatasetError(
        f"{dataset.name}: {what}, such as {such_as}", f"at most {most:.0%}",
        "Check the folder that the data set lies in, or take these videos out of it.",
    )


def called(dataset: Dataset) -> str:
    """How a checkpoint calls a data set: without the folders above it, which are nobody's
    business."""
    description, split = dataset.arguments["description"], dataset.arguments["split"]
    name = str(description)
    if not name.startswith(SYNTH):
        prefix, _, path = name.rpartition(":")
        name = ":".join(filter(None, (prefix, Path(path).name)))
    return name if split is None else f"{name}, split {split}"
