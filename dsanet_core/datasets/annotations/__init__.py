"""Published datasets: `NAME:FOLDER[,annotations=FILE][,task=TASK]`.

The published annotation files and the videos may be anywhere in the folder and are recognised by
their names. annotations: a file or folder that is read instead of the annotation files inside.
Listed videos that are missing are left out and counted (`Dataset.missing`): of datasets gathered
from the web many are gone. Nothing in an annotation file can lead out of the folder: its names are
only compared with those of the files inside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from dsanet_core.datasets.annotations.dataset_files import (
    AnnotatedVideo,
    Annotations,
    AnnotationSource,
    normalised_split,
)
from dsanet_core.datasets.annotations.kinetics import read_kinetics, read_mini_kinetics
from dsanet_core.datasets.annotations.readers import (
    EPIC_TASKS,
    read_activitynet,
    read_diving48,
    read_epic,
    read_hmdb,
    read_something_v1,
    read_something_v2,
    read_ucf,
)
from dsanet_core.datasets.files import FileDataset, FileRow, quoted_names, unknown_split
from dsanet_core.errors import DatasetError, printable


class PublishedDataset(NamedTuple):
    """A published dataset. read: reader of its annotation files. files, videos: file names of
    annotations and videos, in words. tasks: label sets, the first is the default; none where there
    is only one. reference: publication."""

    title: str
    read: Callable[[AnnotationSource], Annotations]
    files: str
    videos: str
    reference: str
    tasks: tuple[str, ...] = ()


DATASETS: dict[str, PublishedDataset] = {
    "kinetics400": PublishedDataset(
        "Kinetics-400", read_kinetics,
        "the CSV files with label,youtube_id,time_start,time_end,split, or lists of 'path number'",
        "<id>_<start>_<end>.mp4 or <id>.mp4",
        "Kay et al., The Kinetics Human Action Video Dataset, arXiv:1705.06950",
    ),
    "minikinetics200": PublishedDataset(
        "Mini-Kinetics-200", read_mini_kinetics,
        "those of Kinetics-400, and lists of ids (train_ytid_list.txt, val_ytid_list.txt) or one "
        "of the 200 classes",
        "<id>_<start>_<end>.mp4 or <id>.mp4",
        "Xie et al., Rethinking Spatiotemporal Feature Learning, ECCV 2018",
    ),
    "ssv1": PublishedDataset(
        "Something-Something V1", read_something_v1,
        "something-something-v1-train.csv, -validation.csv and -labels.csv",
        "folders of frames, <id>/00001.jpg",
        "Goyal et al., The 'Something Something' Video Database, ICCV 2017",
    ),
    "ssv2": PublishedDataset(
        "Something-Something V2", read_something_v2,
        "something-something-v2-train.json, -validation.json and -labels.json, or train.json, "
        "validation.json and labels.json",
        "<id>.webm",
        "Mahdisoltani et al., On the Effectiveness of Task Granularity, arXiv:1804.09235",
    ),
    "diving48": PublishedDataset(
        "Diving48 V2", read_diving48,
        "Diving48_V2_train.json, Diving48_V2_test.json and Diving48_vocab.json",
        "<vid_name>.mp4",
        "Li et al., RESOUND: Towards Action Recognition without Representation Bias, ECCV 2018",
    ),
    "epic55": PublishedDataset(
        "EPIC-KITCHENS-55", read_epic,
        "EPIC_train_action_labels.csv with EPIC_verb_classes.csv or EPIC_noun_classes.csv",
        "<participant>/<video_id>.MP4, or folders of frames <video_id>/frame_0000000001.jpg",
        "Damen et al., Scaling Egocentric Vision: The EPIC-KITCHENS Dataset, ECCV 2018",
        EPIC_TASKS,
    ),
    "activitynet": PublishedDataset(
        "ActivityNet v1.3", read_activitynet,
        "activity_net.v1-3.min.json",
        "v_<id>.mp4, .mkv or .webm",
        "Caba Heilbron et al., ActivityNet, CVPR 2015",
    ),
    "ucf101": PublishedDataset(
        "UCF-101", read_ucf,
        "classInd.txt, trainlist01.txt and testlist01.txt, also 02 and 03",
        "<category>/v_<category>_g01_c01.avi",
        "Soomro et al., UCF101, arXiv:1212.0402",
    ),
    "hmdb51": PublishedDataset(
        "HMDB51", read_hmdb,
        "<category>_test_split1.txt of every category, also 2 and 3",
        "<category>/<name>.avi",
        "Kuehne et al., HMDB: A Large Video Database for Human Motion Recognition, ICCV 2011",
    ),
}
"""Published datasets by the name at the start of a description."""

OPTIONS = ("annotations", "task")
_OPTION = re.compile(rf",(?=(?:{'|'.join(OPTIONS)})=)")


class _Description(NamedTuple):
    name: str
    root: str
    options: dict[str, str]

    def write(self) -> str:
        return ",".join(
            [f"{self.name}:{self.root}", *(f"{key}={value}" for key, value in self.options.items())]
        )


def is_published(description: str) -> bool:
    """True for the description of one of `DATASETS`."""
    return description.partition(":")[0] in DATASETS and ":" in description


def map_paths(description: str, locate: Callable[[str], str]) -> str:
    """The description of a published dataset with `locate` applied to each of its paths."""
    name, root, options = _parse(description)
    moved = {key: locate(value) if key == "annotations" else value
             for key, value in options.items()}
    return _Description(name, locate(root), moved).write()


def paths_of(description: str) -> Iterator[str]:
    """The paths in the description of a published dataset."""
    _, root, options = _parse(description)
    yield root
    if "annotations" in options:
        yield options["annotations"]


def open_published(description: str, split: str | None) -> FileDataset:
    """The rows whose videos exist. split: "train", "val", "test" or, for datasets with several
    splits, "train2"; None: every labelled row. Raises DatasetError."""
    name, root, options = _parse(description)
    published = DATASETS[name]
    if not root or not Path(root).is_dir():
        raise DatasetError(
            f"the folder {root!r} of {description!r} does not exist",
            f"a folder that holds {published.title}", "Check the path.",
        )
    tasks = published.tasks
    task = options.get("task", tasks[0] if tasks else "")
    if "task" in options and task not in tasks:
        raise DatasetError(
            f"task {task!r} of {description!r}",
            f"one of {quoted_names(tasks)}" if tasks else f"no task: {published.title} has one",
            "Choose one of them, or leave the task out.",
        )
    override = Path(options["annotations"]) if "annotations" in options else None
    source = AnnotationSource(description, Path(root), published.files, override, task)
    annotations = published.read(source)
    rows, missing = _locate_videos(source, _select_split(annotations, split, description))
    if not rows:
        raise DatasetError(
            f"none of the {len(missing)} videos that {description!r} lists is there, such as "
            f"{quoted_names(missing[:3])}",
            f"{published.videos} somewhere in {root!r}",
            "Check the folder: its files must be called as in the annotations.",
        )
    return FileDataset(
        description, rows, split=split, class_names=annotations.class_names, missing=missing
    )


def _parse(description: str) -> _Description:
    name, _, rest = description.partition(":")
    root, *chosen = _OPTION.split(rest)
    return _Description(name, root, dict(part.split("=", 1) for part in chosen))


def _select_split(
    annotations: Annotations, split: str | None, description: str
) -> list[AnnotatedVideo]:
    videos = annotations.videos
    if split is None:
        return [video for video in videos if video.split in annotations.default_splits]
    found = [video for video in videos if video.split == normalised_split(split)]
    if not found:
        raise unknown_split(description, split, "splits", {video.split for video in videos})
    return found


def _locate_videos(
    source: AnnotationSource, videos: list[AnnotatedVideo]
) -> tuple[list[FileRow], list[str]]:
    """(rows of existing videos, names of missing ones)."""
    rows: list[FileRow] = []
    missing: dict[str, None] = {}
    for video in videos:
        place = source.dataset_files.find(video.names, video.folder_hints)
        if place is None:
            missing[printable(video.names[0])] = None
            continue
        window = video.frames_window if place.is_folder else video.window
        rows.append(FileRow(
            source.root / place.name, place.name, video.category, window, video.frame_rate,
            video.others,
        ))
    return rows, list(missing)
