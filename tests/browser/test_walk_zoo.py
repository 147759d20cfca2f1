"""Walks through the page Zoo in a real Chromium: charts, search, tables, a narrow window; weights
that are brought, used and deleted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.stage import WAIT_MILLISECONDS, Watched, wait_until_drawn
from tests.weights import save_tiny

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)

NAMES_STAND_APART = """() => {
    const plot = document.querySelector('.js-plotly-plot')
    const names = [...plot.querySelectorAll('.textpoint text')].filter(name => name.textContent)
    const boxes = names.map(name => name.getBoundingClientRect())
    const meet = (a, b) => Math.min(a.right, b.right) > Math.max(a.left, b.left)
        && Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top) + 2
    return boxes.length > 10
        && boxes.every(box => box.left >= 0 && box.right <= 768)
        && boxes.every((a, place) => !boxes.slice(place + 1).some(b => meet(a, b)))
}"""


def test_zoo_charts_search_and_tables(browser: Browser, address: str) -> None:
    watched = Watched(browser, address)
    page = watched.page
    page.goto(address)
    page.get_by_role("link", name="Zoo").click()
    wait_until_drawn(page, "rows match")
    plots = page.locator(".js-plotly-plot")
    expect(plots).to_have_count(2)
    for name in ("DSA+I3D, 8×8", "SlowFast R101, 8+32", "X3D-L"):
        expect(plots.nth(0).get_by_text(name)).to_be_visible()
    expect(plots.nth(0).get_by_text("DSA models, as printed in the paper")).to_be_visible()
    expect(plots.nth(1).get_by_text("Measured here on synth")).to_be_visible()
    for name in ("dsa_i3d_synth", "sda_tsn_synth"):
        expect(plots.nth(1).get_by_text(name)).to_be_visible()
        expect(plots.nth(0).get_by_text(name)).to_have_count(0)
    expect(page.get_by_text("2 do not:")).to_be_visible()
    watched.check()

    page.get_by_role("combobox", name="Dataset of the papers").click()
    page.get_by_role("option", name="Something-Something V1").click()
    expect(plots.nth(0).get_by_text("SDA-TSM En")).to_be_visible()
    expect(plots.nth(0).get_by_text("X3D-L")).to_have_count(0)

    search = page.get_by_role("textbox", name="Search")
    search.fill("spatial-temporal GST")
    search.press("Enter")
    expect(page.get_by_text(re.compile(r"^1 of \d+ models"))).to_be_visible()
    search.fill("no such network")
    search.press("Enter")
    expect(page.get_by_text("models contains all words of")).to_be_visible()
    watched.check()

    page.get_by_role("link", name="Inspect").click()
    wait_until_drawn(page, "Upload a video or choose")
    page.get_by_role("link", name="Zoo").click()
    wait_until_drawn(page, "rows match")
    expect(plots.nth(0).get_by_text("SDA-TSM En")).to_be_visible()

    page.set_viewport_size({"width": 768, "height": 1000})
    wait_until_drawn(page, "rows match")
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    page.wait_for_function(NAMES_STAND_APART)  # Plotly follows the window a moment later
    watched.check()
    watched.context.close()


def test_weights_are_brought_used_for_a_sample_and_deleted(
    browser: Browser, address: str, scratch: Path, weights_folder: Path, tmp_path: Path
) -> None:
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/zoo")
    wait_until_drawn(page, "rows match")
    file = save_tiny(tmp_path).rename(tmp_path / "<i>Tiny & mine.safetensors")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
    wait_until_drawn(page, "not yet checked")
    expect(page.get_by_text("<i>Tiny & mine.safetensors")).to_be_visible()
    name = page.get_by_role("textbox", name="Name")
    expect(name).to_have_attribute("placeholder", re.compile("tiny_mine"))
    name.fill("tiny")
    name.press("Enter")
    page.get_by_role("button", name="Check and add").click()
    expect(page.get_by_text("is now available on every page")).to_be_visible()
    kept = sorted(path.name for path in weights_folder.iterdir())
    assert kept == ["tiny.json", "tiny.safetensors"]
    assert not list(scratch.glob("dsanet-lens-*/weights-*"))
    expect(page.get_by_role("table").get_by_text("nothing: random weights")).to_be_visible()
    page.set_viewport_size({"width": 768, "height": 1000})
    wait_until_drawn(page, "rows match")
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    page.set_viewport_size({"width": 1280, "height": 1000})
    watched.check()

    page.get_by_role("button", name="Inspect a video with it").click()
    wait_until_drawn(page, "Upload a video or choose")
    page.get_by_role("button", name="Moving something up", exact=True).click()
    wait_until_drawn(page, "all data (JSON)")
    page.wait_for_url("**model=tiny*")
    expect(page.get_by_text("Prediction (")).to_be_visible()
    watched.check()

    page.get_by_role("link", name="Zoo").click()
    wait_until_drawn(page, "rows match")
    page.get_by_role("button", name="Delete tiny").click()
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text("Your weights")).to_have_count(0)
    assert not list(weights_folder.iterdir())
    page.get_by_role("link", name="Inspect").click()
    expect(page.get_by_text("tiny is not available")).to_be_visible()
    wait_until_drawn(page, "all data (JSON)")
    watched.check()
    watched.context.close()
