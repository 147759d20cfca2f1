"""What a description may say, and that nothing in an annotation file leads out of the folder."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from dsanet_core.datasets import is_published, map_paths, open_dataset, paths_of
from dsanet_core.datasets.annotations import DATASETS
from dsanet_core.errors import VideoError
from dsanet_core.records import Sampling
from tests.dataset_files import touch
from tests.published_data.files import opened, refusal, write, write_frames

SAMPLING = Sampling(2, 2, 1)


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_without_annotations_says_which_files_are_expected(
    tmp_path: Path, name: str
) -> None:
    said = refusal(f"{name}:{tmp_path}")
    assert DATASETS[name].files in said and "annotations=FILE" in said


def test_the_guide_has_a_row_for_every_data_set() -> None:
    guide = Path(__file__).parents[2] / "docs" / "your_videos.md"
    rows = [line for line in guide.read_text().splitlines() if line.startswith("| `")]
    for name in DATASETS:
        (row,) = (line for line in rows if line.startswith(f"| `{name}` |"))
        published = [word for word in DATASETS[name].files.replace(",", " ").split()
                     if word.endswith((".json", ".csv", "Ind.txt"))]
        assert all(word in row for word in published), name


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ("no/such/folder", "the folder 'no/such/folder' of 'ucf101:no/such/folder' does not exist"),
        ("", "the folder '' of 'ucf101:' does not exist"),
        (".,annotations=none.csv", "the annotations 'none.csv' of .* do not exist"),
        (".,task=verb", "task 'verb' of .*; expected no task: UCF-101 has one"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(rest: str, says: str) -> None:
    import re

    assert re.search(says, refusal(f"ucf101:{rest}"))


def test_a_description_may_hold_commas_and_colons_in_its_paths() -> None:
    description = "epic55:/a,b/c:d,annotations=/e,f=g/x.csv,task=noun"
    assert is_published(description) and not is_published("epic:/a") and not is_published("epic55")
    assert list(paths_of(description)) == ["/a,b/c:d", "/e,f=g/x.csv"]
    moved = map_paths(description, lambda path: path.replace("/", "_"))
    assert moved == "epic55:_a,b_c:d,annotations=_e,f=g_x.csv,task=noun"


@pytest.mark.parametrize("path", ["{outside}/secret.mp4", "../outside/secret.mp4", "link.mp4",
                                  "folder/secret.mp4", "a/../../outside/secret.mp4"])
def test_nothing_that_a_list_names_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(outside, "secret.mp4")
    touch(root, "a/b.mp4")
    (root / "link.mp4").symlink_to(outside / "secret.mp4")
    (root / "folder").symlink_to(outside)
    write(root, "label_map.txt", "x")
    write(root, "train.csv", f"{path.format(outside=outside)} 0", "b.mp4 0")
    dataset = open_dataset(f"kinetics400:{root}")
    assert opened(f"kinetics400:{root}") == [("a/b.mp4", "x")] and len(dataset.missing) == 1


def test_symlinks_that_stay_inside_are_followed_and_loops_end(tmp_path: Path) -> None:
    touch(tmp_path, "disk/1.mp4")
    (tmp_path / "videos").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/up").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "2.mp4").symlink_to(tmp_path / "disk/1.mp4")
    write(tmp_path, "label_map.txt", "x")
    write(tmp_path, "train.csv", "1.mp4 0", "2.mp4 0", "loop.mp4 0")
    names = [name for name, _ in opened(f"kinetics400:{tmp_path}")]
    assert names == ["disk/1.mp4", "2.mp4"]


def test_a_folder_that_may_not_be_read_is_as_if_it_were_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    touch(tmp_path, "closed/1.mp4", "open/2.mp4")
    write(tmp_path, "label_map.txt", "x")
    write(tmp_path, "train.csv", "1.mp4 0", "2.mp4 0")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert opened(f"kinetics400:{tmp_path}") == [("open/2.mp4", "x")]


def test_rows_survive_pickling_and_a_bad_file_is_an_error_of_its_row(tmp_path: Path) -> None:
    write(tmp_path, "label_map.txt", "x")
    write(tmp_path, "train.csv", "frames 0", "bad.mp4 0")
    write_frames(tmp_path / "frames", range(9))
    touch(tmp_path, "other.bin", "bad.mp4")
    dataset = open_dataset(f"kinetics400:{tmp_path}")
    again = pickle.loads(pickle.dumps(dataset))
    assert (again.fingerprint, again.class_names) == (dataset.fingerprint, ["x"])
    assert again.clips(0, SAMPLING).frames.video.name == "frames"
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        again.clips(1, SAMPLING)
    assert open_dataset(**dataset.arguments).fingerprint == dataset.fingerprint


def test_other_categories_are_part_of_what_identifies_a_row(tmp_path: Path) -> None:
    from tests.published_data.files import write_json

    touch(tmp_path, "v_a.mp4")
    prints = set()
    for labels in (("x",), ("x", "y"), ("x", "z")):
        annotations = [{"label": label} for label in labels]
        write_json(tmp_path, "activity_net.json", {
            "database": {"a": {"subset": "training", "annotations": annotations}}
        })
        prints.add(open_dataset(f"activitynet:{tmp_path}").fingerprint)
    assert len(prints) == 3
