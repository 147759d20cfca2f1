"""The page Layers from the entry script on, and what it says of runs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from app.pages.layers import (
    text,
    widgets,
)
from app.server import runs
from app.ui.run_text import clicked_data
from dsanet_core.figures.layer_table import LayerTable, all_videos, difference, layer_table
from dsanet_core.records import DISTANCES, Array, Layers, Run
from dsanet_core.runs import save_effects
from tests.app.conftest import OpenPage, figures, go, numbers, page_text
from tests.app.run_fixtures import put, real_runs, runs_folder
from tests.why_factory import make_run_effects
from tools.made_up_run import made_up_run

__all__ = ["real_runs", "runs_folder"]

CATEGORIES, BLOCKS = 12, 8
SECTIONS = [
    "Over all videos",
    "Class by class",
    "Class map",
    "Block importance per class",
    "Model, input and weights",
]


def made_up(seed: int, name: str, **choices: Any) -> Run:
    return made_up_run(150, CATEGORIES, BLOCKS, seed=seed, name=name, **choices)


def table_of(run: Run) -> LayerTable:
    assert run.selections is not None
    return layer_table(run, run.selections, ["" for _ in run.classes])


def averaging(run: Run) -> Run:
    assert run.selections is not None
    mean = np.full_like(run.selections.mean, 0.25)
    return replace(run, selections=replace(run.selections, mean=mean, spread=0 * mean))


def map_of(at: AppTest) -> dict[str, Array]:
    """The panels of the map by quantity."""
    return {t["name"]: numbers(t["z"]) for t in figures(at)[2]["data"] if t["type"] == "heatmap"}


@pytest.fixture
def pair(runs_folder: Path) -> tuple[Run, Run]:
    both = made_up(0, "one", dsa=True), made_up(1, "two")
    put(runs_folder, *both)
    return both


def test_the_page_shows_a_runs_weights(open_page: OpenPage, pair: tuple[Run, Run]) -> None:
    at = open_page("layers", run=pair[0].id)
    assert not at.error and [h.value for h in at.subheader] == SECTIONS
    table = table_of(pair[0])
    assert text.lead(all_videos(table)) in page_text(at)
    shown = map_of(at)
    for place, name in enumerate(table.quantities):
        np.testing.assert_allclose(shown[name], table.by_stage().value[:, :, place], rtol=1e-5)
    at.segmented_control(key="layers_by").set_value(text.BLOCKS).run()
    np.testing.assert_allclose(map_of(at)["LST"], table.value[:, :, 0], rtol=1e-5)
    assert len([key for key in figures(at)[1]["layout"] if key.startswith("yaxis")]) == BLOCKS


def test_at_first_a_run_that_selects_is_shown(open_page: OpenPage, runs_folder: Path) -> None:
    put(runs_folder, made_up(0, "plain", sda=False), averaging(made_up(1, "avg")),
        made_up(2, "kernels", sda=False, dsa=True), made_up(3, "selects"))  # fmt: skip
    at = open_page("layers")
    assert not at.error and at.query_params["run"] == "selects-3"


def test_the_numbers_are_those_of_the_runs_own_shards(
    open_page: OpenPage,
    real_runs: tuple[Path, list[Run]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, made = real_runs
    monkeypatch.setattr(runs, "FOLDER", folder)
    run = next(run for run in made if run.selections is not None)
    assert run.selections is not None
    rows: dict[int, tuple[int, Array]] = {}
    for shard in (folder / run.id).glob("videos.*.parquet"):
        for line in pq.read_table(shard).to_pylist():
            rows[line["row"]] = line["label"], np.reshape(line["dependency_weights"], (-1, 4))
    at = open_page("layers", run=run.id)
    at.segmented_control(key="layers_by").set_value(text.BLOCKS).run()
    shown = map_of(at)
    labels = sorted({label for label, _ in rows.values()})
    assert len(labels) > 10 and sum(len(values) for values in shown.values()) == 4 * len(labels)
    for row, label in enumerate(labels):
        weights = np.mean([values for own, values in rows.values() if own == label], axis=0)
        for place, name in enumerate(run.selections.quantities):
            np.testing.assert_allclose(shown[name][row], weights[:, place], atol=2e-6)
    summary = figures(at)[0]["data"][0]
    everything = np.mean([values[:, 0] for _, values in rows.values()], axis=0)
    np.testing.assert_allclose(numbers(summary["y"]), everything, atol=2e-6)


def test_kernels_of_the_same_run_are_one_choice_away(
    open_page: OpenPage, pair: tuple[Run, Run]
) -> None:
    at = open_page("layers", run=pair[0].id)
    at.segmented_control(key="layers_of").set_value(text.KERNELS).run()
    assert not at.error
    assert list(map_of(at)) == ["distance from identity", "distance from averaging"]
    assert "1 − 1/L" in page_text(at) and "**Distance from identity:** largest in" in page_text(at)
    assert not at.expander, "the paper's statements are about weights"


def test_a_difference_names_both_runs_and_is_their_difference(
    open_page: OpenPage, pair: tuple[Run, Run]
) -> None:
    at = open_page("layers", run=pair[0].id)
    at.toggle(key="layers_difference").set_value(True).run()
    assert not at.error and at.query_params["against"] == pair[1].id
    change = difference(table_of(pair[0]), table_of(pair[1]))
    stages = change.by_stage()
    np.testing.assert_allclose(map_of(at)["LT"], 100 * stages.value[:, :, 1], rtol=1e-4, atol=1e-4)
    assert text.lead(all_videos(change)) in page_text(at)
    assert "**one**" in page_text(at) and "**two**" in page_text(at)


def test_runs_of_other_blocks_cannot_be_compared_and_the_page_says_why(
    open_page: OpenPage, runs_folder: Path
) -> None:
    put(runs_folder, made_up(0, "one"), made_up_run(150, CATEGORIES, 4, name="short"))
    at = open_page("layers", run="one-0", against="short-0")
    at.toggle(key="layers_difference").set_value(True).run()
    assert "8 and 4 blocks" in at.error[0].value and "What to do" in at.error[0].value
    assert not at.get("plotly_chart")


def test_a_difference_without_another_run_says_so(open_page: OpenPage, runs_folder: Path) -> None:
    put(runs_folder, made_up(0, "one"), made_up(1, "plain", sda=False))
    at = open_page("layers", run="one-0")
    at.toggle(key="layers_difference").set_value(True).run()
    assert "No other run has SDA weights" in at.info[0].value


def test_equal_weights_are_said_not_drawn_and_other_runs_are_offered(
    open_page: OpenPage, pair: tuple[Run, Run], runs_folder: Path
) -> None:
    put(runs_folder, averaging(made_up(5, "avg")), made_up(6, "plain", sda=False))
    at = open_page("layers", run="avg-5")
    assert "is 25% in every block" in at.info[0].value
    assert not at.get("plotly_chart")
    at = open_page("layers", run="plain-6")
    assert "neither SDA nor DSA" in at.info[0].value
    assert {button.key for button in at.button} == {"take_one-0", "take_two-1"}
    at.button(key="take_one-0").click().run()
    assert at.query_params["run"] == "one-0" and len(at.get("plotly_chart")) == 3


def test_without_runs_the_page_says_how_to_make_one(
    open_page: OpenPage, runs_folder: Path
) -> None:
    at = open_page("layers")
    assert not at.error and "There is no finished run yet" in at.info[0].value


def test_categories_are_ordered_and_found_by_name_and_group(
    open_page: OpenPage, pair: tuple[Run, Run]
) -> None:
    at = open_page("layers", run=pair[0].id)

    def order() -> list[str]:
        return [name.split()[1] for name in figures(at)[2]["layout"]["yaxis"]["ticktext"]]

    plain = [f"{index:03d}" for index in range(CATEGORIES)]
    assert order() == plain
    at.segmented_control(key="layers_order").set_value(text.BY_GROUP).run()
    assert order() == [*plain[::2], *plain[1::2]]
    at.segmented_control(key="layers_order").set_value(text.BY_SIMILARITY).run()
    assert sorted(order()) == plain != order()
    assert "average linkage of Euclidean distances" in page_text(at)
    at.text_input(key="layers_search").set_value("ODD 00").run()
    assert sorted(order()) == ["001", "003", "005", "007", "009"]
    assert "5 of 12 classes" in page_text(at)
    at = go(go(at, "categories"), "layers")
    assert sorted(order()) == ["001", "003", "005", "007", "009"], "a visit elsewhere keeps it"
    at.text_input(key="layers_search").set_value("*no* such").run()
    assert r"\*no\* such" in at.info[0].value and not at.exception


def test_the_chosen_category_is_marked(open_page: OpenPage, pair: tuple[Run, Run]) -> None:
    at = open_page("layers", run=pair[0].id, of=pair[0].classes[3])
    squares = figures(at)[2]["data"][-1]["marker"]["symbol"]
    assert [symbol == "square" for symbol in squares] == [i == 3 for i in range(CATEGORIES)]


def test_a_click_names_its_category_and_nothing_else_does() -> None:
    def event(*points: Any) -> dict[str, Any]:
        return {"selection": {"points": list(points)}}

    assert clicked_data(event({"customdata": "b"})) == ["b"]
    assert clicked_data(event({"customdata": ["a"]})) == ["a"]
    for nothing in (None, event(), event({}), event({"customdata": []})):
        assert clicked_data(nothing) is None


def test_a_deep_link_brings_back_every_choice_and_is_short_without_any(
    open_page: OpenPage, pair: tuple[Run, Run]
) -> None:
    assert dict(open_page("layers", run=pair[0].id).query_params) == {"run": pair[0].id}
    query = {
        "run": pair[0].id, "against": pair[1].id, "layers_of": text.KERNELS,
        "layers_order": text.BY_SIMILARITY, "layers_search": "odd",
        "layers_by": text.BLOCKS, "layers_spread": "0", "layers_one": DISTANCES[1],
    }  # fmt: skip
    at = open_page("layers", **query)
    assert not at.error and list(map_of(at)) == [DISTANCES[1]]
    assert dict(at.query_params) == query
    assert not at.toggle(key="layers_spread").value
    at.toggle(key="layers_spread").set_value(True).run()
    assert "layers_spread" not in at.query_params
    other = open_page("layers", run=pair[1].id, against=pair[0].id, layers_difference="1")
    assert other.toggle(key="layers_difference").value and "**two**" in page_text(other)


def test_which_block_matters_is_drawn_for_the_categories_shown(
    open_page: OpenPage, pair: tuple[Run, Run], runs_folder: Path
) -> None:
    found = make_run_effects(CATEGORIES, blocks=4)
    save_effects(found, runs_folder / pair[0].id)
    at = open_page("layers", run=pair[0].id, layers_search="even")
    assert widgets.lead(found, pair[0].classes) in page_text(at)
    totals, drawn = figures(at)[3], figures(at)[4]
    rows = [row for row in range(0, CATEGORIES, 2) if found.videos[row]]
    np.testing.assert_allclose(numbers(drawn["data"][0]["z"]), 100 * found.drop[rows], rtol=1e-5)
    assert len(numbers(totals["data"][0]["y"])) == 4
    lines = list(csv.DictReader(io.StringIO(widgets.to_csv(found, pair[0].classes))))
    assert len(lines) == (CATEGORIES - 1) * 4 and lines[0]["category"] == pair[0].classes[0]
    assert "made up" in open_page("layers", run=pair[1].id).info[-1].value


def test_a_run_whose_blocks_were_not_tried_names_the_command(runs_folder: Path) -> None:
    run = replace(made_up(0, "real"), made_up=False)
    assert f"python -m dsanet_core effects {run.id}" in widgets.missing(run)


def test_blocks_that_average_can_matter_all_the_same(
    open_page: OpenPage, runs_folder: Path
) -> None:
    run = averaging(made_up(5, "avg"))
    put(runs_folder, run)
    save_effects(make_run_effects(CATEGORIES), runs_folder / run.id)
    at = open_page("layers", run=run.id)
    assert "is 25% in every block" in at.info[0].value
    assert [h.value for h in at.subheader] == ["Block importance per class"]
    assert len(at.get("plotly_chart")) == 2


def stages_run(weights: Any) -> LayerTable:
    """One category whose four stages have these weights of LST, LT, LS, S122."""
    run = made_up_run(4, 1, 4)
    layers = Layers(
        tuple(f"layer{stage}.0.sda" for stage in (1, 2, 3, 4)), ("LST", "LT", "LS", "S122"),
        np.array([weights]), np.full((1, 4, 4), 0.01),
    )
    return all_videos(layer_table(run, layers, [""]))


def test_the_papers_statements_hold_where_its_figure_is_drawn_and_not_upside_down() -> None:
    as_printed = stages_run([[0.4, 0.2, 0.2, 0.2], [0.3, 0.1, 0.1, 0.5], [0.15, 0.45, 0.2, 0.2],
                             [0.1, 0.2, 0.6, 0.1]])  # fmt: skip
    found = text.check_claims(as_printed)
    assert len(found) == 7 and all(holds for _, holds, _ in found)
    said = text.claims_list(found)
    assert "7 of 7" in said and "res2 40.0%, res3 30.0%, res4 15.0%, res5 10.0%" in said
    upside_down = replace(as_printed, value=as_printed.value[:, ::-1])
    said = text.claims_list(text.check_claims(upside_down))
    assert "0 of 7" in said and "✗ **Does not hold:**" in said
    equal = replace(as_printed, value=np.full_like(as_printed.value, 0.25))
    assert not any(holds for _, holds, _ in text.check_claims(equal))


def test_the_lead_reads_the_largest_weights_and_how_far_they_look() -> None:
    said = text.lead(stages_run([[0.4, 0.2, 0.2, 0.2], [0.1, 0.1, 0.1, 0.7],
                                        [0.2, 0.5, 0.2, 0.1], [0.1, 0.1, 0.5, 0.3]]))  # fmt: skip
    for part in ("LST in res2 (40.0%)", "S122 in res3 (70.0%)", "LT in res4 (50.0%)",
                 "largest weight in res4 (90.0%), smallest in res3 (30.0%)"):  # fmt: skip
        assert part in said


def test_exports_are_what_is_shown() -> None:
    run = made_up(0, "one")
    table = table_of(run).take([5, 2])
    rows = list(csv.DictReader(io.StringIO(text.to_csv(table))))
    assert len(rows) == 2 * BLOCKS * 4
    assert [row["category"] for row in rows[:: BLOCKS * 4]] == list(table.categories)
    values = np.array([float(row["mean"]) for row in rows]).reshape(table.value.shape)
    np.testing.assert_allclose(values, table.value, rtol=1e-5)
    document = json.loads(text.to_json(table, [run], text.BY_SIMILARITY))
    np.testing.assert_allclose(document["mean"], table.value, atol=1e-6)
    np.testing.assert_allclose(document["standard_deviation"], table.spread, atol=1e-6)
    assert document["runs"][0]["id"] == run.id and document["videos"] == table.videos.tolist()
    change = difference(table, table_of(made_up(1, "two")))
    document = json.loads(text.to_json(change, [run], text.MODEL_ORDER))
    np.testing.assert_allclose(
        np.array(document["first"]) - document["second"], document["difference"], atol=3e-6
    )
    assert next(csv.DictReader(io.StringIO(text.to_csv(change))))["difference"]
