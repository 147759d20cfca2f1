"""The page What if from the entry script on: changes as choices, words and addresses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.pages.whatif import text
from app.server import samples, services
from dsanet_core import checkpoints, synthetic
from dsanet_core.records import Analysis
from dsanet_core.report import attribution_text
from dsanet_core.report.text import escape
from dsanet_core.serialize import analysis_from_json
from dsanet_core.text_format import percent
from dsanet_core.whatif import rank_blocks, what_if
from dsanet_core.whatif.changes import OtherKernel
from tests.app.conftest import Download, OpenPage, figures, go, numbers, page_text, settle
from tests.factory import make_analysis
from tests.why_factory import make_effects

SAMPLE = {"video": "sample-15"}
DSA = make_analysis(0)
SDA = make_analysis(0, frames=1, group_size=8, consensus="sda")
PLAIN = make_analysis(0, consensus="average", name="i3d_synth")


def expected(name: str, changes: list[Any]) -> Analysis:
    return what_if(samples.clip(15), checkpoints.load_model(name), changes)


def says(analysis: Analysis) -> tuple[str, str]:
    """The answer as the page writes it."""
    category, probability = analysis.top(1)[0]
    return f"Prediction ({percent(probability)})", f"#### {escape(category)}"


def chips(at: AppTest) -> list[str]:
    return [button.label for button in at.button if str(button.key).startswith("chip_")]


def test_without_changes_the_page_says_what_to_do(open_page: OpenPage) -> None:
    at = open_page("whatif", **SAMPLE)
    assert not at.error and "No changes yet" in at.info[0].value
    assert "changes" not in at.query_params and not chips(at)
    assert len(figures(at)) == 1
    assert "Upload a video" in open_page("whatif").info[0].value


def test_a_change_shows_the_answer_before_and_after(
    open_page: OpenPage, download: Download
) -> None:
    at = open_page("whatif", **SAMPLE)
    at = settle(at.selectbox(key="whatif_order").set_value("reverse").run())
    assert at.query_params["changes"] == "reverse"
    before, after = (expected("dsa_i3d_synth", changes) for changes in ([], ["reverse"]))
    assert not np.allclose(before.video_scores, after.video_scores)
    for analysis in (before, after):
        assert all(part in page_text(at) for part in says(analysis))
    assert text.prediction_change(before, after) in page_text(at)
    assert "their order can change the prediction" in page_text(at)
    assert chips(at) == ["snippets in reverse order, the frames of each as they were"]
    assert len(figures(at)) == 4
    labels = [button.label for button in at.download_button]
    assert len(labels) == 5 and sum("modified" in label for label in labels) == 2
    assert labels[-1] == "Report (HTML)"
    exports = [label for label in labels if label.endswith("(JSON)")]
    for label, analysis in zip(exports, (before, after), strict=True):
        exported = analysis_from_json(download(at, label))
        np.testing.assert_allclose(exported.video_scores, analysis.video_scores, atol=1e-6)
        assert exported.changes == analysis.changes


def test_changes_stand_in_the_address_and_come_back_from_it(
    open_page: OpenPage,
) -> None:
    at = open_page("whatif", **SAMPLE)
    settle(at.selectbox(key="whatif_every").set_value("identity").run())
    assert at.query_params["changes"] == "identity:*"
    settle(at.multiselect(key="whatif_drop").set_value(["3", "1"]).run())
    settle(at.toggle(key="whatif_freeze").set_value(True).run())
    link = dict(at.query_params)
    assert link["changes"] == "drop:1~drop:3~freeze~identity:*"
    said = page_text(at)

    other = open_page("whatif", **link)
    assert dict(other.query_params) == link and page_text(other) == said
    assert other.selectbox(key="whatif_layer3.1.dsa").value == "identity"
    assert other.selectbox(key="whatif_every").value == "identity"
    assert other.multiselect(key="whatif_drop").value == ["1", "3"]
    assert other.toggle(key="whatif_freeze").value
    settle(other.selectbox(key="whatif_layer3.1.dsa").set_value("average").run())
    assert other.query_params["changes"].endswith("identity:layer2.1.dsa~average:layer3.1.dsa")
    assert other.selectbox(key="whatif_every").value is None


def test_a_click_on_a_change_takes_it_back(open_page: OpenPage) -> None:
    at = open_page("whatif", **SAMPLE, changes="reverse~identity:*")
    assert len(chips(at)) == 2
    next(button for button in at.button if button.key == "chip_1").click()
    at = settle(at.run())
    assert at.query_params["changes"] == "reverse" and len(chips(at)) == 1
    assert at.selectbox(key="whatif_every").value == ""


def test_changes_at_hand_run_nothing_again(open_page: OpenPage) -> None:
    at = open_page("whatif", **SAMPLE, changes="reverse")
    settle(at.selectbox(key="whatif_order").set_value("").run())
    settle(at.multiselect(key="whatif_repeat").set_value(["2"]).run())
    runs, decodes = services.network_runs(), services.decodes()
    assert (runs, decodes) == (3, 1)
    settle(at.multiselect(key="whatif_repeat").set_value([]).run())
    settle(at.selectbox(key="whatif_order").set_value("reverse").run())
    at = go(go(at, "inspect"), "whatif")
    assert (services.network_runs(), services.decodes()) == (runs, decodes)


def test_a_block_takes_the_kernel_of_another_video(open_page: OpenPage) -> None:
    at = open_page("whatif", **SAMPLE)
    settle(at.selectbox(key="kernel_of").set_value("sample-3").run())
    at = settle(at.selectbox(key="whatif_layer2.1.dsa").select_index(3).run())
    assert at.query_params["changes"] == "kernel=sample-3:layer2.1.dsa"
    network = checkpoints.load_model("dsa_i3d_synth")
    other = what_if(samples.clip(3), network, [])
    change = OtherKernel("other", "layer2.1.dsa").of(other)
    assert all(part in page_text(at) for part in says(expected("dsa_i3d_synth", [change])))
    assert synthetic.CATEGORIES[3] in chips(at)[0]
    settle(at.selectbox(key="kernel_of").set_value("sample-7").run())
    assert at.query_params["changes"] == "kernel=sample-7:layer2.1.dsa"


def test_blocks_of_sda_are_changed_one_by_one(open_page: OpenPage) -> None:
    at = open_page("whatif", **SAMPLE, model="sda_tsn_synth")
    options = at.selectbox(key="whatif_layer1.0.sda").options
    assert options[1:] == ["equal weights (AVG)", *(f"only {name}" for name in
                           ("LST", "LT", "LS", "S122")), "gate off"]  # fmt: skip
    settle(at.selectbox(key="whatif_layer1.0.sda").set_value("only=LT").run())
    after = expected("sda_tsn_synth", ["only=LT:layer1.0.sda"])
    assert all(part in page_text(at) for part in says(after))
    assert not any(toggle.key == "whatif_freeze" for toggle in at.toggle), "frames stand alone"


def test_an_averaging_network_has_only_its_input_to_change(open_page: OpenPage) -> None:
    at = open_page("whatif", **SAMPLE, model="i3d_synth", changes="reverse~identity:*")
    assert at.query_params["changes"] == "reverse", "it has no block to change"
    assert "has no DSA or SDA blocks" in at.info[0].value
    assert {button.key for button in at.button} >= {"take_dsa_i3d_synth", "take_sda_tsn_synth"}
    assert "a mean does not depend on their order" in page_text(at)
    before, after = (expected("i3d_synth", changes) for changes in ([], ["reverse"]))
    np.testing.assert_allclose(before.video_scores, after.video_scores, atol=1e-6)
    assert "has no DSA or SDA blocks." in page_text(at)


def test_the_blocks_are_ranked_at_a_click_and_kept(open_page: OpenPage) -> None:
    at = open_page("whatif", **SAMPLE)
    next(button for button in at.button if button.label.startswith("Compute block")).click()
    at = settle(at.run())
    assert at.query_params["ranked"] == "1"
    network = checkpoints.load_model("dsa_i3d_synth")
    effects = rank_blocks(samples.clip(15), network)
    assert attribution_text.block_importance(effects, network.spec.classes) in page_text(at)
    runs = services.network_runs()
    at.segmented_control(key="rank_order").set_value("strongest first").run()
    drawn = {
        int(y): x
        for trace in figures(at)[-1]["data"]
        for y, x in zip(numbers(trace["y"]), numbers(trace["x"]), strict=True)
    }
    bars = [drawn[place] for place in sorted(drawn)]
    np.testing.assert_allclose(bars, sorted(100 * effects.drop, reverse=True), rtol=1e-4)
    assert services.network_runs() == runs


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["identity:*"], ["identity:layer2.1.dsa", "identity:layer3.1.dsa"]),
        (["average:layer3.1.dsa", "identity:*"], ["identity:layer2.1.dsa", "average:layer3.1.dsa"]),
        (["reverse", "drop:8", "drop:2", "drop:9", "shuffle:0"], ["drop:2", "drop:8", "shuffle:0"]),
        (["kernel=sample-2:layer2.1.dsa"], ["kernel=sample-2:layer2.1.dsa"]),
        (["kernel=../x:layer2.1.dsa", "kernel=sample-999:*", "gate_off:*", "nonsense", ""], []),
        (["only=LT:layer2.1.dsa", "identity:layer9.9.dsa", "shuffle:77", "freeze:1"], []),
    ],
)
def test_only_changes_that_fit_are_kept_in_the_order_they_are_made(
    given: list[str], kept: list[str]
) -> None:
    found = text.expand(given, DSA)
    assert found == kept
    assert text.expand(text.shorten(found, DSA), DSA) == found
    for each in found:
        assert text.describe(each)


def test_changes_are_said_with_the_names_of_blocks_and_samples() -> None:
    assert text.describe("gate_off:layer3.0.sda") == (
        "res4, block 1 (layer3.0.sda): gate off, features pass as they are"
    )
    assert text.describe("identity:*") == "every block: identity kernel"
    assert synthetic.CATEGORIES[4] in text.describe("kernel=sample-4:layer2.1.dsa")
    every = [f"equal:{selection.block}" for selection in SDA.selections]
    assert text.shorten(every, SDA) == ["equal:*"]


def test_what_order_means_depends_on_whether_snippets_meet() -> None:
    reading = text.order_note
    assert reading(PLAIN, ["drop:1"]) == ""
    assert "a mean does not depend on their order" in reading(PLAIN, ["reverse"])
    assert "averaged together" in reading(PLAIN, ["shuffle:0"])
    assert "reversed too" in reading(PLAIN, ["reverse_time"])
    assert "can change the prediction" in reading(DSA, ["reverse"])
    apart = [f"identity:{kernel.block}" for kernel in DSA.kernels]
    assert "only averages" in reading(DSA, ["reverse", *apart])
    assert "can change the prediction" in reading(DSA, ["reverse", apart[0]])


def test_the_block_that_carries_most_is_named_and_what_turns_the_answer() -> None:
    effects = make_effects()
    said = attribution_text.block_importance(effects, DSA.model.classes)
    assert "res4, block 1" in said and "falls from 80.0% to 10.0%" in said
    assert "Removing one of the" in said
