"""Descriptions become rows: drawn videos, folders and lists, and what is chosen from them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from dsanet_core import synthetic
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import DatasetError
from dsanet_core.records import Sampling
from tests.clips import save_clip
from tests.dataset_files import rows, touch, write_list

SAMPLING = Sampling(num_snippets=4, frames_per_snippet=2, frame_stride=4)


def test_synthetic_rows_are_the_videos_of_the_seed() -> None:
    dataset = open_dataset("synth:seed=11,n=3")
    assert len(dataset) == 3
    for index in range(3):
        whole = synthetic.make_video(11, index)
        clips = dataset.clips(index, SAMPLING)
        seen = clips.frames.rgb[clips.position]
        np.testing.assert_array_equal(seen, whole.rgb[clips.frame_index])
        assert dataset.categories[index] == whole.category
        assert dataset.path(index) is dataset.window(index) is None
    assert dict(dataset.groups) == synthetic.GROUPS


def test_h264_rows_show_the_same_moments_nearly_unchanged() -> None:
    direct = open_dataset("synth:seed=11,n=1,size=128x96").clips(0, SAMPLING)
    coded = open_dataset("synth:seed=11,n=1,size=128x96,codec=h264").clips(0, SAMPLING)
    assert direct.frames.rgb.shape[1:] == coded.frames.rgb.shape[1:] == (96, 128, 3)
    np.testing.assert_array_equal(direct.frame_index, coded.frame_index)
    np.testing.assert_allclose(direct.pts_seconds, coded.pts_seconds, atol=1e-3)
    error = np.abs(direct.frames.rgb.astype(int) - coded.frames.rgb)
    assert 0 < error.mean() < 6
    assert coded.frames.video.codec == "h264"


@pytest.mark.parametrize(
    ("description", "says"),
    [
        ("synth:", "'' is no option"),
        ("synth:seed=1", "invalid literal"),
        ("synth:n=5", "invalid literal"),
        ("synth:seed=1,n=0", "at least 1"),
        ("synth:seed=1,n=5,colour=red", "'colour' is no option"),
        ("synth:seed=1,n=5,size=4", "16 to 2048"),
        ("synth:seed=1,n=5,size=64x64x64", "16 to 2048"),
        ("synth:seed=1,n=5,size=65,codec=h264", "even sides"),
        ("synth:seed=1,n=5,codec=av1", "neither none nor h264"),
        ("no/such/folder", "does not exist"),
        ("/dev/null", "neither a file nor a folder"),
        ("", "neither a file nor a folder"),
        ("x" * 5000, r"cannot be read \(File name too long\)"),
        ("a\0b", "does not exist"),
        (__file__, r"is a file; expected .* in \.csv or \.jsonl"),
    ],
)
def test_descriptions_that_make_no_sense_are_refused(description: str, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        open_dataset(description)


def test_a_folder_has_a_category_per_sub_folder(tmp_path: Path) -> None:
    for name in ("b/2.mp4", "b/1.mp4", "a/3.mp4", ".hidden/4.mp4", "a/.hidden.mp4"):
        save_clip(tmp_path / name, frames=16)
    save_clip(tmp_path / "outside.mp4", frames=16)
    dataset = open_dataset(str(tmp_path))
    assert rows(dataset) == [("a/3.mp4", "a"), ("b/1.mp4", "b"), ("b/2.mp4", "b")]
    assert dataset.path(1) == tmp_path / "b/1.mp4"
    assert dataset.clips(0, SAMPLING).frames.video.name == "3.mp4"


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no files in sub-folders"):
        open_dataset(str(tmp_path))


def test_the_split_of_a_folder_is_the_sub_folder_that_holds_the_categories(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.mp4", "val/a/2.mp4", "val/b/3.mp4")
    dataset = open_dataset(str(tmp_path), split="val")
    assert rows(dataset) == [("val/a/2.mp4", "a"), ("val/b/3.mp4", "b")]
    assert dataset.name == f"{tmp_path}, split val"
    for split in ("test", "..", "val/a", ""):
        with pytest.raises(DatasetError, match="one of its sub-folders 'train', 'val'"):
            open_dataset(str(tmp_path), split=split)


def test_drawn_videos_have_no_splits() -> None:
    with pytest.raises(DatasetError, match=r"split 'val' of 'synth:seed=1,n=5'"):
        open_dataset("synth:seed=1,n=5", split="val")


def test_a_limit_draws_the_same_rows_in_order_and_a_smaller_one_some_of_them() -> None:
    whole = open_dataset("synth:seed=5,n=60")
    drawn = [open_dataset("synth:seed=5,n=60", limit=limit) for limit in (7, 20)]
    ids = [list(dataset.row_ids) for dataset in drawn]
    assert [len(some) for some in ids] == [len(dataset) for dataset in drawn] == [7, 20]
    assert set(ids[0]) < set(ids[1]) and ids[1] != list(range(20)), "not the first ones"
    for dataset, some in zip(drawn, ids, strict=True):
        assert some == sorted(some)
        assert rows(dataset) == [rows(whole)[row] for row in some]
    clips, same = drawn[0].clips(3, SAMPLING), whole.clips(ids[0][3], SAMPLING)
    np.testing.assert_array_equal(clips.frames.rgb, same.frames.rgb)
    assert ids[0] == [25, 35, 40, 46, 48, 52, 56], "for ever the same, on every machine"
    assert drawn[1].limited(7).row_ids == ids[0], "a limit of a limit is the smaller one"
    assert drawn[1].limited(30) is drawn[1]
    assert open_dataset("synth:seed=5,n=60", limit=60).name == whole.name
    assert drawn[0].name == "synth:seed=5,n=60, 7 of 60 videos at random"
    with pytest.raises(DatasetError, match="limit of 0 videos"):
        open_dataset("synth:seed=5,n=60", limit=0)


def test_a_limit_counts_within_the_split(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{split}/a/{i}.mp4" for split in ("train", "val") for i in range(9)))
    dataset = open_dataset(str(tmp_path), split="val", limit=4)
    assert len(dataset) == 4
    assert rows(open_dataset(**dataset.arguments)) == rows(dataset)
    for index, row in enumerate(dataset.row_ids):
        assert dataset.path(index) == tmp_path / f"val/a/{row}.mp4"


def test_fingerprints_tell_drawn_datasets_apart() -> None:
    descriptions = (
        "synth:seed=1,n=5", "synth:seed=2,n=5", "synth:seed=1,n=6", "synth:seed=1,n=5,size=96",
        "synth:seed=1,n=5,size=96x72", "synth:seed=1,n=5,size=72x96", "synth:seed=1,n=5,codec=h264",
    )
    prints = [open_dataset(description).fingerprint for description in descriptions]
    assert len({*prints}) == len(prints) and all(len(bytes.fromhex(text)) == 32 for text in prints)
    assert open_dataset("synth:n=5,seed=1").fingerprint == prints[0], "however it is written"
    limited = open_dataset("synth:seed=1,n=5", limit=3).fingerprint
    assert limited not in prints
    assert open_dataset("synth:seed=1,n=5", limit=2).fingerprint != limited
    assert open_dataset("synth:seed=1,n=5", limit=5).fingerprint == prints[0]


def test_the_fingerprint_of_files_moves_with_them_and_not_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = touch(tmp_path / "here", "val/a/1.mp4", "val/b/2.mp4", "val/b/3.mp4")
    lines = ("path,label,start,end", "val/a/1.mp4,a,,", "val/b/2.mp4,b,0,2", "none.mp4,b,,")
    write_list(first / "list.csv", *lines)
    objects = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    numbers = [{k: float(v) if k in ("start", "end") else v for k, v in row.items() if v}
               for row in objects]
    write_list(first / "list.jsonl", *map(json.dumps, numbers))
    second = tmp_path / "there"
    shutil.copytree(first, second)

    def prints(root: Path) -> list[str]:
        return [
            open_dataset(str(root / "val")).fingerprint,
            open_dataset(str(root), split="val").fingerprint,
            open_dataset(str(root / "list.csv")).fingerprint,
        ]

    before = prints(first)
    assert prints(second) == before and len({*before}) == 3
    assert open_dataset(str(first / "list.jsonl")).fingerprint == before[2]
    absolute = write_list(first / "list.csv", lines[0], f"{first}/val/a/1.mp4,a,,", *lines[2:])
    assert open_dataset(absolute).fingerprint == before[2], "below the list it is the same path"
    monkeypatch.chdir(first)
    assert open_dataset("list.csv").fingerprint == before[2], "wherever it is named from"
    (second / "val/a/1.mp4").write_bytes(b"another size")
    assert all(new != old for new, old in zip(prints(second), before, strict=True))
    for other in ("val/b/2.mp4,b,0,3", "val/b/2.mp4,b,1,2", "val/b/2.mp4,c,0,2", "val/b/2.mp4,b,,"):
        changed = write_list(first / "list.csv", lines[0], lines[1], other, lines[3])
        assert open_dataset(changed).fingerprint != before[2]


@pytest.mark.parametrize("kind", ["synth", "h264", "folder", "list", "limited"])
def test_datasets_survive_pickling(tmp_path: Path, kind: str) -> None:
    save_clip(tmp_path / "a" / "1.mp4", frames=16)
    listed = write_list(tmp_path / "list.csv", "path,label,start,end", "a/1.mp4,a,0.25,0.75")
    dataset = {
        "synth": lambda: open_dataset("synth:seed=3,n=4"),
        "h264": lambda: open_dataset("synth:seed=3,n=1,codec=h264"),
        "folder": lambda: open_dataset(str(tmp_path)),
        "list": lambda: open_dataset(listed),
        "limited": lambda: open_dataset("synth:seed=3,n=40", limit=2),
    }[kind]()
    again = pickle.loads(pickle.dumps(dataset))
    assert (again.name, again.fingerprint) == (dataset.name, dataset.fingerprint)
    assert rows(again) == rows(dataset) and list(again.row_ids) == list(dataset.row_ids)
    assert (again.path(0), again.window(0)) == (dataset.path(0), dataset.window(0))
    one, other = again.clips(0, SAMPLING), dataset.clips(0, SAMPLING)
    np.testing.assert_array_equal(one.frames.rgb, other.frames.rgb)
    np.testing.assert_array_equal(one.frame_index, other.frame_index)


def test_names_that_are_not_unicode_can_be_written_down(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    touch(tmp_path, f"a/{name}")
    dataset = open_dataset(str(tmp_path))
    assert rows(dataset) == [("a/caf\\xe9.mp4", "a")]
    assert dataset.path(0) == tmp_path / "a" / name and len(dataset.fingerprint) == 64
