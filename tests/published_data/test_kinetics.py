"""Kinetics-400 and Mini-Kinetics-200 as they are published and as others list them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsanet_core.datasets import open_dataset
from dsanet_core.records import Sampling
from tests.dataset_files import touch
from tests.published_data.files import opened, refusal, write, write_frames

HEADER = "label,youtube_id,time_start,time_end,split,is_cc"
TRAIN = (
    HEADER,
    "playing guitar,--aaaaaaaaa,3,13,train,0",
    '"petting animal (not cat)",b_bbbbbbbbb,120,130,train,0',
    "abseiling,ccccccccccc,0.0,10.0,train,1",
)
VALIDATION = (HEADER, "playing guitar,ddddddddddd,7,17,validate,0")
GUITAR, PETTING = "playing guitar", "petting animal (not cat)"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two of three training videos and the one for validation, in layouts that are found about."""
    write(tmp_path, "annotations/kinetics_train.csv", *TRAIN)
    write(tmp_path, "annotations/kinetics_val.csv", *VALIDATION, end="\r\n")
    write(tmp_path, "annotations/kinetics_test.csv", "youtube_id,time_start,time_end,split",
          "eeeeeeeeeee,1,11,test")
    return touch(
        tmp_path, "train/playing guitar/--aaaaaaaaa_000003_000013.mp4",
        "train/petting_animal_(not_cat)/b_bbbbbbbbb_000120_000130.MP4", "val/ddddddddddd.mkv",
        "val/unlisted.mp4",
    )


def test_videos_are_found_trimmed_or_not_in_folders_with_spaces_underscores_or_flat(
    root: Path,
) -> None:
    assert opened(f"kinetics400:{root}") == [
        ("train/playing guitar/--aaaaaaaaa_000003_000013.mp4", GUITAR),
        ("train/petting_animal_(not_cat)/b_bbbbbbbbb_000120_000130.MP4", PETTING),
        ("val/ddddddddddd.mkv", GUITAR),
    ]


def test_a_missing_video_is_no_row_and_is_counted_by_name(root: Path) -> None:
    dataset = open_dataset(f"kinetics400:{root}", split="train")
    assert len(dataset) == 2
    assert dataset.missing == ["ccccccccccc_000000_000010"]
    assert dataset.name == f"kinetics400:{root}, split train, 1 missing"
    assert dataset.limited(1).missing == dataset.missing
    assert not open_dataset(f"kinetics400:{root}", split="val").missing


def test_categories_count_in_alphabetical_order_also_those_whose_videos_are_missing(
    root: Path,
) -> None:
    for split in (None, "val"):
        names = open_dataset(f"kinetics400:{root}", split=split).class_names
        assert names == ["abseiling", PETTING, GUITAR]


@pytest.mark.parametrize("split", ["val", "validation", "validate"])
def test_a_split_has_several_names(root: Path, split: str) -> None:
    assert opened(f"kinetics400:{root}", split) == [("val/ddddddddddd.mkv", GUITAR)]


def test_the_test_set_without_labels_is_no_split(root: Path) -> None:
    assert "no split 'test'" in refusal(f"kinetics400:{root}", "test")


def test_the_annotations_may_lie_elsewhere(root: Path, tmp_path_factory: pytest.TempPathFactory
                                           ) -> None:
    other = tmp_path_factory.mktemp("other")
    file = write(other, "mine, all.csv", TRAIN[0], TRAIN[1])
    expected = [("train/playing guitar/--aaaaaaaaa_000003_000013.mp4", GUITAR)]
    assert opened(f"kinetics400:{root},annotations={file}") == expected
    assert opened(f"kinetics400:{root},annotations={other}") == expected


def test_other_files_in_the_folder_do_not_matter(root: Path) -> None:
    expected = opened(f"kinetics400:{root}")
    (root / "lisez-moi.txt").write_bytes(b"d\xe9j\xe0 vu 1\n")
    (root / "other.csv").write_bytes(b"\xff\xfe" + b"x" * 100_000)
    (root / "empty.txt").touch()
    assert opened(f"kinetics400:{root}") == expected
    write(root, "train_ytid_list.txt", "--aaaaaaaaa")
    assert len(opened(f"minikinetics200:{root}")) == 1


def test_a_row_twice_is_one_video(root: Path) -> None:
    write(root, "train.csv", *TRAIN)
    assert len(open_dataset(f"kinetics400:{root}", split="train")) == 2


@pytest.mark.parametrize("between", [" ", ",", ", ", "\t"])
def test_lists_of_paths_and_numbers_are_read_with_paths_that_hold_spaces(
    tmp_path: Path, between: str
) -> None:
    write(tmp_path, "kinetics400_train_list_videos.txt",
          *(f"{path}{between}{number}" for path, number in (
              ("playing guitar/a a.mp4", 1), ("/elsewhere/train/abseiling/b.mp4", 0),
              ("playing guitar/gone 2.mp4", 1))))
    write(tmp_path, "kinetics400_val_list_videos.txt", f"abseiling/b.mp4{between}0")
    touch(tmp_path, "train/playing guitar/a a.mp4", "train/abseiling/b.mp4",
          "val/abseiling/b.mp4")
    dataset = open_dataset(f"kinetics400:{tmp_path}", split="train")
    assert [dataset.video_name(row) for row in range(2)] == [
        "train/playing guitar/a a.mp4", "train/abseiling/b.mp4",
    ]
    assert dataset.categories == [GUITAR, "abseiling"] and dataset.missing == ["gone 2"]
    assert dataset.class_names == ["abseiling", GUITAR], "from the folders of the paths"


def test_numbers_are_named_by_a_file_of_names_where_folders_are_not(tmp_path: Path) -> None:
    write(tmp_path, "val.csv", "a.mp4 1", "b.mp4 0")
    touch(tmp_path, "a.mp4", "b.mp4")
    assert "nothing names the 2 classes" in refusal(f"kinetics400:{tmp_path}")
    names = write(tmp_path, "label_map_k400.txt", "abseiling", GUITAR, "zumba")
    assert opened(f"kinetics400:{tmp_path}", "val") == [("a.mp4", GUITAR), ("b.mp4", "abseiling")]
    assert open_dataset(f"kinetics400:{tmp_path}").class_names[2] == "zumba"
    names.unlink()
    write(tmp_path, "kinetics_classnames.json", '{"\\"playing guitar\\"": 1, "abseiling": 0}')
    assert opened(f"kinetics400:{tmp_path}", "val") == [("a.mp4", GUITAR), ("b.mp4", "abseiling")]


def test_a_list_of_folders_of_frames_says_how_many_each_has(tmp_path: Path) -> None:
    write_frames(tmp_path / "rawframes/air drumming/x 1", range(1, 21), "img_{:05d}.jpg")
    write(tmp_path, "train_list_rawframes.txt", "air drumming/x 1 20 0")
    dataset = open_dataset(f"kinetics400:{tmp_path}")
    assert opened(f"kinetics400:{tmp_path}") == [("rawframes/air drumming/x 1", "air drumming")]
    assert dataset.clips(0, Sampling(2, 2, 1)).frames.video.num_frames == 20


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("abseiling,ccccccccccc,zero,10,train,1", "line 5 .*: times zero to 10; expected seconds"),
        ("abseiling,ccccccccccc,0,10,train,1,,", "line 5 .*: 8 values; expected the 6 of the"),
    ],
)
def test_a_malformed_line_is_named(root: Path, line: str, says: str) -> None:
    import re

    write(root, "annotations/kinetics_train.csv", *TRAIN, line)
    assert re.search(says, refusal(f"kinetics400:{root}"))


def test_a_malformed_line_of_a_list_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "train.txt", "a/1.mp4 0", "", "a/2.mp4")
    assert f"line 3 of '{path}': a/2.mp4; expected a path and the index" in refusal(
        f"kinetics400:{tmp_path}"
    )


@pytest.mark.parametrize("by", ["ids", "categories"])
def test_the_small_subset_is_chosen_by_ids_or_by_categories(root: Path, by: str) -> None:
    if by == "ids":
        write(root, "train_ytid_list.txt", "--aaaaaaaaa", "ccccccccccc", "not-there00")
        write(root, "val_ytid_list.txt", "ddddddddddd")
        expected_names = ["abseiling", GUITAR]
    else:
        write(root, "mini.txt", "playing_guitar")
        expected_names = [GUITAR]
    description = f"minikinetics200:{root}"
    assert opened(description, "val") == [("val/ddddddddddd.mkv", GUITAR)]
    assert opened(description, "train") == [
        ("train/playing guitar/--aaaaaaaaa_000003_000013.mp4", GUITAR)
    ]
    assert open_dataset(description).class_names == expected_names


def test_the_small_subset_says_that_its_list_is_missing(root: Path) -> None:
    assert "no list of ids or of classes" in refusal(f"minikinetics200:{root}")
