"""Data sets in the form in which they were published: `NAME:FOLDER[,annotations=FILE][,task=TASK]`.

The published annotation files and the videos lie anywhere in the folder; files are told by their
names, videos by theirs. annotations: a file or a folder outside of it that is read instead of those
inside. Videos that are listed and not there are left out and counted (`Dataset.missing`): of data
sets that were gathered from the web many are gone. Nothing that an annotation file says can lead
out of the folder: a name is only compared with those of the files that are inside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from dsanet_core.datasets.annotations import (
    activitynet,
    diving,
    epic,
    kinetics,
    something,
    ucf,
)
from dsanet_core.datasets.annotations.source import Listing, Source, Wanted, plain_split
from dsanet_core.datasets.files import FileDataset, FileRow, listed, unknown_split
from dsanet_core.errors import DatasetError, printable


class Published(NamedTuple):
    """A data set. read: what its annotation files list. files: their names, for people. videos:
    what its videos are called. tasks: what can be asked of it, the first if nothing is said; none
    where there is only one. cited: where the form is described."""

    title: str
    read: Callable[[Source], Listing]
    files: str
    videos: str
    cited: str
    tasks: tuple[str, ...] = ()


DATASETS: dict[str, Published] = {
    "kinetics400": Published(
        "Kinetics-400", kinetics.read,
        "the CSV files with label,youtube_id,time_start,time_end,split, or lists of 'path number'",
        "<id>_<start>_<end>.mp4 or <id>.mp4",
        "Kay et al., The Kinetics Human Action Video Dataset, arXiv:1705.06950",
    ),
    "minikinetics200": Published(
        "Mini-Kinetics-200", kinetics.read_mini,
        "those of Kinetics-400, and lists of ids (train_ytid_list.txt, val_ytid_list.txt) or one "
        "of the 200 categories",
        "<id>_<start>_<end>.mp4 or <id>.mp4",
        "Xie et al., Rethinking Spatiotemporal Feature Learning, ECCV 2018",
    ),
    "ssv1": Published(
        "Something-Something V1", something.read_first,
        "something-something-v1-train.csv, -validation.csv and -labels.csv",
        "folders of frames, <id>/00001.jpg",
        "Goyal et al., The 'Something Something' Video Database, ICCV 2017",
    ),
    "ssv2": Published(
        "Something-Something V2", something.read_second,
        "something-something-v2-train.json, -validation.json and -labels.json, or train.json, "
        "validation.json and labels.json",
        "<id>.webm",
        "Mahdisoltani et al., On the Effectiveness of Task Granularity, arXiv:1804.09235",
    ),
    "diving48": Published(
        "Diving48 V2", diving.read,
        "Diving48_V2_train.json, Diving48_V2_test.json and Diving48_vocab.json",
        "<vid_name>.mp4",
        "Li et al., RESOUND: Towards Action Recognition without Representation Bias, ECCV 2018",
    ),
    "epic55": Published(
        "EPIC-KITCHENS-55", epic.read,
        "EPIC_train_action_labels.csv with EPIC_verb_classes.csv or EPIC_noun_classes.csv",
        "<participant>/<video_id>.MP4, or folders of frames <video_id>/frame_0000000001.jpg",
        "Damen et al., Scaling Egocentric Vision: The EPIC-KITCHENS Dataset, ECCV 2018",
        epic.TASKS,
    ),
    "activitynet": Published(
        "ActivityNet v1.3", activitynet.read,
        "activity_net.v1-3.min.json",
        "v_<id>.mp4, .mkv or .webm",
        "Caba Heilbron et al., ActivityNet, CVPR 2015",
    ),
    "ucf101": Published(
        "UCF-101", ucf.read_ucf,
        "classInd.txt, trainlist01.txt and testlist01.txt, also 02 and 03",
        "<category>/v_<category>_g01_c01.avi",
        "Soomro et al., UCF101, arXiv:1212.0402",
    ),
    "hmdb51": Published(
        "HMDB51", ucf.read_hmdb,
        "<category>_test_split1.txt of every category, also 2 and 3",
        "<category>/<name>.avi",
        "Kuehne et al., HMDB: A Large Video Database for Human Motion Recognition, ICCV 2011",
    ),
}
"""By the name that a description begins with."""

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
    """Whether a description names one of `DATASETS`."""
    return description.partition(":")[0] in DATASETS and ":" in description


def move_paths(description: str, locate: Callable[[str], str]) -> str:
    """The description of a published data set with another path for each of its own."""
    name, root, options = _parse(description)
    moved = {key: locate(value) if key == "annotations" else value
             for key, value in options.items()}
    return _Description(name, locate(root), moved).write()


def paths_of(description: str) -> Iterator[str]:
    """The paths that the description of a published data set names."""
    _, root, options = _parse(description)
    yield root
    if "annotations" in options:
        yield options["annotations"]


def open_published(description: str, split: str | None) -> FileDataset:
    """The rows whose videos are there. split: "train", "val", "test" or, of data sets with several
    splits, "train2"; every labelled row without it. Raises DatasetError."""
    name, root, options = _parse(description)
    facts = DATASETS[name]
    if not root or not Path(root).is_dir():
        raise DatasetError(
            f"the folder {root!r} of {description!r} does not exist",
            f"a folder that holds {facts.title}", "Check the path.",
        )
    task = options.get("task", facts.tasks[0] if facts.tasks else "")
    if "task" in options and task not in facts.tasks:
        raise DatasetError(
            f"task {task!r} of {description!r}",
            f"one of {listed(facts.tasks)}" if facts.tasks else f"no task: {facts.title} has one",
            "Choose one of them, or leave the task out.",
        )
    given = options.get("annotations")
    source = Source(description, Path(root), facts.files, None if given is None else Path(given),
                    task)
    listing = facts.read(source)
    wanted = _of_split(listing, split, description)
    rows, missing = _found(source, wanted)
    if not rows:
        raise DatasetError(
            f"none of the {len(missing)} videos that {description!r} lists is there, such as "
            f"{listed(missing[:3])}",
            f"{facts.videos} somewhere in {root!r}",
            "Check the folder: its files must be called as in the annotations.",
        )
    return FileDataset(
        description, rows, split=split, class_names=listing.class_names, missing=missing
    )


def _parse(description: str) -> _Description:
    name, _, rest = description.partition(":")
    root, *chosen = _OPTION.split(rest)
    return _Description(name, root, dict(part.split("=", 1) for part in chosen))


def _of_split(listing: Listing, split: str | None, description: str) -> list[Wanted]:
    """The wanted videos of a split."""
    if split is None:
        return [each for each in listing.wanted if each.split in listing.whole]
    found = [each for each in listing.wanted if each.split == plain_split(split)]
    if not found:
        raise unknown_split(description, split, "splits", {each.split for each in listing.wanted})
    return found


def _found(source: Source, wanted: list[Wanted]) -> tuple[list[FileRow], list[str]]:
    """Rows of what is there, and the names of the videos that are not."""
    rows: list[FileRow] = []
    missing: dict[str, None] = {}
    for each in wanted:
        place = source.shelf.find(each.names, each.near)
        if place is None:
            missing[printable(each.names[0])] = None
            continue
        window = each.picture_window if place.is_folder else each.window
        rows.append(FileRow(
            source.root / place.name, place.name, each.category, window, each.frame_rate,
            each.others,
        ))
    return rows, list(missing)


__all__ = ["DATASETS", "Published", "is_published", "move_paths", "open_published", "paths_of"]
