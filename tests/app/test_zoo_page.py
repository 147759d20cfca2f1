"""The page Zoo from the entry script on: the papers' points, ours, and the tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.pages.zoo import text
from app.server import services
from dsanet_core import catalogue, checkpoints
from dsanet_core.catalogue import CatalogueRow
from dsanet_core.counting import Complexity
from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo.paper_tables import paper_rows
from tests.app.conftest import OpenPage, figures, go, page_text

OpenZoo = Callable[[], AppTest]
SYNTH = "synth:seed=7,n=2500"
pytestmark = pytest.mark.usefixtures("few_rows")


@pytest.fixture
def open_zoo(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> OpenZoo:
    """The page, with two networks of the zoo in the manifest."""
    manifest = {
        name: {
            "file": f"{name}.safetensors",
            "sha256": "0" * 64,
            "model": name,
            "accuracy": {"top1": top1, "dataset": SYNTH},
        }
        for name, top1 in (("i3d_synth", 0.25), ("dsa_i3d_synth", 0.75))
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    return lambda: open_page("zoo")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry per network that is counted."""
    seen: list[str] = []
    count = catalogue.complexity

    def counting(network: VideoNetwork, **choices: Any) -> Complexity:
        seen.append(network.spec.name)
        return count(network, **choices)

    monkeypatch.setattr(catalogue, "complexity", counting)
    return seen


def points(at: AppTest, place: int) -> list[dict[str, Any]]:
    """The traces of a figure that hold its points."""
    return [trace for trace in figures(at)[place]["data"] if "markers" in trace["mode"]]


def test_the_page_needs_no_video_and_runs_no_network(open_zoo: OpenZoo) -> None:
    at = open_zoo()
    assert not at.error
    assert [box.label for box in at.file_uploader] == ["Upload a checkpoint"]
    assert services.network_runs() == 0
    assert [h.value for h in at.subheader] == [
        "Add your own weights",
        "Accuracy against cost",
        "Embedded models, measured here",
        "All models",
        "Paper figures and ours",
    ]


def test_the_papers_points_and_ours_have_their_own_axes(open_zoo: OpenZoo) -> None:
    at = open_zoo()
    papers, ours = ({trace.get("name") for trace in points(at, place)} for place in (0, 1))
    assert all("as printed in the paper" in name for name in papers)
    assert ours == {f"Measured here on {SYNTH}"}
    assert len(at.get("plotly_chart")) == 2


def test_ours_are_the_accuracy_of_the_manifest_at_our_cost(open_zoo: OpenZoo) -> None:
    at = open_zoo()
    drawn = points(at, 1)[0]
    rows = {row["Model"]: row for row in at.dataframe[0].value.to_dict("records")}
    assert [name for name, _ in drawn["customdata"]] == ["dsa_i3d_synth", "i3d_synth"]
    assert drawn["y"] == [75.0, 25.0]
    for (name, _), gmacs in zip(drawn["customdata"], drawn["x"], strict=True):
        row = rows[name]
        assert gmacs == pytest.approx(row["MACs/view (G)"] * row["Views"])


def test_another_data_set_shows_its_own_points_and_counts_nothing_again(
    open_zoo: OpenZoo, counted: list[str]
) -> None:
    at = open_zoo()
    assert len(counted) > 4
    counted.clear()
    kinetics = figures(at)[0]
    at.selectbox(key="zoo_chart").select_index(1).run()
    sthv1 = figures(at)[0]
    at.selectbox(key="zoo_table").select_index(1).run()
    at.text_input(key="zoo_search").set_value("sda").run()
    at = go(go(at, "inspect"), "zoo")
    assert not counted
    assert kinetics != sthv1 == figures(at)[0], "the choice outlives a visit to another page"
    v1 = {row.top1[text.V1] for row in paper_rows() if row.label == "GST"}
    assert v1 <= {y for trace in sthv1["data"] for y in trace["y"]}


def test_search_keeps_the_networks_that_have_every_word(open_zoo: OpenZoo) -> None:
    at = open_zoo()
    assert len(at.dataframe[0].value) == 4
    at.text_input(key="zoo_search").set_value("SDA every block").run()
    assert list(at.dataframe[0].value["Model"]) == ["sda_tsn_r50"]
    assert "1 of 4 models" in page_text(at)


def test_a_search_without_result_says_what_to_do(open_zoo: OpenZoo) -> None:
    at = open_zoo()
    at.text_input(key="zoo_search").set_value("*no* <b>such</b>").run()
    assert not at.exception
    assert r"\*no\* \<b\>such" in at.info[0].value
    assert "0 of 4 models" in page_text(at)
    assert len(at.dataframe) == 1, "the papers' table is still there"


def test_unmatched_rows_stand_with_their_reason(open_zoo: OpenZoo) -> None:
    at = open_zoo()
    rows = {
        (row["Table"], row["Row"], row["Protocol"]): row
        for row in at.dataframe[1].value.to_dict("records")
    }
    gst = rows["SDA, Table 3", "GST", "8×1×1"]
    assert (gst["Matches"], gst["MACs: paper (G)"]) == ("no", 29.5)
    assert gst["MACs: difference (%)"] == pytest.approx(-1.7, abs=0.05)
    assert rows["SDA, Table 1", "LST", "8×1×1"]["Matches"] == "yes"
    assert rows["DSANet, Table 4", "TEA", "8×10×3"]["Remark"] == "not built here"
    assert "2 do not" in page_text(at) and "whose counter is not known" in page_text(at)


def test_one_table_of_the_papers_can_be_shown_alone(open_zoo: OpenZoo) -> None:
    at = open_zoo()
    at.selectbox(key="zoo_table").set_value("SDA, Table 1").run()
    assert list(at.dataframe[1].value["Row"]) == ["LST"]


def test_without_weights_the_page_says_how_to_get_some(
    open_zoo: OpenZoo, tmp_path: Path
) -> None:
    at = open_zoo()
    (tmp_path / "manifest.json").unlink()
    at.run()
    assert "make train-embedded" in at.info[0].value
    assert len(at.get("plotly_chart")) == 1
    assert set(at.dataframe[0].value["Weights"]) == {"none"}


def make_network(name: str, **accuracy: Any) -> CatalogueRow:
    return CatalogueRow(name, "a network", "nowhere", 10**6, 2 * 10**9, 3, 25, "one", (), accuracy)


def test_points_measured_on_different_data_are_kept_apart() -> None:
    networks = [
        make_network("a", top1=0.5, dataset="one"),
        make_network("b", top1=0.6, dataset="two"),
        make_network("c"),
    ]
    found = text.measured_points(networks)
    assert {data: [(p.name, p.gmacs, p.top1) for p in found[data]] for data in found} == {
        "one": [("a", 6.0, 50.0)],
        "two": [("b", 6.0, 60.0)],
    }


def test_every_chart_of_the_papers_has_both_groups_and_every_point_that_can_be_drawn() -> None:
    rows = paper_rows()
    for chart, (paper, table, data) in text.CHARTS.items():
        groups = text.paper_points(rows, chart)
        drawn = sum(map(len, groups.values()))
        of_table = [r for r in rows if (r.paper, r.table) == (paper, table) and data in r.top1]
        assert drawn == sum(bool(row.macs) for row in of_table) > 10
        assert all(groups.values())
        assert all(p.name.startswith(("DSA+", "SDA-")) for p in next(iter(groups.values())))

