"""A walk through What if in a real Chromium: changes, chips, the ranking, links, export."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from dsanet_core.serialize import analysis_from_json
from tests.browser.stage import (
    LABELS_THAT_MEET,
    WAIT_MILLISECONDS,
    Watched,
    choose,
    wait_until_drawn,
)

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)

LAST = "(original): all data (JSON)"


def test_what_if_from_a_change_to_the_ranking_and_back_by_a_link(
    browser: Browser, address: str
) -> None:
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/whatif?video=sample-11")
    wait_until_drawn(page, LAST)
    plots = page.locator(".js-plotly-plot")
    expect(page.get_by_text("No changes yet")).to_be_visible()
    expect(plots).to_have_count(1)

    choose(page, "Snippet order", "reversed")
    page.wait_for_url("**changes=reverse*")
    expect(page.get_by_text("their order can change the prediction")).to_be_visible()
    wait_until_drawn(page, LAST)
    expect(plots).to_have_count(4)
    choose(page, "All blocks", "identity kernel")
    chip = page.get_by_role("button", name="every block: identity kernel").first
    expect(chip).to_be_visible()
    expect(page.get_by_text("only averages snippet scores")).to_be_visible()
    page.wait_for_url("**identity*")  # written last: what stands below is of this run too
    wait_until_drawn(page, LAST)
    with page.expect_download() as download:
        page.get_by_role("button", name="(modified): all data (JSON)").click()
    after = analysis_from_json(download.value.path().read_text())
    assert len(after.changes) == 3 and "reverse order" in after.changes[0]
    share = f"dsa_i3d_synth (modified): Prediction ({100 * after.video_scores.max():.1f}%)"
    expect(page.get_by_text(share)).to_be_visible()
    watched.check()

    page.get_by_role("button", name="Compute block importance").click()
    page.wait_for_url("**ranked=1*")
    expect(page.get_by_text("each block in turn is made neutral")).to_be_visible()
    expect(plots).to_have_count(5)
    page.get_by_text("Largest first", exact=True).click()
    page.wait_for_url("**rank_order=*")
    wait_until_drawn(page, LAST)
    watched.check()

    page.set_viewport_size({"width": 768, "height": 1000})
    page.goto(page.url)
    wait_until_drawn(page, LAST)
    expect(chip).to_be_visible()
    expect(plots).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    labels, meeting = page.evaluate(LABELS_THAT_MEET)
    assert labels > 20
    assert not meeting

    chip.click()
    expect(chip).not_to_be_attached()
    wait_until_drawn(page, LAST)
    assert "identity" not in page.url and "changes=reverse" in page.url
    watched.check()
    watched.context.close()
