"""The page Categories from the entry script on: runs, order, search, one category, exports."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from streamlit.testing.v1 import AppTest

from app.pages.categories import text
from app.server import runs
from app.ui import run_text, run_widgets
from dsanet_core import checkpoints
from dsanet_core.figures import compare_categories, most_improved
from dsanet_core.records import Layers, Run
from tests.app.conftest import OpenPage, figures, go, page_text
from tests.app.run_fixtures import put, real_runs, runs_folder
from tools.made_up_run import made_up_run

__all__ = ["real_runs", "runs_folder"]


def made_up(seed: int, name: str, **choices: Any) -> Run:
    return made_up_run(360, 18, 4, seed=seed, skill=1 + 0.5 * seed, name=name, **choices)


@pytest.fixture
def three(runs_folder: Path) -> list[Run]:
    made = [made_up(0, "plain", sda=False), made_up(1, "one"), made_up(2, "two")]
    put(runs_folder, *made)
    return made


def query(chosen: list[Run], **more: str) -> dict[str, str]:
    return {"runs": "~".join(run.id for run in chosen)} | more


def names(at: AppTest) -> list[str]:
    """The categories of the figure, from the top."""
    return [label.replace("<br>", " ") for label in figures(at)[0]["layout"]["yaxis"]["ticktext"]]


def test_without_runs_the_page_says_how_to_make_one(
    open_page: OpenPage, runs_folder: Path
) -> None:
    at = open_page("categories")
    assert not at.error and not at.get("plotly_chart")
    assert "There is no finished run yet" in at.info[0].value
    assert "python -m dsanet_core run" in at.info[0].value


def test_the_page_shows_what_the_runs_say(open_page: OpenPage, three: list[Run]) -> None:
    at = open_page("categories", **query(three))
    assert not at.error
    table = compare_categories(three, 2)
    shown = most_improved(table.rows, 15)
    assert names(at) == [row.name for row in shown]
    assert [len(trace["y"]) for trace in figures(at)[0]["data"][:3]] == [15] * 3
    assert text.lead(table, shown) in page_text(at)
    for said in ("SDA, footnote 2", "Made-up numbers:", "360 videos, 0 unreadable"):
        assert said in page_text(at)


def test_another_base_turns_gains_around(open_page: OpenPage, three: list[Run]) -> None:
    at = open_page("categories", **query(three))
    at.selectbox(key="base").set_value(three[2].id).run()
    drawn = figures(at)[0]["data"][:3]
    assert [trace["name"] for trace in drawn] == ["two (baseline)", "plain", "one"]
    assert at.query_params["base"] == three[2].id
    assert "than in two" in page_text(at)


def test_runs_of_other_videos_or_categories_are_refused_with_the_reason(
    open_page: OpenPage, runs_folder: Path
) -> None:
    first, other, foreign = (made_up(seed, name) for seed, name in enumerate("abc"))
    other = replace(other, dataset="elsewhere", dataset_sha256="f" * 64)
    classes = tuple(f"Foreign {index}" for index in range(18))
    foreign = replace(foreign, model=replace(foreign.model, classes=classes))
    put(runs_folder, first, other, foreign)
    at = open_page("categories", **query([first, other, foreign]))
    said = [warning.value for warning in at.warning]
    assert any(one.startswith("b ") and r"it saw other videos \(elsewhere" in one for one in said)
    assert any(one.startswith("c ") and "18 classes are not the 18 of a" in one for one in said)
    bars = [trace["name"] for trace in figures(at)[0]["data"] if trace["type"] == "bar"]
    assert bars == ["a"]


def test_as_many_as_asked_for_and_what_a_search_finds(
    open_page: OpenPage, three: list[Run]
) -> None:
    at = open_page("categories", **query(three))
    at.selectbox(key="shown").set_value("all").run()
    assert len(names(at)) == 18
    at.text_input(key="search").set_value("MADE 01").run()
    assert sorted(names(at)) == [f"Category {index:03d} of something made up" for index in
                                 (1, *range(10, 18))]
    at.text_input(key="search").set_value("*no* such").run()
    assert r"\*no\* such" in at.info[0].value
    assert not at.get("plotly_chart") and not at.exception


def test_without_a_network_that_selects_there_are_bars_alone(
    open_page: OpenPage, three: list[Run]
) -> None:
    at = open_page("categories", **query(three[:1]))
    assert text.NO_WEIGHTS in at.info[0].value
    assert {trace["type"] for trace in figures(at)[0]["data"]} == {"bar"}
    assert "add another run above" in page_text(at)


def test_a_category_is_chosen_kept_and_comes_back_with_the_link(
    open_page: OpenPage, three: list[Run]
) -> None:
    at = open_page("categories", **query(three))
    assert at.selectbox(key="of").value == names(at)[0], "at first the one on top"
    chosen = three[0].classes[7]
    at.selectbox(key="of").set_value(chosen).run()
    taken, videos = (element.value for element in at.dataframe)
    matrix = confusion_matrix(three[1].label, three[1].predicted)
    assert taken["one"].iloc[0] == matrix[7, 7]
    assert taken["one"].sum() == matrix[7].sum() == len(videos) == 20
    link = dict(at.query_params)
    at = go(go(at, "inspect"), "categories")
    assert at.selectbox(key="of").value == chosen
    other = open_page("categories", **link)
    assert other.selectbox(key="of").value == chosen
    assert other.dataframe[1].value.equals(videos)


def test_videos_that_most_runs_get_wrong_stand_first(three: list[Run]) -> None:
    rows = text.wrong_first(three, 4, np.arange(360))
    assert (three[0].label[rows] == 4).all() and len(rows) == 20
    wrong = sum((~run.correct[rows]).astype(int) for run in three)
    assert (np.diff(wrong) <= 0).all()
    table = run_text.video_table(three, rows)
    for run in three:
        for row, said in zip(rows, table[f"{run.model.name}: prediction"], strict=True):
            mark = "✓" if run.predicted[row] == run.label[row] else "✗"
            assert said == f"{mark} {run.classes[run.predicted[row]]}"
    assert "True class" not in table
    assert "True class" in run_text.video_table(three, np.arange(5))


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (None, None),
        ({}, None),
        ({"selection": {"points": []}}, None),
        ({"selection": {"points": [{"x": 1}]}}, None),
        ({"selection": {"points": [{"customdata": [7, "text"]}]}}, [7, "text"]),
    ],
)
def test_a_click_gives_the_class_behind_a_bar(event: Any, data: list[Any] | None) -> None:
    assert run_text.clicked_data(event) == data


def test_exports_hold_what_is_shown(three: list[Run]) -> None:
    table = compare_categories(three, 2)
    shown = most_improved(table.rows, 5)
    lines = list(csv.DictReader(text.to_csv(table, shown).splitlines()))
    assert [line["category"] for line in lines] == [row.name for row in shown]
    for line, row in zip(lines, shown, strict=True):
        assert float(line["accuracy two"]) == row.accuracy[2]
        assert float(line["centred weight S122"]) == row.weights[3]
        assert line["gains most"] == ("" if row.best is None else table.runs[row.best])
    videos = text.wrong_first(three, 4, np.arange(360))
    found = json.loads(text.to_json(three, table, shown, 4, videos))
    assert [one["category"] for one in found["categories"]] == [row.name for row in shown]
    assert found["categories"][0]["accuracy"]["one"] == shown[0].accuracy[1]
    assert [run["id"] for run in found["runs"]] == [run.id for run in three]
    assert all(run["made_up"] for run in found["runs"])
    assert found["chosen"]["category"] == three[0].classes[4]
    assert len(found["chosen"]["videos"]) == 20
    first = found["chosen"]["videos"][0]
    assert first["said"]["one"]["confidence"] == float(three[1].confidence[first["row"]])


def test_at_first_stand_the_runs_of_figure_4_in_the_papers_order(
    runs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)  # without the embedded runs

    def run(seed: int, name: str, kind: str) -> Run:
        made = made_up(seed, name, sda=kind != "none")
        if kind in ("LT", "LST"):
            ones = np.ones((18, 4, 1))
            return replace(made, selections=Layers(("b1", "b2", "b3", "b4"), (kind,), ones, ones))
        if kind == "avg" and made.selections is not None:
            even = np.full_like(made.selections.mean, 0.25)
            return replace(made, selections=replace(made.selections, mean=even))
        return made

    shift = run(5, "shift", "none")
    put(
        runs_folder,
        run(1, "sec", "sec"), run(2, "lt", "LT"), run(3, "avg", "avg"), run(4, "plain", "none"),
        replace(shift, model=replace(shift.model, consensus="shift")), run(6, "lst", "LST"),
        replace(run(7, "elsewhere", "LT"), dataset_sha256="1" * 64),
    )  # fmt: skip
    found = [runs.find(name).model.name for name in run_widgets.runs_of_figure_4()]
    assert found == ["plain", "lst", "lt", "avg", "sec"]
