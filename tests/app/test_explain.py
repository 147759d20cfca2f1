"""The page Explain from the entry script on: what a user sees of an attribution, and what it costs.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.pages.explain import text, widgets
from app.server import samples, services, tasks
from dsanet_core import checkpoints, synthetic
from dsanet_core.attribution import attribute, attribution_to_csv, attribution_to_json
from dsanet_core.figures.attribution import heat_limit
from dsanet_core.records import METHODS, Attribution, Rate
from dsanet_core.report import attribution_text
from tests.app import odd_tasks
from tests.app.conftest import (
    Download,
    OpenPage,
    figures,
    go,
    page_text,
    settle,
    wait_for,
)
from tests.factory import make_analysis
from tests.why_factory import make_attribution, make_faithfulness, make_trust

SAMPLE = {"video": "sample-15"}


def expected(name: str, method: Any = "grad_cam", **choices: Any) -> Attribution:
    return attribute(samples.clip(15), checkpoints.load_model(name), method, **choices)


def test_the_page_shows_when_where_and_how_far_to_trust(
    open_page: OpenPage, download: Download
) -> None:
    at = open_page("explain", **SAMPLE)
    assert not at.error
    assert [h.value for h in at.subheader] == [
        "Contributions over time", "Heat maps", "Reliability of this explanation",
        "Model, input and weights",
    ]  # fmt: skip
    attribution = expected("dsa_i3d_synth")
    assert attribution_text.attribution_summary(attribution) in page_text(at)
    assert "Not measured" in page_text(at), "these weights are random"
    timeline, frame, strip = figures(at)
    assert [len(each["layout"]["images"]) for each in (timeline, frame, strip)] == [8, 2, 32]
    assert len(strip["data"]) == 32
    most = heat_limit([attribution])
    assert frame["layout"]["coloraxis"]["cmax"] == pytest.approx(most, rel=1e-4)
    assert strip["layout"]["coloraxis"]["cmax"] == pytest.approx(most, rel=1e-4)
    best = int(attribution.per_frame.argmax())
    assert at.select_slider(key="frame").value == str(best + 1)
    labels = [button.label for button in at.download_button]
    assert [label.split(": ")[-1] for label in labels] == [
        "all data (JSON)", "contributions (CSV)", "Report (HTML)",
    ]  # fmt: skip
    data, table, _ = (download(at, label) for label in labels)
    np.testing.assert_allclose(json.loads(data)["maps"], attribution.maps, atol=2e-6)
    shares = [float(row["share_logit"]) for row in csv.DictReader(io.StringIO(table))]
    np.testing.assert_allclose(shares, attribution.per_frame.ravel(), rtol=1e-3, atol=1e-5)


def test_what_is_at_hand_is_never_computed_again(
    open_page: OpenPage, asked: list[tuple[str, str]]
) -> None:
    at = open_page("explain", **SAMPLE)
    settle(at.selectbox(key="snippet").set_value("2").run())
    settle(at.selectbox(key="category").set_value(synthetic.CATEGORIES[3]).run())
    settle(at.selectbox(key="method").set_value("ablation").run())
    done = [method for _, method in asked]
    assert done == ["analysis", "grad_cam", "grad_cam", "grad_cam", "ablation"]
    runs, decodes = services.network_runs(), services.decodes()
    assert decodes == 1

    settle(at.selectbox(key="method").set_value("grad_cam").run())
    settle(at.selectbox(key="category").set_value(None).run())
    settle(at.selectbox(key="snippet").set_value("").run())
    for frame in ("1", "17", "32"):
        settle(at.select_slider(key="frame").set_value(frame).run())
        assert at.query_params["frame"] == frame
    at = go(go(at, "inspect"), "explain")
    assert len(asked) == 5 and (services.network_runs(), services.decodes()) == (runs, decodes)


def test_a_deep_link_brings_back_every_choice_and_is_short_without_any(
    open_page: OpenPage,
) -> None:
    assert dict(open_page("explain", **SAMPLE).query_params) == SAMPLE | {
        "model": "dsa_i3d_synth"
    }
    query = SAMPLE | {
        "model": "dsa_i3d_synth", "category": synthetic.CATEGORIES[4], "method": "ablation",
        "snippet": "3", "frame": "9", "beside": "i3d_synth",
    }  # fmt: skip
    at = open_page("explain", **query)
    assert dict(at.query_params) == query
    assert "for snippet 3" in page_text(at) and len(figures(at)) == 6
    odd = SAMPLE | {"method": "<b>", "snippet": "99", "frame": "-1", "beside": "nobody here"}
    at = open_page("explain", **odd)
    assert not at.error and len(figures(at)) == 3


def test_two_networks_share_the_scale_of_heat_and_of_bars(open_page: OpenPage) -> None:
    at = open_page("explain", **SAMPLE, beside="sda_tsn_synth")
    assert not at.error
    both = [expected("dsa_i3d_synth")]
    category = both[0].model.classes[both[0].category]
    both.append(expected("sda_tsn_synth", category=category))
    drawn = figures(at)
    most = heat_limit(both)
    ends = [each["layout"]["coloraxis"]["cmax"] for each in drawn if "coloraxis" in each["layout"]]
    assert ends == pytest.approx([most] * 4, rel=1e-4)
    ranges = [each["layout"]["yaxis"]["range"] for each in drawn[:2]]
    assert ranges[0] == ranges[1]
    assert at.selectbox(key="snippet").options == ["Whole video"], "other frames, no snippets"


def test_a_method_that_is_no_better_than_chance_is_not_offered_and_the_page_says_why(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = make_trust("grad_cam", gain=0.01, random_gain=0.04)
    good = make_trust("ablation", pointing=None)
    monkeypatch.setattr(widgets, "trust_of", lambda _: {"grad_cam": poor, "ablation": good})
    monkeypatch.setattr(widgets, "offered", lambda _: ("ablation", "occlusion"))
    at = open_page("explain", **SAMPLE, method="grad_cam")
    assert at.selectbox(key="method").value == "occlusion", "in the order of the methods"
    assert "Grad-CAM is not offered for tiny\\_dsa\\_i3d\\_synth" in page_text(at)
    assert "(+0.01 vs +0.04 on 60 videos)" in page_text(at)
    settle(at.selectbox(key="method").set_value("ablation").run())
    assert "finds the moment in 71.0% of 240 videos (a random moment: 31.0%)" in page_text(at)
    assert "cannot locate the object" in page_text(at)
    assert "better than chance" not in page_text(at)
    by_chance = make_trust("ablation", timing=Rate(0.44, 32, 0.40))
    said = attribution_text.reliability(make_attribution(make_analysis(0)), by_chance)
    assert "not clearly better than chance" in said
    known = {"grad_cam": poor, "ablation": make_trust("ablation")}
    monkeypatch.setattr(widgets, "trust_of", lambda _: known)
    at = open_page("explain", **SAMPLE)
    assert at.selectbox(key="method").value == "ablation", "at first the one that points best"
    monkeypatch.setattr(widgets, "offered", lambda _: ())
    at = open_page("explain", **SAMPLE)
    assert "No reliable method for this choice" in at.info[0].value and not at.error


def test_the_curves_are_drawn_when_they_are_asked_for_and_kept(open_page: OpenPage) -> None:
    at = open_page("explain", **SAMPLE, model="sda_tsn_synth")
    runs = services.network_runs()
    at = settle(at.toggle(key="curves").set_value(True).run())
    assert not at.error and len(figures(at)) == 4
    assert "Insertion minus deletion is" in page_text(at)
    assert services.network_runs() == runs + 1 and at.query_params["curves"] == "1"
    settle(at.toggle(key="curves").set_value(False).run())
    settle(at.toggle(key="curves").set_value(True).run())
    assert services.network_runs() == runs + 1


@pytest.mark.parametrize("way", ["the button Stop", "leaving the page"])
def test_an_attribution_stops_within_a_second(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, way: str, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    at = open_page(**SAMPLE)
    real = tasks.attribution
    monkeypatch.setattr(tasks, "attribution", partial(odd_tasks.endless, note=note))
    at.switch_page("app/pages/explain/page.py").run()
    wait_for(note, "begun")
    if way == "leaving the page":
        at.switch_page("app/pages/inspect.py").run()
    else:
        next(button for button in at.button if button.label == "Stop").click().run()
    wait_for(note, "stopped")
    if way != "leaving the page":
        at = settle(at)
        assert "Stopped" in at.info[0].value
        assert at.selectbox(key="method").value == "grad_cam", "choices are still there"
        monkeypatch.setattr(tasks, "attribution", real)
        next(button for button in at.button if button.label == "Run again").click()
        assert len(figures(settle(at.run()))) == 3


def test_exports_are_the_shares_with_their_times_and_the_maps() -> None:
    analysis = make_analysis(0)
    attribution = make_attribution(analysis, category=2, snippet=4)
    rows = list(csv.DictReader(io.StringIO(attribution_to_csv(analysis, attribution))))
    shares = np.array([float(row["share_logit"]) for row in rows]).reshape(8, 4)
    np.testing.assert_allclose(shares, attribution.per_frame, rtol=1e-4, atol=1e-6)
    assert [int(row["video_frame"]) for row in rows] == analysis.frame_index.ravel().tolist()
    document = json.loads(attribution_to_json(analysis, attribution))
    np.testing.assert_allclose(document["maps"], attribution.maps, atol=1e-6)
    assert document["snippet"] == 5 and document["category"] == "moving left"


@pytest.mark.parametrize("method", METHODS)
def test_the_lead_says_how_much_of_the_difference_the_shares_make(method: Any) -> None:
    said = attribution_text.attribution_summary(make_attribution(make_analysis(0), method=method))
    assert "100.0% of the difference" in said
    assert ("completeness" in said) == (method == "integrated_gradients")


def test_curves_no_better_than_random_orders_are_called_so() -> None:
    good = make_faithfulness()
    assert "better than every random order" in text.insertion_deletion(good)
    upside_down = replace(good, insertion=good.deletion, deletion=good.insertion)
    assert "do not rely on this map" in text.insertion_deletion(upside_down)


def test_the_same_moment_of_another_network_is_the_nearest_frame() -> None:
    a, b = make_analysis(0), make_analysis(1, frames=1, group_size=8, consensus="sda")
    assert text.nearest_frame(a, make_analysis(2), (3, 2)) == (3, 2)
    snippet, frame = text.nearest_frame(a, b, (3, 2))
    apart = np.abs(b.pts_seconds - a.pts_seconds[3, 2])
    assert frame == 0 and apart[snippet, 0] == apart.min()


def test_without_a_video_the_page_says_what_to_do(open_page: OpenPage, tmp_path: Path) -> None:
    at = open_page("explain")
    assert "Upload a video" in at.info[0].value and not at.error and not figures(at)
