"""Opening and checking the data of a training, so that bad data fails before it begins."""

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
from dsanet_core.text_format import percent, plural
from dsanet_core.training.recipe import DATASETS, Recipe

NUM_PROBED = 32
"""Videos of a dataset that are read before the first epoch."""
MAX_UNREADABLE = 0.1
"""Maximum share of missing videos, and of unreadable ones among those probed."""
MAX_MISSING_PUBLISHED = 0.5
"""Maximum share of missing videos of a published dataset: many are gone from the web."""


@dataclass(frozen=True)
class TrainingData:
    """The videos of a training. validation: None for no evaluation. classes: in the order of the
    network's outputs. labels: (videos,) of the training videos."""

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
) -> TrainingData:
    """The datasets of a training, with matching classes.

    description, split: as of `open_dataset`; None: the recipe's own. validation: a split of the
    same description, or, with a ":" or "/", a description of its own. reader: as of `open_dataset`.
    Raises LensError if the recipe has no data of its own; DatasetError for an invalid description,
    another number of classes than its dataset has, fewer than two, or a class of the validation
    videos that is not among those of the training.
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
            f"{len(classes)} classes in {description!r}", f"{made_for.categories}",
            "Is one of its annotation files missing or incomplete?",
        )
    if len(classes) < 2:
        raise DatasetError(
            f"{plural(len(classes), 'class', 'classes')} in {description!r}", "at least two",
            "Check that each class has a folder or label of its own.",
        )
    measured = None
    if validation is not None:
        is_split = ":" not in validation and os.sep not in validation
        where, part = (description, validation) if is_split else (validation, None)
        measured = open_dataset(where, split=part, reader=reader)
        labels_of(measured, classes)
    return TrainingData(training, measured, classes, labels_of(training, classes))


def labels_of(dataset: Dataset, classes: Sequence[str]) -> NDArray[np.int64]:
    """(videos,) class index of each row. Raises DatasetError with the first unknown class."""
    known = {name: label for label, name in enumerate(classes)}
    unknown = Counter(name for name in dataset.categories if name not in known)
    if unknown:
        name, count = next(iter(unknown.items()))
        raise DatasetError(
            f"{plural(len(unknown), 'class', 'classes')} of {dataset.name} not among those of the "
            f"training, first {name!r} of {plural(count, 'video')}",
            f"some of its {len(classes)}, such as {classes[0]!r}",
            "Correct the labels, or leave these videos out.",
        )
    return np.array([known[name] for name in dataset.categories], np.int64)


def check_dataset(dataset: Dataset) -> list[str]:
    """Check the videos of a dataset, some of which are read; a report in lines.

    Raises DatasetError if more than `MAX_UNREADABLE` of them are missing or cannot be read, or more
    than `MAX_MISSING_PUBLISHED` of the videos that a published dataset lists are missing.
    """
    counts = sorted(Counter(dataset.categories).values())
    lines = [
        f"{dataset.name}: {len(dataset)} videos of {len(counts)} classes, {counts[0]} to "
        f"{counts[-1]} of each"
    ]
    there = [row for row in range(len(dataset)) if _exists(dataset, row)]
    absent = [dataset.video_name(row) for row in sorted({*range(len(dataset))} - {*there})]
    for names, listed, most in (
        (dataset.missing, len(dataset) + len(dataset.missing), MAX_MISSING_PUBLISHED),
        (absent, len(dataset), MAX_UNREADABLE),
    ):
        if names:
            lines.append(f"  {len(names)} of {listed} files are missing, such as {names[0]}")
        if len(names) > most * listed:
            raise _quality_error(
                dataset, f"{len(names)} of {listed} videos are missing", names[0], most
            )
    if dataset.path(0) is None:  # rendered, not read
        return lines
    chosen = np.unique(np.linspace(0, len(there) - 1, NUM_PROBED).round().astype(int))
    bad = {row: why for row in (there[index] for index in chosen)
           if (why := _read_error(dataset, row))}
    lines.append(f"  {len(chosen)} read as a test: {len(bad)} could not be read")
    lines += [f"  {dataset.video_name(row)}: {why}" for row, why in bad.items()]
    if len(bad) > MAX_UNREADABLE * len(chosen):
        row, why = next(iter(bad.items()))
        raise _quality_error(
            dataset, f"{len(bad)} of {len(chosen)} tested videos cannot be read",
            f"{dataset.video_name(row)}: {why}", MAX_UNREADABLE,
        )
    return lines


def require_writable(path: Path) -> None:
    """Create the folder of a weights file. Raises CheckpointError if the file cannot be written."""
    if path.suffix not in (".safetensors", ".pth"):
        raise CheckpointError(f"suffix {path.suffix!r}", ".safetensors or .pth", "Rename --out.")
    trial = path.with_name(f"{path.name}.trial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror})", "a writable folder",
            "Choose another --out.",
        ) from error


def _exists(dataset: Dataset, row: int) -> bool:
    path = dataset.path(row)
    return path is None or path.exists()


def _read_error(dataset: Dataset, row: int) -> str:
    try:
        dataset.clips(row, Sampling(num_snippets=1, frames_per_snippet=1, frame_stride=1))
    except VideoError as error:
        return str(error)
    return ""


def _quality_error(dataset: Dataset, what: str, such_as: str, most: float) -> DatasetError:
    return DatasetError(
        f"{dataset.name}: {what}, such as {such_as}", f"at most {percent(most, 0)}",
        "Check the folder of the dataset, or remove these videos.",
    )


def dataset_label(dataset: Dataset) -> str:
    """Name of a dataset in a checkpoint, without parent folders, which may be private."""
    description, split = dataset.arguments["description"], dataset.arguments["split"]
    name = str(description)
    if not name.startswith(SYNTH):
        prefix, _, path = name.rpartition(":")
        name = ":".join(filter(None, (prefix, Path(path).name)))
    return name if split is None else f"{name}, split {split}"
