"""Lists of videos: what their columns mean, and what is said of malformed ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsanet_core.datasets import Dataset, open_dataset
from dsanet_core.datasets.text_files import MAX_LINE
from dsanet_core.errors import DatasetError, VideoError
from dsanet_core.records import Sampling
from dsanet_core.untrimmed import score_untrimmed
from tests.dataset_files import rows, write_list
from tests.video.make import number_of, write_video
from tests.weights import tiny_network

ONE_BY_ONE = Sampling(num_snippets=6, frames_per_snippet=1, frame_stride=1)


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


def test_a_list_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsanet_core.datasets.text_files.MAX_BYTES", 2 << 20)
    path = tmp_path / "list.csv"
    path.write_bytes(HEADER + b"a.mp4,x,,\n" * (3 << 18))
    with pytest.raises(DatasetError, match="more than 2 MiB"):
        open_dataset(str(path))
