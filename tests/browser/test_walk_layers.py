"""A walk through the page Layers in a real Chromium: orders, a click in the map, exports."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from dsanet_core.records import Run
from tests.browser.stage import WAIT_MILLISECONDS, Watched, runs_in, wait_until_drawn
from tools.made_up_run import made_up_run

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)

LAST = "Figure format"


@pytest.fixture(scope="module")
def runs(runs_folder: Path) -> Iterator[list[Run]]:
    made = [made_up_run(240, 24, 8, seed=seed, name=name) for seed, name in enumerate(("a", "b"))]
    with runs_in(runs_folder, made):
        yield made


def test_layers_of_a_run_from_order_to_category_and_back(
    browser: Browser, address: str, runs: list[Run]
) -> None:
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/layers?run={runs[0].id}")
    wait_until_drawn(page, LAST)
    plots = page.locator(".js-plotly-plot")
    expect(plots).to_have_count(3)
    expect(page.get_by_text("statements of the paper hold")).not_to_be_visible()
    page.get_by_text("Comparison with the paper's Figure 5").click()
    expect(page.get_by_text("of 7 statements of the paper hold")).to_be_visible()

    page.get_by_text("By similarity", exact=True).click()
    expect(page.get_by_text("24 of 24 classes, sorted so that neighbours")).to_be_visible()
    page.get_by_text("Every block", exact=True).click()
    expect(plots.nth(1).get_by_text("res4, block 3")).to_be_visible()
    wait_until_drawn(page, LAST)
    with page.expect_download() as download:
        page.get_by_role("button", name="Data (JSON)").click()
    exported = json.loads(download.value.path().read_text())
    places = [runs[0].classes.index(name) for name in exported["categories"]]
    assert sorted(places) == list(range(24)) != places
    assert runs[0].selections is not None
    np.testing.assert_allclose(exported["mean"], runs[0].selections.mean[places], atol=1e-6)
    with page.expect_download() as download:
        page.get_by_role("button", name="Data (CSV)").click()
    lines = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert len(lines) == 24 * 8 * 4
    watched.check()

    square = plots.nth(2).locator(".scatterlayer .point").nth(5)
    square.scroll_into_view_if_needed()
    square.hover(force=True)
    chosen = exported["categories"][5]
    expect(plots.nth(2).locator(".hoverlayer")).to_contain_text(chosen)
    square.click(force=True)
    page.wait_for_url("**/categories?**")
    wait_until_drawn(page, LAST)
    assert page.get_by_role("combobox", name="Class", exact=True).input_value() == chosen
    watched.check()

    page.get_by_role("link", name="Layers").click()
    wait_until_drawn(page, "24 of 24 classes, sorted so that neighbours")
    expect(plots.nth(1).get_by_text("res4, block 3")).to_be_visible()
    expect(plots).to_have_count(3)
    page.get_by_text("Difference from another run").click()
    expect(page.get_by_text("Largest differences over all videos:")).to_be_visible()
    wait_until_drawn(page, LAST)
    page.set_viewport_size({"width": 768, "height": 1000})
    page.wait_for_function("document.documentElement.scrollWidth <= 768")
    page.wait_for_function(
        "[...document.querySelectorAll('.js-plotly-plot')].every("
        "plot => plot.getBoundingClientRect().right <= 768)"
    )
    watched.check()
    watched.context.close()
