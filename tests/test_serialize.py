"""An analysis survives JSON exactly, and nothing else is taken for one."""

from __future__ import annotations

import base64
import csv
import io
import json
import subprocess
import sys
import zlib
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from dsanet_core import serialize
from dsanet_core.errors import RecordError
from dsanet_core.serialize import (
    CsvTable,
    analysis_from_json,
    analysis_to_csv,
    analysis_to_json,
    dependencies_to_csv,
)
from tests.factory import make_analysis


def assert_equal(a: Any, b: Any) -> None:
    """Deep equality of records, types and array dtypes included."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif is_dataclass(a):
        for entry in fields(a):
            assert_equal(getattr(a, entry.name), getattr(b, entry.name))
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    else:
        assert a == b


@pytest.mark.parametrize("consensus", ["dsa", "average", "sda"])
def test_round_trip_is_exact(consensus: str) -> None:
    analysis = make_analysis(3, consensus=consensus)
    assert_equal(analysis_from_json(analysis_to_json(analysis)), analysis)


def test_round_trip_keeps_every_dtype_optional_field_and_odd_name() -> None:
    analysis = make_analysis(4)
    name = 'a "name"\nwith \udcff and 動画.mp4'
    analysis = replace(
        analysis,
        video=replace(analysis.video, name=name, num_frames_claimed=None, notes=("a", "b")),
        snippet_scores=analysis.snippet_scores.astype(np.float64) / 3,
        familiarity=None,
        seconds={},
    )
    assert_equal(analysis_from_json(analysis_to_json(analysis)), analysis)


def test_numbers_are_readable_by_any_tool() -> None:
    analysis = make_analysis(5)
    document = json.loads(analysis_to_json(analysis))
    np.testing.assert_allclose(
        document["snippet_scores"]["values"], analysis.snippet_scores, rtol=1e-6
    )
    digits = {len(str(x)) for row in document["snippet_scores"]["values"] for x in row}
    assert max(digits) <= 16, "a float32 needs no more than nine significant digits"


def test_thumbnails_can_stay_out() -> None:
    analysis = make_analysis(6)
    small = analysis_from_json(analysis_to_json(analysis, thumbnails=False))
    assert small.thumbnails.shape == (8, 4, 0, 0, 3)
    assert_equal(replace(small, thumbnails=analysis.thumbnails), analysis)


def test_records_open_without_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from dsanet_core.serialize import analysis_from_json\n"
        "print(analysis_from_json(sys.stdin.read()).top(1)[0][0])"
    )
    analysis = make_analysis(7)
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=analysis_to_json(analysis),
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == analysis.top(1)[0][0], done.stderr


def edit(**changes: Any) -> str:
    document = json.loads(analysis_to_json(make_analysis(8)))
    for path, value in changes.items():
        target, *rest = path.split("__")
        place = document
        while rest:
            place, target = place[target], rest.pop(0)
        place[target] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("\x00\x01", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "does not name the format"),
        ('{"format": "other"}', "does not name the format"),
        (edit(version=99), "version 99"),
        (edit(extra=1), "unknown field 'extra'"),
        (edit(video={"name": "x"}), "video: Object missing required field `sha256`"),
        (edit(video=1), "video 1: Expected `object`, got `int`"),
        (edit(video__artist="x"), "unknown field 'artist' of video"),
        (edit(video__width="wide"), "video.width: Expected `int`, got `str`"),
        (edit(video__width=True), "video.width True: Expected `int`, got `bool`"),
        (edit(video__width=-3), "video size"),
        (edit(video__fps=10**400), "video.fps: Number out of range"),
        (edit(model__classes=["only one"]), "expected (8, 1)"),
        (edit(protocol__mean=[0.5]), "protocol.mean: Expected `array` of length 3, got 1"),
        (edit(protocol__sampling__policy="guess"), "Invalid enum value 'guess'; expected one of"),
        (edit(kernels="none"), "kernels: Expected `array`, got `str`"),
        (edit(snippet_scores__values=[["0.5"]]), "something else than numbers"),
        (edit(snippet_scores__values=[[1, 2], [3]]), "inhomogeneous"),
        (edit(snippet_scores__dtype="object"), "dtype 'object'"),
        (edit(video_scores__values=[1e300] * 5), "float32 cannot hold"),
        (edit(frame_index__values=[[0.5] * 4] * 8), "int64 cannot hold"),
        (edit(seconds={"decode": None}), "seconds[...]: Expected `float`, got `null`"),
        (edit(thumbnails__zlib_base64="***"), "cannot be unpacked"),
        (edit(thumbnails__zlib_base64=None), "cannot be unpacked"),
        (edit(thumbnails__shape=[8, 4, 6, 9, 3]), "another size"),
        (edit(thumbnails__shape=[8, 4, -6, -8, 3]), "thumbnails: bytes of type"),
        (edit(thumbnails__dtype="float64"), "thumbnails: bytes of type"),
        (edit(thumbnails__shape=[8, 4, 6, 12, 2]), "thumbnails are (8, 4, 6, 12, 2)"),
        (edit(thumbnails__shape=[8, 4, 10**6, 10**6, 3]), "more than"),
        (analysis_to_json(make_analysis()).replace('"version": 1', '"version": NaN'), "not JSON"),
    ],
)
def test_nonsense_is_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(RecordError) as caught:
        analysis_from_json(text)
    assert says in str(caught.value)
    assert "Export the analysis again." in str(caught.value)


def test_a_missing_field_is_named() -> None:
    document = json.loads(analysis_to_json(make_analysis()))
    del document["snippet_scores"]
    with pytest.raises(RecordError, match="missing required field `snippet_scores`"):
        analysis_from_json(json.dumps(document))


def test_an_export_from_before_a_field_was_added_still_opens() -> None:
    analysis = make_analysis(8)
    document = json.loads(analysis_to_json(analysis))
    del document["selections"], document["protocol"]["resolution"]
    assert_equal(analysis_from_json(json.dumps(document)), analysis)


GATE = make_analysis(consensus="sda").selections[0].gate.shape


def edit_selection(**changes: Any) -> str:
    document = json.loads(analysis_to_json(make_analysis(8, consensus="sda")))
    document["selections"][0].update(changes)
    return json.dumps(document)


def packed(array: np.ndarray, **changes: Any) -> dict[str, Any]:
    data = base64.b64encode(zlib.compress(array.tobytes())).decode()
    return {"dtype": str(array.dtype), "shape": list(array.shape), "zlib_base64": data} | changes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (edit_selection(block=3), "selections[0].block 3: Expected `str`, got `int`"),
        (edit_selection(dependencies=["LST"]), "4 weights of ('LST',)"),
        (edit_selection(aggregation="max"), "'max'; expected one of ('avg', 'sec')"),
        (edit_selection(extra=1), "unknown field 'extra' of selections"),
        (edit_selection(weights={"dtype": "float32", "values": [[1, 1, 1, 1]]}), "sum to 1"),
        (edit_selection(responses={}), "responses: Expected `array`, got `object`"),
        (edit_selection(responses=[]), "0 responses of 4"),
        (edit_selection(gate=packed(np.full(GATE, 2, np.float16))), "outside 0..1"),
        (edit_selection(gate=packed(np.full(GATE, np.nan, np.float16))), "outside 0..1"),
        (edit_selection(gate=packed(np.zeros((1, 8, 4, 4), np.uint8))), "of type 'uint8'"),
        (edit_selection(gate=packed(np.zeros((8, 4, 4), np.float16))), "of type 'float16'"),
        (edit_selection(gate=packed(np.zeros(1, np.float16), shape=[1, 8, 4, 4])), "another size"),
        (edit_selection(gate=packed(np.zeros(1, np.float16), shape=[1, 8, 9**6, 9**6])), "more"),
    ],
)  # fmt: skip
def test_a_selection_that_cannot_be_is_refused(text: str, says: str) -> None:
    with pytest.raises(RecordError) as caught:
        analysis_from_json(text)
    assert says in str(caught.value)


def test_many_maps_together_are_not_inflated_past_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = analysis_to_json(make_analysis(8, consensus="sda"))
    maps = [
        each
        for selection in make_analysis(8, consensus="sda").selections
        for each in (selection.gate, selection.average_gate, *selection.responses)
    ]
    size = sum(each.nbytes for each in maps)
    monkeypatch.setattr(serialize, "MAX_MAP_BYTES", size)
    analysis_from_json(text)
    monkeypatch.setattr(serialize, "MAX_MAP_BYTES", size - 1)
    with pytest.raises(RecordError, match="bytes, more than"):
        analysis_from_json(text)


def test_selections_as_a_table_have_a_row_for_every_dependency() -> None:
    analysis = make_analysis(9, consensus="sda")
    rows = list(csv.DictReader(io.StringIO(dependencies_to_csv(analysis))))
    assert len(rows) == sum(selection.weights.size for selection in analysis.selections)
    last = analysis.selections[-1]
    assert [row["dependency"] for row in rows[-4:]] == list(last.dependencies)
    for name, expected in (
        ("weight", last.weights[-1]),
        ("centred_weight", last.weights[-1] - 0.25),
        ("energy", last.energy[-1]),
        ("gate", [last.gate[-1].mean(dtype=float)] * 4),
        ("average_gate", [last.average_gate[-1].mean(dtype=float)] * 4),
    ):
        np.testing.assert_allclose([float(row[name]) for row in rows[-4:]], expected, atol=1e-6)


def test_a_bomb_of_thumbnails_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialize, "MAX_THUMBNAIL_BYTES", 10_000)
    bomb = base64.b64encode(zlib.compress(bytes(10**7))).decode()
    with pytest.raises(RecordError, match="another size"):
        analysis_from_json(edit(thumbnails__zlib_base64=bomb))


def test_csv_holds_every_score_and_the_times() -> None:
    analysis = make_analysis(9)
    rows = list(csv.reader(io.StringIO(analysis_to_csv(analysis))))
    assert rows[0] == ["snippet", "start_seconds", "end_seconds", *analysis.model.classes]
    assert [row[0] for row in rows[1:]] == [*map(str, range(1, 9)), "video"]
    scores = np.array([row[3:] for row in rows[1:]], np.float32)
    np.testing.assert_array_equal(scores[:-1], analysis.snippet_scores)
    np.testing.assert_array_equal(scores[-1], analysis.video_scores)
    np.testing.assert_allclose(
        [float(row[1]) for row in rows[1:-1]], analysis.pts_seconds[:, 0], atol=5e-4
    )


def test_no_text_of_a_table_is_a_formula_and_numbers_stay_as_they_are() -> None:
    out = io.StringIO()
    table = CsvTable(out)
    table.writerow(["=1+1", "+cmd|' /C calc'!A0", "-moving", "@SUM(A1)", "\t=1"])
    table.writerows([[-0.5, "-0.5", "+1", "-inf", "a=1", "", None, 3], ["a\r=1", "b\n=1"]])
    out.seek(0)
    texts, numbers, lines = list(csv.reader(out))
    assert all(text.startswith("'") for text in texts)
    assert numbers == ["-0.5", "-0.5", "+1", "-inf", "a=1", "", "", "3"]
    assert lines == ["a =1", "b\n=1"]
