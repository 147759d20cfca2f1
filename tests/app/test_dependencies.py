"""The page Dependencies, and the other pages with a network of SDA: what a user sees and pays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.server import samples, services
from dsanet_core import checkpoints
from dsanet_core.analysis import analyze
from dsanet_core.report import text
from tests.app.conftest import OpenPage, go, page_text, settle
from tests.weights import tiny_network

SDA = {"video": "sample-15", "model": "sda_tsn_synth"}


def test_the_page_shows_weights_gate_and_responses(open_page: OpenPage) -> None:
    at = open_page("dependencies", **SDA)
    assert not at.error
    headings = [heading.value for heading in at.subheader]
    assert headings[0] == "Weights in all blocks"
    assert headings[1].startswith("Gate of res")
    assert headings[2:] == ["Response per dependency", "Model, input and weights"]
    assert len(at.get("plotly_chart")) == 3 + 4
    for said in (
        "Largest weight per block", "with equal weights, the gate changes by",
        "**LST:** the whole video",
        "Residual Blocks 1 to 4 of the paper", "8 single frames", "gated by SDA over all frames",
    ):  # fmt: skip
        assert said in page_text(at)
    labels = [button.label for button in at.download_button]
    assert [label.split(": ")[1] for label in labels] == [
        "all data (JSON)", "dependencies (CSV)",
    ]  # fmt: skip


def test_at_first_the_block_is_the_one_that_selecting_changes_most(open_page: OpenPage) -> None:
    at = open_page("dependencies", **SDA)
    analysis = analyze(samples.clip(15), checkpoints.load_model(SDA["model"]))
    most = max(analysis.selections, key=lambda selection: selection.gate_change.mean())
    assert at.selectbox(key="block").value == most.block
    assert text.selection_summary(most, 0) in page_text(at)
    assert text.dependencies_summary(analysis, 0) in page_text(at)


def test_switching_block_or_page_runs_no_network_again(open_page: OpenPage) -> None:
    at = open_page("dependencies", **SDA)
    runs, decodes = services.network_runs(), services.decodes()
    assert runs == 1
    readings = set()
    for block in ("layer1.0.sda", "layer3.1.sda", "layer4.1.sda"):
        at = settle(at.selectbox(key="block").set_value(block).run())
        assert at.query_params["block"] == block
        assert block in page_text(at)
        readings.add(next(m.value for m in at.markdown if "equal shares are" in m.value))
    assert len(readings) == 3, "every block has its own reading"
    for page in ("inspect", "kernels", "dependencies"):
        at = go(at, page)
    assert (services.network_runs(), services.decodes()) == (runs, decodes)


def test_another_crop_shows_its_own_view_and_runs_nothing(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network = tiny_network("sda_tsn_synth")
    protocol = replace(network.spec.protocol, num_crops=3)
    network.spec = replace(network.spec, protocol=protocol)
    checkpoints.save_checkpoint(tmp_path / "three.safetensors", network, trained_on="nothing")
    checkpoints.write_manifest(tmp_path)
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    at = open_page("dependencies", video=SDA["video"], model="three")
    runs = services.network_runs()
    at = settle(at.selectbox(key="view").select_index(2).run())
    assert at.query_params["view"].startswith("View 3 of 3: frames 1, 2,")
    assert at.query_params["view"].endswith("right or bottom crop")
    assert len(at.get("plotly_chart")) == 7
    assert services.network_runs() == runs


def test_a_deep_link_brings_back_block_and_view(open_page: OpenPage) -> None:
    query = SDA | {
        "block": "layer3.1.sda", "view": "View 1 of 1: frames 1, 2, 3, 4, 5, 6, 7, 8"
    }  # fmt: skip
    at = open_page("dependencies", **query)
    assert at.selectbox(key="block").value == query["block"]
    assert at.query_params == query


@pytest.mark.parametrize(
    ("page", "model", "part", "takes"),
    [
        ("dependencies", "dsa_i3d_synth", "SDA", "sda_tsn_synth"),
        ("kernels", "sda_tsn_synth", "DSA", "dsa_i3d_synth"),
    ],
)
def test_a_page_that_needs_another_network_offers_it(
    open_page: OpenPage, page: str, model: str, part: str, takes: str
) -> None:
    at = open_page(page, video=SDA["video"], model=model)
    assert f"Choose a model with {part} above" in at.info[0].value
    assert not at.get("plotly_chart")
    next(button for button in at.button if button.key == f"take_{takes}").click()
    at = settle(at.run())
    assert at.selectbox(key="model").value == at.query_params["model"] == takes
    assert at.get("plotly_chart")


def test_inspect_speaks_of_frames_where_snippets_are_frames(open_page: OpenPage) -> None:
    at = open_page(**SDA)
    assert at.subheader[0].value == "Scores per frame"
    mixing = "This model mixes all frames of a view, so these scores are not independent"
    assert mixing in page_text(at)
    assert len(at.get("plotly_chart")) == 2


def test_networks_of_different_sampling_are_compared_by_time(open_page: OpenPage) -> None:
    at = open_page("compare", video=SDA["video"], other="sda_tsn_synth")
    assert not at.error
    assert page_text(at).count("The models saw different frames") == 2
    cells = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    assert len(cells) == 4, "snippets and video of each network"
