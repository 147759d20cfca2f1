"""Names of outputs, in the order of the outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsanet_core.checkpoints.foreign_formats.labels import known_lists, read_classes
from dsanet_core.errors import CheckpointError

NAMES = ("abseiling", "air drumming", "zumba")


def test_the_lists_that_come_along_are_those_of_the_data_sets() -> None:
    assert known_lists() == ["kinetics400", "somethingv1"]
    kinetics, something = read_classes("kinetics400"), read_classes("somethingv1")
    assert (len(kinetics), len(something)) == (400, 174)
    assert list(kinetics) == sorted(kinetics)
    assert something[0] == "Holding something"
    assert read_classes("somethingv1", sorted_labels=True) == tuple(sorted(something))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "abseiling\nair drumming\nzumba\n"),
        ("a.txt", "\ufeffabseiling\r\nair drumming\r\n\r\nzumba"),
        ("a.csv", "id,name\n0,abseiling\n1,air drumming\n2,zumba\n"),
        ("a.csv", "2,zumba\n0,abseiling\n1,air drumming\n"),
        ("a.csv", "abseiling\nair drumming\nzumba\n"),
        ("a.json", json.dumps(NAMES)),
        ("a.json", json.dumps({"zumba": 2, "abseiling": 0, "air drumming": "1"})),
        ("a.json", json.dumps({"2": "zumba", "0": "abseiling", "1": "air drumming"})),
        ("a.json", json.dumps({'"zumba"': 2, "abseiling": 0, '"air drumming"': 1})),
    ],
)
def test_every_form_of_a_list_gives_the_same_names(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_classes(tmp_path / name) == NAMES


def test_a_file_is_taken_in_its_own_order(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("zumba\nabseiling\n")
    assert read_classes(tmp_path / "a.txt", sorted_labels=True) == ("zumba", "abseiling")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "", "it has no names"),
        ("a.txt", "walk\nwalk\n", "'walk' is in it twice"),
        ("a.csv", "0,walk\n2,run\n", r"indices are not 0 to 1 \(no 1"),
        ("a.csv", "0,walk\n1,\n", "an empty name"),
        ("a.json", "{", "cannot be read"),
        ("a.json", "3", "neither a list nor a mapping"),
        ("a.json", '["walk", 3]', "'3' is not a name"),
        ("a.json", '{"walk": "x"}', "cannot be read"),
        ("a.json", "[" * 100_000, "cannot be read"),
    ],
)
def test_a_list_that_makes_no_sense_is_a_clear_error(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=said):
        read_classes(tmp_path / name)


def test_a_list_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(CheckpointError, match=r"No such file.*kinetics400, somethingv1"):
        read_classes("nowhere.txt")
