"""Something-Something, Diving48, EPIC-KITCHENS-55, ActivityNet, UCF-101 and HMDB51."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dsanet_core.datasets import open_dataset
from dsanet_core.records import Sampling
from tests.dataset_files import touch
from tests.published_data.files import opened, refusal, write, write_frames, write_json
from tests.video.make import number_of, write_video

ONE_BY_ONE = Sampling(num_snippets=6, frames_per_snippet=1, frame_stride=1)
DROPPING, HOLDING = "Dropping something onto something", "Holding something"


def seen(description: str, row: int, sampling: Sampling = ONE_BY_ONE) -> list[int]:
    """Numbers that the sampled frames of a row spell."""
    clips = open_dataset(description).clips(row, sampling)
    return [number_of(clips.frames.rgb[place]) for place in clips.position.ravel()]


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Something-Something V1."""
    prefix = "something-something-v1"
    write(tmp_path, f"{prefix}-labels.csv", HOLDING, DROPPING)
    write(tmp_path, f"{prefix}-train.csv", f"100;{DROPPING}", f"7;{HOLDING}", f"9;{HOLDING}")
    write(tmp_path, f"{prefix}-validation.csv", f"12;{HOLDING}")
    write(tmp_path, f"{prefix}-test.csv", "55")
    for name in ("100", "7", "12", "55"):
        write_frames(tmp_path / "20bn-something-something-v1" / name, range(1, 31))
    return tmp_path


def test_something_v1_is_folders_of_frames_that_count_from_one(first: Path) -> None:
    dataset = open_dataset(f"ssv1:{first}", split="train")
    assert opened(f"ssv1:{first}", "train") == [
        ("20bn-something-something-v1/100", DROPPING), ("20bn-something-something-v1/7", HOLDING),
    ]
    assert dataset.missing == ["9"] and dataset.class_names == [HOLDING, DROPPING]
    assert seen(f"ssv1:{first}", 0) == [1 + 2, 1 + 7, 1 + 12, 1 + 16, 1 + 21, 1 + 26]
    clips = dataset.clips(0, ONE_BY_ONE)
    assert clips.frames.video.fps == 12 and clips.frames.pts_seconds[0] == pytest.approx(2 / 12)
    assert opened(f"ssv1:{first}", "val") == [("20bn-something-something-v1/12", HOLDING)]


def test_a_category_that_is_no_label_names_the_line(first: Path) -> None:
    path = write(first, "something-something-v1-validation.csv", f"12;{HOLDING}", "13;Dancing")
    assert f"line 2 of '{path}': 13;Dancing; expected id;class" in refusal(f"ssv1:{first}")


@pytest.mark.parametrize("prefix", ["something-something-v2-", "labels/"])
def test_something_v2_strips_the_brackets_of_templates(tmp_path: Path, prefix: str) -> None:
    write_json(tmp_path, f"{prefix}labels.json", {DROPPING: "1", HOLDING: "0"})
    write_json(tmp_path, f"{prefix}train.json", [
        {"id": "3", "label": "dropping a pen onto a box", "placeholders": ["a pen", "a box"],
         "template": "Dropping [something] onto [something]"},
        {"id": "4", "label": "holding a pen", "template": "Holding [something]"},
    ])
    write_json(tmp_path, f"{prefix}validation.json", [{"id": 5, "template": "Holding [something]"}])
    touch(tmp_path, "20bn-something-something-v2/3.webm", "20bn-something-something-v2/5.webm")
    dataset = open_dataset(f"ssv2:{tmp_path}")
    assert opened(f"ssv2:{tmp_path}") == [
        ("20bn-something-something-v2/3.webm", DROPPING),
        ("20bn-something-something-v2/5.webm", HOLDING),
    ]
    assert dataset.missing == ["4"] and dataset.class_names == [HOLDING, DROPPING]
    write_json(tmp_path, f"{prefix}train.json", [{"id": "3", "template": "Holding [it]"}])
    assert "entry 1 has template 'Holding [it]'" in refusal(f"ssv2:{tmp_path}")


def test_diving48_names_its_categories_by_their_attributes(tmp_path: Path) -> None:
    vocabulary = [["Back", "15som", "05Twis", "FREE"], ["Inward", "Dive", "NoTwis", "PIKE"]]
    write_json(tmp_path, "Diving48_vocab.json", vocabulary)
    entry = {"start_frame": 0, "end_frame": 99}
    write_json(tmp_path, "Diving48_V2_train.json", [{"vid_name": "_a_00001", "label": 1, **entry}])
    write_json(tmp_path, "Diving48_V2_test.json", [{"vid_name": "b_00000", "label": 0, **entry}])
    touch(tmp_path, "rgb/_a_00001.mp4", "rgb/b_00000.mp4")
    description = f"diving48:{tmp_path}"
    assert opened(description, "train") == [("rgb/_a_00001.mp4", "Inward Dive NoTwis PIKE")]
    assert opened(description, "test") == [("rgb/b_00000.mp4", "Back 15som 05Twis FREE")]
    write_json(tmp_path, "Diving48_V2_test.json", [{"vid_name": "b_00000", "label": 2, **entry}])
    assert "entry 1 has label 2; expected 0 to 1" in refusal(description)


COLUMNS = (
    "uid,participant_id,video_id,narration,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)


def epic_line(participant: str, video: str, start: int, stop: int, verb: int, noun: int) -> str:
    """A part in frames at 60 a second, from 1 on."""
    times = ",".join(f"00:00:{frame / 60:05.2f}" for frame in (start - 1, stop))
    part = f'1,{participant},{video},"put, it",{times},{start},{stop}'
    return f"{part},v,{verb},n,{noun},\"['n']\",[1]"


@pytest.fixture
def epic(tmp_path: Path) -> Path:
    write(tmp_path, "EPIC_verb_classes.csv", "verb_id,class_key,verbs", "0,take,\"['take']\"",
          "1,put,\"['put', 'place']\"")
    write(tmp_path, "EPIC_noun_classes.csv", "noun_id,class_key,nouns", "0,pan,\"['pan']\"",
          "1,board:chopping,\"['board']\"")
    write(tmp_path, "EPIC_train_action_labels.csv", COLUMNS,
          epic_line("P01", "P01_01", 31, 60, 1, 0), epic_line("P01", "P01_02", 7, 18, 0, 1),
          epic_line("P30", "P30_07", 1, 30, 0, 0))
    (tmp_path / "P01").mkdir()
    write_video(tmp_path / "P01/P01_01.MP4", range(120), rate=60, container="mp4")
    write_frames(tmp_path / "rgb/P01/P01_02", range(1, 25), "frame_{:010d}.jpg")
    return tmp_path


def test_epic_parts_lie_between_their_times_in_videos_and_folders_of_frames(epic: Path) -> None:
    description = f"epic55:{epic}"
    assert opened(description) == [
        ("P01/P01_01.MP4 from 0.5 s to 1 s", "put"),
        ("rgb/P01/P01_02 from 0.1 s to 0.3 s", "take"),
    ]
    assert open_dataset(description).missing == ["P30_07"]
    whole = Sampling(1, 30, 1)
    assert seen(description, 0, whole) == list(range(30, 60))
    assert seen(description, 1, Sampling(1, 12, 1)) == list(range(7, 19))


def test_epic_parts_that_differ_in_their_noun_alone_are_both_rows(epic: Path) -> None:
    write(epic, "EPIC_train_action_labels.csv", COLUMNS,
          *(epic_line("P01", "P01_01", 31, 60, 1, noun) for noun in (0, 1)))
    for task in ("verb", "noun"):
        assert len(open_dataset(f"epic55:{epic},task={task}")) == 2


def test_epic_has_verbs_and_nouns_and_a_split_by_participants(epic: Path) -> None:
    nouns = open_dataset(f"epic55:{epic},task=noun")
    assert nouns.categories == ["pan", "board:chopping"]
    assert nouns.class_names == ["pan", "board:chopping"]
    assert open_dataset(f"epic55:{epic},task=verb").class_names == ["take", "put"]
    assert len(open_dataset(f"epic55:{epic}", split="train")) == 2
    assert "none of the 1 videos" in refusal(f"epic55:{epic}", "val")
    assert "task 'action'" in refusal(f"epic55:{epic},task=action")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (epic_line("P01", "P01_01", 31, 60, 2, 0), "line 2: verb_class 2 of P01; expected"),
        (epic_line("P01", "P01_01", 61, 30, 1, 0), "line 2: 00:00:01.00 to 00:00:00.50"),
        (epic_line("P01", "P01_01", 3, 9, 1, 0).replace("00:00:", "0:"), "two times HH:MM:SS.ss"),
    ],
)
def test_a_part_that_makes_no_sense_names_the_line(epic: Path, line: str, says: str) -> None:
    write(epic, "EPIC_train_action_labels.csv", COLUMNS, line)
    assert says in refusal(f"epic55:{epic}")


def test_activitynet_videos_have_the_categories_of_their_segments(tmp_path: Path) -> None:
    def video(subset: str, *labels: str) -> dict[str, object]:
        return {"subset": subset, "duration": 9.5, "url": "",
                "annotations": [{"label": label, "segment": [0.5, 3]} for label in labels]}

    write_json(tmp_path, "activity_net.v1-3.min.json", {"version": "VERSION 1.3", "database": {
        "sJFgo9H6zNo": video("training", "Fun sliding down", "Archery", "Fun sliding down"),
        "V1zhqaGFY2A": video("validation", "Archery"), "JDg--pjY5gg": video("testing"),
        "gone0000000": video("validation", "Zumba"),
    }})
    touch(tmp_path, "train/v_sJFgo9H6zNo.mkv", "val/v_V1zhqaGFY2A.webm", "test/v_JDg--pjY5gg.mp4")
    dataset = open_dataset(f"activitynet:{tmp_path}")
    assert opened(f"activitynet:{tmp_path}") == [
        ("train/v_sJFgo9H6zNo.mkv", "Fun sliding down"), ("val/v_V1zhqaGFY2A.webm", "Archery"),
    ]
    assert [list(dataset.other_categories(row)) for row in range(2)] == [["Archery"], []]
    assert dataset.missing == ["v_gone0000000"]
    assert dataset.class_names == ["Archery", "Fun sliding down", "Zumba"]
    assert len(open_dataset(f"activitynet:{tmp_path}", split="validation")) == 1
    write_json(tmp_path, "activity_net.v1-3.min.json", {"database": {"x": {"annotations": [3]}}})
    assert "video 'x' has label None" in refusal(f"activitynet:{tmp_path}")


def test_ucf101_has_three_splits_and_numbers_from_one(tmp_path: Path) -> None:
    folder = "ucfTrainTestlist"
    write(tmp_path, f"{folder}/classInd.txt", "1 Archery", "2 HandstandPushups", end="\r\n")
    for number, (train, test) in {"01": ("g01", "g02"), "02": ("g02", "g01")}.items():
        write(tmp_path, f"{folder}/trainlist{number}.txt",
              f"Archery/v_Archery_{train}_c01.avi 1", end="\r\n")
        write(tmp_path, f"{folder}/testlist{number}.txt", f"Archery/v_Archery_{test}_c01.avi",
              "HandstandPushups/v_HandStandPushups_g01_c01.avi")
    touch(tmp_path, "UCF-101/Archery/v_Archery_g01_c01.avi",
          "UCF-101/Archery/v_Archery_g02_c01.avi",
          "UCF-101/HandstandPushups/v_HandStandPushups_g01_c01.avi")
    description = f"ucf101:{tmp_path}"
    assert opened(description, "train") == [("UCF-101/Archery/v_Archery_g01_c01.avi", "Archery")]
    assert opened(description, "train2") == [("UCF-101/Archery/v_Archery_g02_c01.avi", "Archery")]
    assert len(open_dataset(description)) == 3, "the first split is all of it"
    assert open_dataset(description).class_names == ["Archery", "HandstandPushups"]
    assert "no split 'train3'; expected one of its splits 'test', 'test2'" in refusal(
        description, "train3"
    )
    path = write(tmp_path, f"{folder}/trainlist01.txt", "Archery/v_Archery_g01_c01.avi 2")
    assert re.search(f"line 1 of '{path}'.* expected class/video.avi and its index in classInd",
                     refusal(description))


def test_hmdb51_uses_what_its_lists_number_one_and_two(tmp_path: Path) -> None:
    folder, video = "testTrainMulti_7030_splits", "#122_Cleaning_Up_{}_f_nm_np1_fr_med_0.avi"
    names = [video.format(place) for place in "abc"]
    for split, numbers in ((1, "120"), (2, "201")):
        write(tmp_path, f"{folder}/shoot_ball_test_split{split}.txt",
              *(f"{name} {number} " for name, number in zip(names, numbers, strict=True)))
        write(tmp_path, f"{folder}/cartwheel_test_split{split}.txt", f"{names[0]} 2 ")
    touch(tmp_path, *(f"hmdb51_org/shoot_ball/{name}" for name in names),
          f"hmdb51_org/cartwheel/{names[0]}")
    description = f"hmdb51:{tmp_path}"
    ball, wheel = "hmdb51_org/shoot_ball/", "hmdb51_org/cartwheel/"
    assert opened(description, "train") == [(ball + names[0], "shoot_ball")]
    assert opened(description, "test") == [
        (wheel + names[0], "cartwheel"), (ball + names[1], "shoot_ball"),
    ], "the same name in two categories"
    assert opened(description, "train2") == [(ball + names[2], "shoot_ball")]
    assert len(open_dataset(description)) == 3
    assert open_dataset(description).class_names == ["cartwheel", "shoot_ball"]
    path = write(tmp_path, f"{folder}/cartwheel_test_split1.txt", f"{names[0]} 3")
    assert f"line 1 of '{path}': {names[0]} 3; expected video.avi and 0, 1 or 2" in refusal(
        description
    )
