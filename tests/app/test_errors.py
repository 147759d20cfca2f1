"""The page Errors: what is selected, what is said of it, and the way to every video."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from streamlit.testing.v1 import AppTest

from app.pages.errors import selection, text
from app.pages.errors.selection import (
    ALL,
    DIFFERENT,
    HIGHEST_CONFIDENCE,
    LOWEST_CONFIDENCE,
    OUTCOME_KEYS,
    Choice,
    View,
)
from app.server import runs
from app.ui.run_text import clicked_data
from dsanet_core import checkpoints
from dsanet_core.records import Run
from dsanet_core.runs.statistics import compare, confused_pairs
from dsanet_core.runs.summary import FILE, save_run
from tests.app.conftest import OpenPage, figures, go, page_text
from tools.made_up_run import made_up_run

VIDEOS, CATEGORIES = 240, 6
OpenErrors = Callable[..., AppTest]


def make_run(seed: int, **changes: Any) -> Run:
    run = made_up_run(VIDEOS, CATEGORIES, 2, seed=seed, name="net" if seed == 0 else "other")
    return replace(run, selections=None, **changes)


def always_right(run: Run) -> Run:
    return replace(run, predicted=run.label, label_rank=0 * run.label_rank)


@pytest.fixture(scope="module")
def run() -> Run:
    return make_run(0)


@pytest.fixture(scope="module")
def other() -> Run:
    """Of the same videos, but it could not read the first ten."""
    full = make_run(1)
    columns = ("row", "video", "label", "predicted", "confidence", "label_score", "label_rank")
    return replace(full, **{name: getattr(full, name)[10:] for name in columns})


@pytest.fixture(scope="module")
def alone(run: Run) -> View:
    return selection.make_view(run, None)


@pytest.fixture(scope="module")
def both(run: Run, other: Run) -> View:
    return selection.make_view(run, other)


@pytest.fixture
def open_errors(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> OpenErrors:
    """The page on these runs, the first of them chosen."""

    def open_(*made: Run, **query: str) -> AppTest:
        monkeypatch.setattr(runs, "FOLDER", tmp_path)
        for each in made:
            (tmp_path / each.id).mkdir(exist_ok=True)
            save_run(each, tmp_path / each.id / FILE)
        return open_page("errors", **({"run": made[0].id} | query))

    return open_


def videos(at: AppTest) -> list[dict[str, Any]]:
    """The lines of the table of videos, which is the last one."""
    return list(at.dataframe[-1].value.to_dict("records"))


def test_one_run_says_how_often_it_is_right_and_lists_its_mistakes(
    open_errors: OpenErrors, run: Run
) -> None:
    at = open_errors(run)
    hits = int((run.predicted == run.label).sum())
    assert f"{hits} of {VIDEOS} videos correct" in page_text(at)
    assert f"**{VIDEOS - hits} of {VIDEOS} videos**" in page_text(at)
    wrong = np.flatnonzero(run.predicted != run.label)
    expected = run.video[wrong[np.argsort(-run.confidence[wrong], kind="stable")]]
    assert [line["Video"] for line in videos(at)] == list(expected)
    assert all(line["net: prediction"].startswith("✗") for line in videos(at))
    assert len(at.get("plotly_chart")) == 3


def test_the_boxes_list_the_videos_of_a_cell(open_errors: OpenErrors, run: Run) -> None:
    at = open_errors(run)
    first = confused_pairs(run.confusion(), both_directions=False)[0]
    at.selectbox(key="true").select_index(first.true + 1).run()
    at.selectbox(key="predicted").select_index(first.predicted + 1).run()
    cell = (run.label == first.true) & (run.predicted == first.predicted)
    assert {line["Video"] for line in videos(at)} == set(run.video[cell])
    assert len(videos(at)) == first.mistaken
    assert f"Selected: {first.mistaken} videos of" in page_text(at)
    assert at.query_params["true"] == run.classes[first.true]
    at = go(go(at, "inspect"), "errors")
    assert len(videos(at)) == first.mistaken, "the choice outlives a visit to another page"


def test_a_deep_link_opens_a_cell(open_errors: OpenErrors, run: Run) -> None:
    right = (run.label == 2) & (run.predicted == 2)
    name = run.classes[2]
    at = open_errors(run, true=name, predicted=name, outcome=ALL)
    assert {line["Video"] for line in videos(at)} == set(run.video[right])
    drawn = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]
    shape = drawn[1]["layout"]["shapes"][0]
    assert (shape["x0"], shape["y0"]) == (1.5, 1.5), "and frames it in the matrix"


@pytest.mark.parametrize("sure", ["nonsense", "90-20", "0-9999", "-5-50", "5"])
def test_a_link_that_makes_no_sense_falls_back(
    open_errors: OpenErrors, run: Run, sure: str
) -> None:
    at = open_errors(run, true="<b>no such</b>", outcome="nonsense", against="nobody",
                     errors_sure=sure, errors_side="7", errors_order="none", errors_unit="x")
    assert not at.error
    assert len(videos(at)) == int((~run.correct).sum())
    assert not {"errors_sure", "errors_order", "errors_unit"} & set(at.query_params)


def test_an_address_restores_every_filter(open_errors: OpenErrors, run: Run) -> None:
    at = open_errors(run, outcome=ALL)
    middle = float(np.median(run.confidence))
    at.slider(key="errors_sure").set_value((0, int(100 * middle))).run()
    found = {line["Video"] for line in videos(at)}
    assert 0 < len(found) < VIDEOS
    link = dict(at.query_params)
    assert link["errors_sure"] == f"0-{int(100 * middle)}"
    again = open_errors(run, **link)
    assert {line["Video"] for line in videos(again)} == found


def test_two_runs_are_compared_on_the_videos_that_both_read(
    open_errors: OpenErrors, run: Run, other: Run
) -> None:
    at = open_errors(run, other, against=other.id)
    a, b = run.predicted[10:] == run.label[10:], other.predicted == other.label
    said = page_text(at)
    assert f"b = {(a & ~b).sum()} videos" in said and f"c = {(b & ~a).sum()} only" in said
    assert f"each of the {VIDEOS - 10} videos" in said and "10 that only net could" in said
    found = compare(a, b)
    assert f"({text.p_value(found.p_value)}, McNemar" in said
    assert "10000 resamples" in said
    apart = run.predicted[10:] != other.predicted
    assert len(videos(at)) == apart.sum()
    groups = at.dataframe[0].value.to_dict("records")
    assert [line["Group"] for line in groups] == ["even", "odd"]
    assert sum(line["Videos"] for line in groups) == VIDEOS - 10
    assert len(at.get("plotly_chart")) == 4


def shown_matrix(at: AppTest) -> dict[tuple[int, int], int]:
    """Videos of every cell of the confusion matrix, by true and predicted class."""
    (cells,) = (trace for trace in figures(at)[2]["data"] if "customdata" in trace)
    return {(true, taken): int(said.split()[0]) for true, taken, _, _, said in cells["customdata"]}


def test_the_matrix_shows_the_answers_of_either_run(
    open_errors: OpenErrors, run: Run, other: Run
) -> None:
    at = open_errors(run, other, against=other.id)
    drawn = [shown_matrix(at)]
    at.segmented_control(key="errors_side").set_value("1").run()
    drawn.append(shown_matrix(at))
    for shown, predicted in zip(drawn, (run.predicted[10:], other.predicted), strict=True):
        counts = confusion_matrix(other.label, predicted, labels=range(CATEGORIES))
        assert shown == dict(np.ndenumerate(counts))
    at.selectbox(key="outcome").select_index(6).run()
    assert len(videos(at)) == (~other.correct).sum()


def test_runs_of_other_videos_are_not_compared_and_the_page_says_why(
    open_errors: OpenErrors, run: Run
) -> None:
    stranger = make_run(1, dataset="another *folder*", dataset_sha256="1" * 64)
    at = open_errors(run, stranger, against=stranger.id)
    assert "different datasets" in at.error[0].value
    assert r"another \*folder\*" in at.error[0].value
    at.selectbox(key="against").select_index(0).run()
    assert not at.error and videos(at)


def test_a_run_without_a_mistake_says_so(open_errors: OpenErrors, run: Run) -> None:
    at = open_errors(always_right(run))
    infos = " ".join(info.value for info in at.info)
    assert "No video is predicted as another class" in infos and "makes no mistakes" in infos
    at.selectbox(key="outcome").select_index(2).run()
    assert len(videos(at)) == VIDEOS


def test_two_runs_that_never_part_say_so(open_errors: OpenErrors, run: Run) -> None:
    twin = replace(run, id="twin", model=replace(run.model, name="twin"))
    at = open_errors(run, twin, against="twin")
    assert "correct on exactly the same videos" in page_text(at)
    assert "The two runs make the same prediction for every video" in at.info[0].value


def test_without_a_run_the_page_says_how_to_make_one(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "FOLDER", tmp_path)
    assert "python -m dsanet_core run" in open_page("errors").info[0].value


def test_filters_that_nothing_fits_can_be_taken_back(open_errors: OpenErrors, run: Run) -> None:
    at = open_errors(run)
    at.text_input(key="errors_video_search").set_value("no such video").run()
    assert "No video matches all filters" in at.info[0].value
    next(button for button in at.button if button.label.startswith("Reset")).click().run()
    assert len(videos(at)) == (~run.correct).sum()


def test_every_row_opens_inspect_and_two_runs_compare(
    open_errors: OpenErrors, run: Run, other: Run, weights_folder: Path
) -> None:
    manifest = checkpoints.read_manifest(weights_folder)
    names = list(manifest)[:2]
    real = [
        replace(
            each, made_up=False,
            model=replace(each.model, name=name, weights_sha256=manifest[name]["sha256"]),
        )
        for each, name in zip((run, other), names, strict=True)
    ]
    at = open_errors(*real, against=other.id)
    shown = videos(at)
    of = {str(name): int(row) for name, row in zip(run.video, run.row, strict=True)}
    for page, line in (("", shown[0]), ("compare", shown[-1])):
        address = urlsplit(line["Compare" if page else "Inspect"])
        query = {key: value[0] for key, value in parse_qs(address.query).items()}
        assert address.path == f"./{page}"
        assert query["video"] == f"run-{run.id}-{of[line['Video']]}"
        assert (query["model"], query["from"], query["run"]) == (names[0], "errors", run.id)
        assert query.get("other") == (names[1] if page else None)


def test_filters_compose(both: View) -> None:
    run, pair = both.run, both.pair
    assert pair is not None
    choice = Choice(
        true=run.classes[1], outcome=OUTCOME_KEYS[1], sure=(30, 80), search="VIDEO 1",
        order=LOWEST_CONFIDENCE,
    )
    expected = [
        place for place in range(len(run.row))
        if run.label[place] == 1 and pair.first.correct[place] and not pair.second.correct[place]
        and 0.3 <= run.confidence[place] <= 0.8 and "1" in str(run.video[place])
    ]
    found = selection.select(both, choice)
    assert set(found) == set(expected) and len(expected) > 1
    assert (np.diff(run.confidence[found]) >= 0).all()
    surest = selection.select(both, replace(choice, order=HIGHEST_CONFIDENCE))
    assert list(surest) == list(found[::-1])


def test_the_outcomes_and_all_answers_divide_the_videos(both: View, alone: View) -> None:
    parts = [selection.select(both, Choice(outcome=key)) for key in OUTCOME_KEYS]
    assert sorted(np.concatenate(parts)) == list(range(len(both.run.row)))
    apart = selection.select(both, Choice(outcome=DIFFERENT))
    assert len(apart) == sum(len(parts[place]) for place in (1, 2, 4))
    assert len(selection.select(alone, Choice())) == VIDEOS


def test_confidence_goes_up_to_the_surest_video(run: Run) -> None:
    sure = replace(run, confidence=np.full(VIDEOS, 1 + 1e-7))
    assert len(selection.select(View((sure,)), Choice(sure=(100, 100)))) == VIDEOS
    assert len(selection.select(View((sure,)), Choice(sure=(0, 99)))) == 0


def test_a_search_finds_categories_and_their_partners() -> None:
    classes = ("push left", "push right", "pull", "lift", "drop")
    confusion = np.diag([9, 9, 9, 9, 9])
    confusion[2, 3], confusion[0, 4], confusion[1, 0] = 5, 2, 1
    assert selection.matrix_classes(confusion, classes, ALL, "") == [0, 1, 2, 3, 4]
    assert selection.matrix_classes(confusion, classes, "2", "") == [2, 3]
    assert selection.matrix_classes(confusion, classes, ALL, "PUSH") == [0, 1, 4]
    assert selection.matrix_classes(confusion, classes, ALL, "left push") == [0, 4, 1]
    assert selection.matrix_classes(confusion, classes, "2", "push") == [0, 1]
    assert selection.matrix_classes(confusion, classes, ALL, "none") == []


def test_a_click_is_read_from_the_mark_under_it() -> None:
    event = {"selection": {"points": [{"x": 1, "customdata": [3, -1, "a", "b", "c"]}]}}
    assert clicked_data(event) == [3, -1, "a", "b", "c"]
    assert clicked_data({"selection": {"points": []}}) is None
    assert clicked_data(None) is None


def test_the_csv_has_a_line_per_listed_video(both: View) -> None:
    places = selection.select(both, Choice(outcome=DIFFERENT))
    lines = list(csv.DictReader(io.StringIO(text.to_csv(both, places))))
    assert len(lines) == len(places)
    run = both.runs[1]
    for line, place in zip(lines, places, strict=True):
        assert int(line["row"]) == run.row[place]
        assert line["predicted, other"] == run.classes[run.predicted[place]]
        assert float(line["confidence, other"]) == pytest.approx(run.confidence[place])
        assert (line["right, other"] == "True") == (run.predicted[place] == run.label[place])


def test_the_json_has_everything_the_page_shows(both: View) -> None:
    choice = Choice(outcome=DIFFERENT)
    places = selection.select(both, choice)
    facts = json.loads(text.to_json(both, choice, places))
    assert both.pair is not None
    assert facts["difference"]["p_value"] == both.pair.difference().p_value
    assert sum(facts["outcomes"].values()) == len(both.run.row)
    assert sum(cell["videos"] for cell in facts["confusion"][0]) == len(both.run.row)
    assert len(facts["videos"]) == len(places)
    assert facts["calibration"][1]["expected_calibration_error"] == pytest.approx(
        both.runs[1].calibration().error
    )
    assert facts["runs"][0]["made_up"] is True
    assert "NaN" not in text.to_json(both, choice, places)


def test_a_p_value_is_never_written_as_nothing() -> None:
    assert text.p_value(1e-9) == "p < 0.0001"
    assert text.p_value(0.04) == "p = 0.04"
    assert text.p_value(1.0) == "p = 1"
