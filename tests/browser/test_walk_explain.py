"""A walk through Explain in a real Chromium: methods, the scrubber, two networks, export."""

from __future__ import annotations

import json

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.stage import (
    LABELS_THAT_MEET,
    WAIT_MILLISECONDS,
    Watched,
    choose,
    wait_until_drawn,
)

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)

LAST = "all data (JSON)"
MODEL = "sda_tsn_synth"


def test_explain_a_video_from_method_to_export(browser: Browser, address: str) -> None:
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/explain?video=sample-11&model={MODEL}&method=grad_cam")
    wait_until_drawn(page, LAST)
    plots = page.locator(".js-plotly-plot")
    expect(plots).to_have_count(3)
    expect(plots.nth(2).locator("image")).to_have_count(8 + 8)  # frames, and their heat
    for said in (
        "logit of", "Strongest evidence:", "Run insertion/deletion", "How to read it: blue regions",
    ):
        expect(page.get_by_text(said).first).to_be_visible()
    plots.nth(1).locator(".hm image").first.hover(force=True)
    expect(plots.nth(1).locator(".hoverlayer")).to_contain_text("logit per 1% of the image")
    watched.check()

    slider = page.get_by_role("slider")
    before = int(slider.input_value())
    slider.focus()
    key, step = ("ArrowRight", 1) if before < 7 else ("ArrowLeft", -1)
    page.keyboard.press(key)
    page.wait_for_url(f"**frame={before + step + 1}*")
    wait_until_drawn(page, LAST)
    expect(plots).to_have_count(3)
    link = page.url

    choose(page, "Method", "Ablation of snippets and frames")
    page.wait_for_url("**method=ablation*")
    wait_until_drawn(page, "each frame has a single colour")
    with page.expect_download() as download:
        page.get_by_role("button", name=LAST).click()
    exported = json.loads(download.value.path().read_text())
    assert exported["method"] == "ablation" and np.shape(exported["maps"]) == (1, 8, 1, 1)
    best = int(np.argmax(exported["per_snippet"])) + 1
    expect(page.get_by_text(f"frame {best} (at")).to_be_visible()
    chosen = before + step + 1
    assert (f"frame={chosen}" in page.url) == (chosen != best), "the chosen frame stays"
    watched.check()

    choose(page, "Second model", "tsn_synth")
    page.wait_for_url("**beside=*tsn_synth*")
    expect(plots).to_have_count(6)
    expect(page.get_by_text("Both models share one scale")).to_be_visible()
    wait_until_drawn(page, LAST)
    watched.check()

    page.set_viewport_size({"width": 768, "height": 1000})
    page.goto(link)
    wait_until_drawn(page, LAST)
    expect(plots).to_have_count(3)
    assert int(slider.input_value()) == before + step
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    labels, meeting = page.evaluate(LABELS_THAT_MEET)
    assert labels > 20
    assert not meeting
    watched.check()
    watched.context.close()
