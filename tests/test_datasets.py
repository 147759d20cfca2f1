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
from dsanet_core.datasets import Dataset, open_dataset
from dsanet_core.datasets.listing import MAX_LINE
from dsanet_core.errors import DatasetError, VideoError
from dsanet_core.records import Sampling
from dsanet_core.untrimmed import score_untrimmed
from dsanet_core.video import encode_h264
from tests.video.make import number_of, write_video
from tests.weights import tiny_network

SAMPLING = Sampling(num_snippets=4, frames_per_snippet=2, frame_stride=4)
ONE_BY_ONE = Sampling(num_snippets=6, frames_per_snippet=1, frame_stride=1)


def write_drawn(path: Path, label: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_h264(synthetic.make_video(0, label).rgb[:16], fps=16, path=path)


def touch(root: Path, *names: str) -> Path:
    """Files that are no videos, each of another size."""
    for size, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * size)
    return root


def write_list(path: Path, *lines: str, end: str = "\n") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode())
    return str(path)


def rows(dataset: Dataset) -> list[tuple[str, str]]:
    return [(dataset.video_name(i), dataset.categories[i]) for i in range(len(dataset))]


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
        write_drawn(tmp_path / name)
    write_drawn(tmp_path / "outside.mp4")
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


def test_the_split_of_a_list_is_what_its_rows_say(tmp_path: Path) -> None:
    listed = write_list(
        tmp_path / "all.csv", "split,path,label", "train,1.mp4,a", "val,2.mp4,b", ",3.mp4,a"
    )
    assert rows(open_dataset(listed, split="val")) == [("2.mp4", "b")]
    assert len(open_dataset(listed)) == 3
    with pytest.raises(DatasetError, match=r"no split 'test'; expected one of .* 'train', 'val'"):
        open_dataset(listed, split="test")
    plain = write_list(tmp_path / "plain.csv", "path,label", "1.mp4,a")
    with pytest.raises(DatasetError, match=r"no split 'val'; expected .* \(it has none\)"):
        open_dataset(plain, split="val")


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
    write_drawn(tmp_path / "a" / "1.mp4")
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


def numbers_seen(dataset: Dataset, index: int, sampling: Sampling = ONE_BY_ONE) -> list[int]:
    clips = dataset.clips(index, sampling)
    return [number_of(clips.frames.rgb[place]) for place in clips.position.ravel()]


def test_a_row_with_start_and_end_shows_only_that_part(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "v.mp4", range(50), rate=25)
    listed = write_list(
        tmp_path / "list.csv", "path,label,start,end",
        "in/v.mp4,whole,,", "in/v.mp4,middle,0.4,0.64", "in/v.mp4,head,,0.24",
        "in/v.mp4,tail,1.76,",
    )
    dataset = open_dataset(listed)
    assert rows(dataset) == [
        ("in/v.mp4", "whole"), ("in/v.mp4 from 0.4 s to 0.64 s", "middle"),
        ("in/v.mp4 from 0 s to 0.24 s", "head"), ("in/v.mp4 from 1.76 s", "tail"),
    ]
    assert numbers_seen(dataset, 0) == [4, 12, 20, 28, 36, 44]
    # Snippets of 1 of 6 frames start at floor((i + 0.5) * 5 / 6).
    places = [0, 1, 2, 2, 3, 4]
    for index, first in ((1, 10), (2, 0), (3, 44)):
        assert numbers_seen(dataset, index) == [first + place for place in places]
    assert dataset.window(0) is None and dataset.window(1) == (0.4, 0.64)
    assert dataset.path(3) == tmp_path / "in/v.mp4"


def test_an_untrimmed_part_is_as_long_as_it_is(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", range(300), rate=25)
    listed = write_list(tmp_path / "list.csv", "path,label,start,end", "v.mp4,x,2,11")
    dataset = open_dataset(listed)
    analysis = score_untrimmed(
        lambda sampling, part: dataset.clips(0, sampling, part), tiny_network("i3d_synth")
    )
    assert len(analysis.pts_seconds) == 9, "a snippet per second"
    assert 2 <= analysis.pts_seconds.min() < 3 and 10 < analysis.pts_seconds.max() < 11


def test_a_part_past_the_end_of_its_video_is_an_error_of_its_row(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", range(25), rate=25)
    objects = (
        {"path": "v.mp4", "label": "gone", "start": 1.5, "end": 2},
        {"path": "v.mp4", "label": "between two frames", "start": 0.41, "end": 0.43},
        {"path": "none.mp4", "label": "missing"},
        {"path": "v.mp4", "label": "longer than it is", "start": 0.8, "end": 9},
    )
    dataset = open_dataset(write_list(tmp_path / "list.jsonl", *map(json.dumps, objects)))
    for index, says in enumerate(
        (r"v\.mp4 has no picture from 1\.5 s to 2 s of 1 s", r"0\.41 s to 0\.43 s", "not exist")
    ):
        with pytest.raises(VideoError, match=says):
            dataset.clips(index, ONE_BY_ONE)
    assert sorted({*numbers_seen(dataset, 3)}) == [20, 21, 22, 23]


def test_columns_come_in_any_order_and_unknown_ones_are_ignored(tmp_path: Path) -> None:
    absolute = tmp_path / "else where.mp4"
    lines = (
        "Label, camera ,END,path,start", '"arms, folded",3,2.5,"a, b.mp4",1', "",
        f'"say ""hi""",4,,{absolute}', ",,,,", "plain,,,sub/ü.mp4,",
    )
    expected = [
        ("a, b.mp4 from 1 s to 2.5 s", "arms, folded"),
        (absolute.name, 'say "hi"'),
        ("sub/ü.mp4", "plain"),
    ]
    for name, end in (("unix", "\n"), ("windows", "\r\n"), ("old", "\r")):
        path = write_list(tmp_path / f"{name}.CSV", *lines, end=end)
        assert rows(open_dataset(path)) == expected
        Path(path).write_bytes(b"\xef\xbb\xbf" + Path(path).read_bytes())
        assert rows(open_dataset(path)) == expected, "with the mark that spreadsheets write"
        assert open_dataset(path).path(1) == absolute
    objects = [
        {"label": "arms, folded", "path": "a, b.mp4", "start": 1, "end": 2.5, "camera": {}},
        {"path": str(absolute), "label": 'say "hi"', "start": None, "split": ""},
        {"path": "sub/ü.mp4", "label": "plain"},
    ]
    assert rows(open_dataset(write_list(
        tmp_path / "list.jsonl", json.dumps(objects[0]), "  ", *map(json.dumps, objects[1:])
    ))) == expected


HEADER = b"path,label,start,end\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"has no rows; expected at least one\. A list has a first line"),
        (HEADER, "has no rows"),
        (b"a.mp4,jumping\n", r"line 1 of .*: no column 'path' among 'a\.mp4', 'jumping'; exp"),
        (b"path,start\na.mp4,1\n", "line 1 .* no column 'label'"),
        (b"path;label\na.mp4;x\n", "no column 'path' among 'path;label'"),
        (b"path,label,path\n", "line 1 .* 2 columns 'path'"),
        (HEADER + b"a.mp4,x,,\nb.mp4\n", "line 3 of .*: no label; expected a path and a label"),
        (HEADER + b",x\n", "line 2 .* no path"),
        (HEADER + b"a.mp4,x,one,\n", "line 2 .* start 'one'; expected a number of seconds"),
        (HEADER + b"a.mp4,x,0:05,0:09\n", "start '0:05'"),
        (HEADER + b"a.mp4,x,-1,2\n", "start '-1'"),
        (HEADER + b"a.mp4,x,0,nan\n", "end 'nan'"),
        (HEADER + b"a.mp4,x,0,inf\n", "end 'inf'"),
        (HEADER + b"a.mp4,x,3,2\n", r"line 2 .* start 3 s and end 2 s; expected an end after"),
        (HEADER + b"a.mp4,x,0,0\n", "start 0 s and end 0 s"),
        (HEADER + b"a, b.mp4,x,,\n", "line 2 .* 5 values; expected at most the 4"),
        (HEADER + b'a.mp4,x\n"b.mp4,x\nc.mp4,x\n', "line 3 .*unexpected end of data"),
        (HEADER + b'a.mp4,"x"y\n', "line 2 .*expected comma-separated values"),
        (HEADER + b"a.mp4,x\ncaf\xe9.mp4,x\n", r"line 3 of .*: byte 32 .*0xe9\) is not UTF-8"),
        (b"\xff\xfep\0a\0", "line 1 .* byte 0 "),
        (HEADER + b"a" * (MAX_LINE + 1), "line 2 .* 65537 characters; expected at most 65536"),
    ],
)
def test_a_malformed_csv_names_the_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=says):
        open_dataset(str(path))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"path": "a.mp4", "label": "x"', "not JSON .*expected one JSON object per line"),
        (b'["a.mp4", "x"]', "list; expected one JSON object"),
        (b"[" * 9999, "not JSON"),
        (b"{}", "no path"),
        (b'{"path": "a.mp4", "label": 3}', "label 3; expected text"),
        (b'{"path": ["a.mp4"], "label": "x"}', "path .'a.mp4'.; expected text"),
        (b'{"path": "a.mp4", "label": "\\ud800"}', "label .*; expected text in Unicode"),
        (b'{"path": "a.mp4", "label": "x", "start": true}', "start True; expected a number"),
        (b'{"path": "a.mp4", "label": "x", "start": NaN}', "start nan"),
        (b'{"path": "a.mp4", "label": "x", "end": 1e999}', "end inf"),
        (b'{"path": "a.mp4", "label": "x", "end": 1' + b"0" * 400 + b"}", "end 10"),
        (b'{"path": "a.mp4", "label": "x", "end": [2]}', "end .2."),
        (b'{"path": "a.mp4", "label": "x", "split": 1}', "split 1; expected text"),
    ],
)
def test_a_malformed_jsonl_names_the_line(tmp_path: Path, line: bytes, says: str) -> None:
    path = tmp_path / "list.jsonl"
    path.write_bytes(b'{"path": "a.mp4", "label": "x"}\r\n' + line + b"\n")
    with pytest.raises(DatasetError, match=f"line 2 of .*: {says}"):
        open_dataset(str(path))


def test_paths_that_no_file_can_have_are_errors_of_their_rows(tmp_path: Path) -> None:
    objects = ({"path": "a\0b.mp4", "label": "x"}, {"path": "n" * 5000, "label": "x"},
               {"path": ".", "label": "x"})
    dataset = open_dataset(write_list(tmp_path / "list.jsonl", *map(json.dumps, objects)))
    assert len(dataset.fingerprint) == 64
    for index in range(3):
        with pytest.raises(VideoError):
            dataset.clips(index, ONE_BY_ONE)


def test_names_that_are_not_unicode_can_be_written_down(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    touch(tmp_path, f"a/{name}")
    dataset = open_dataset(str(tmp_path))
    assert rows(dataset) == [("a/caf\\xe9.mp4", "a")]
    assert dataset.path(0) == tmp_path / "a" / name and len(dataset.fingerprint) == 64


def test_a_list_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsanet_core.datasets.listing.MAX_BYTES", 2 << 20)
    path = tmp_path / "list.csv"
    path.write_bytes(HEADER + b"a.mp4,x,,\n" * (3 << 18))
    with pytest.raises(DatasetError, match="more than 2 MiB"):
        open_dataset(str(path))
