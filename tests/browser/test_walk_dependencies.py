"""A walk through Dependencies and its neighbours with a network of SDA, in a real Chromium."""

from __future__ import annotations

import csv

import pytest
from playwright.sync_api import Browser, Page, expect

from dsanet_core.report import text
from dsanet_core.serialize import analysis_from_json
from tests.browser.stage import LABELS_THAT_MEET, WAIT_MILLISECONDS, Watched, wait_until_drawn

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)

VIDEO = "video=sample-11"
def times_here(page: Page) -> str:
    """What the analysis on the page took: another one would have taken another time."""
    return page.get_by_text("Time:").first.inner_text()


def test_dependencies_of_a_video_from_block_to_export(browser: Browser, address: str) -> None:
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/dependencies?{VIDEO}")
    wait_until_drawn(page, "dependencies (CSV)")
    plots = page.locator(".js-plotly-plot")
    expect(plots).to_have_count(7)
    pictures = plots.nth(1).locator("image")
    expect(pictures).to_have_count(4 * 8)  # what the network saw, two gates, their difference
    for said in ("Largest weight per block", "Largest weight: ", "LST: the whole video"):
        expect(page.get_by_text(said).first).to_be_visible()
    spent = times_here(page)
    watched.check()

    page.get_by_role("combobox", name="SDA block").click()
    page.get_by_role("option", name="res4, block 2").click()
    page.wait_for_url("**block=layer3.1.sda*")
    wait_until_drawn(page, "Gate of res4, block 2 (layer3.1.sda)")
    with page.expect_download() as download:
        page.get_by_role("button", name="sda_tsn_synth: all data (JSON)").click()
    analysis = analysis_from_json(download.value.path().read_text())
    chosen = next(each for each in analysis.selections if each.block == "layer3.1.sda")
    reading = text.selection_summary(chosen, 0).replace("**", "")
    expect(page.get_by_text(reading)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="sda_tsn_synth: dependencies (CSV)").click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert len(rows) == 8 * 4
    assert {row["dependency"] for row in rows} == {"LST", "LT", "LS", "S122"}
    assert times_here(page) == spent, "another block runs nothing again"
    watched.check()

    page.set_viewport_size({"width": 768, "height": 1000})
    page.goto(page.url)
    wait_until_drawn(page, "dependencies (CSV)")
    expect(page.get_by_text("Gate of res4, block 2")).to_be_visible()
    expect(plots).to_have_count(7)
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    labels, meeting = page.evaluate(LABELS_THAT_MEET)
    assert labels > 60
    assert not meeting
    watched.check()
    watched.context.close()


def test_other_pages_take_a_network_of_single_frames(browser: Browser, address: str) -> None:
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/?{VIDEO}&model=sda_tsn_synth&other=dsa_i3d_synth")
    wait_until_drawn(page, "scores (CSV)")
    expect(page.get_by_text("Scores per frame")).to_be_visible()
    assert page.locator(".js-plotly-plot image").count() == 8
    page.get_by_role("link", name="Compare").click()
    wait_until_drawn(page, "Compute cost")
    expect(page.get_by_text("each snippet is drawn at its own time")).to_be_visible()
    watched.check()

    page.get_by_role("link", name="Kernels").click()
    page.get_by_role("button", name="Show dsa_i3d_synth").click()
    wait_until_drawn(page, "All blocks")
    page.wait_for_url("**model=dsa_i3d_synth*")
    page.get_by_role("link", name="Dependencies").click()
    page.get_by_role("button", name="Show sda_tsn_synth").click()
    wait_until_drawn(page, "Response per dependency")
    watched.check()
    watched.context.close()
