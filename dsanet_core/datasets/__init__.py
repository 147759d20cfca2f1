"""Datasets: rows of (video, class), opened from a description.

`synth:seed=7,n=2400` is the embedded benchmark, `synth:seed=7,n=500,size=288,codec=h264` the same
at a display size and through H.264; `kinetics400:FOLDER` a published dataset (`annotations`); a
file is a list of videos, CSV or JSONL (`video_list`); any other description is a folder with one
sub-folder per class.
"""

from __future__ import annotations

from pathlib import Path

from dsanet_core.datasets.annotations import is_published as is_published
from dsanet_core.datasets.annotations import map_paths as map_paths
from dsanet_core.datasets.annotations import open_published
from dsanet_core.datasets.annotations import paths_of as paths_of
from dsanet_core.datasets.base import DECORD as DECORD
from dsanet_core.datasets.base import PYAV as PYAV
from dsanet_core.datasets.base import Dataset as Dataset
from dsanet_core.datasets.files import FileDataset, open_folder
from dsanet_core.datasets.synthetic import SYNTH as SYNTH
from dsanet_core.datasets.synthetic import open_synthetic
from dsanet_core.datasets.video_list import open_list
from dsanet_core.errors import DatasetError


def open_dataset(
    description: str,
    *,
    split: str | None = None,
    limit: int | None = None,
    reader: str = PYAV,
) -> Dataset:
    """The dataset of a description.

    split: sub-folder with the folders of the classes, value of a list's column `split`, or split of
    a published dataset. limit: as of `Dataset.limited`. reader: of video files, PYAV or, for
    trusted files only, the faster DECORD. Raises DatasetError.
    """
    try:
        dataset = _open(description, split)
    except OSError as error:
        raise DatasetError(
            f"dataset {description!r} cannot be read ({error.strerror})",
            "files that can be opened",
            "Check the path and its permissions.",
        ) from error
    if reader != PYAV:
        if not isinstance(dataset, FileDataset):
            raise DatasetError(
                f"reader {reader!r} for {dataset.name}", "a dataset of files",
                "Leave the reader out: these videos are rendered.",
            )
        dataset.read_with(reader)
    return dataset if limit is None else dataset.limited(limit)


def _open(description: str, split: str | None) -> Dataset:
    if description.startswith(SYNTH):
        return open_synthetic(description, split)
    if is_published(description):
        return open_published(description, split)
    path = Path(description)
    if description and path.is_dir():
        return open_folder(description, split)
    if path.is_file():
        return open_list(description, split)
    what = "is neither a file nor a folder" if path.exists() else "does not exist"
    raise DatasetError(
        f"dataset {description!r} {what}",
        f"'{SYNTH}seed=7,n=2400', a folder with one sub-folder of videos per class, a list of "
        "videos (.csv, .jsonl), or a published dataset such as 'kinetics400:FOLDER'",
        "Check the path.",
    )
