"""Seconds until the app's pages are drawn in a real browser: a section of `tools.bench`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

from dsanet_core.synthetic import CATEGORIES
from tests.browser.stage import BUSY, WAIT_MILLISECONDS, running_app
from tools.bench.table import Line, Wanted, line_of
from tools.browser import required_chromium

SECTION = "pages"
COLD_STARTS, WARM_PAGES, RERUNS = 5, 15, 15
UPLOAD = '[data-testid="stFileUploader"]'
FIGURE = ".js-plotly-plot .main-svg"
FOLLOWED = ".st-key-category input"
SAMPLE = "sample-15"
REDRAWN = """before => {
    const plots = document.querySelectorAll('.js-plotly-plot');
    return plots.length > 1 && plots[1].textContent !== before;
}"""


def measure_pages(repeats: int | None = None) -> Iterator[Line]:
    """A browser that runs already; a fresh server for every cold start, one for all else."""
    with required_chromium() as browser:
        cold = [_cold(browser) for _ in range(repeats or COLD_STARTS)]
        yield line_of(SECTION, "first page, cold", "from the start of the server's process to "
                      "Inspect drawn in Chromium; files in the system's cache, the server asked "
                      "every 0.2 s whether it is up", cold, "s", wanted=Wanted("median", "<=", 5))
        with tempfile.TemporaryDirectory() as scratch, running_app(Path(scratch)) as address:
            _drawn(browser, address, UPLOAD)
            fresh = [_drawn(browser, address, UPLOAD) for _ in range(repeats or WARM_PAGES)]
            visitor = browser.new_context()
            _drawn(visitor, address, UPLOAD)
            warm = [_drawn(visitor, address, UPLOAD) for _ in range(repeats or WARM_PAGES)]
            visitor.close()
            yield line_of(SECTION, "first page, warm", "Inspect without a video, a new tab of a "
                          "browser that has been here", warm, "s",
                          wanted=Wanted("median", "<=", 1))
            yield line_of(SECTION, "first page, warm, for a new visitor", "the same, a browser "
                          "with an empty cache each time", fresh, "s")
            shown = f"{address}/?video={SAMPLE}"
            _drawn(browser, shown, FIGURE)
            known = [_drawn(browser, shown, FIGURE) for _ in range(repeats or WARM_PAGES)]
            yield line_of(SECTION, "Inspect of an analysed sample, warm", "a new browser context "
                          "each time", known, "s")
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.goto(shown)
            wait_until_shown(page, FIGURE)
            again = [_followed(page) for _ in range(1 + (repeats or RERUNS))]
            yield line_of(SECTION, "a widget changes on Inspect", "one more category followed, "
                          "from the key to the chart redrawn and nothing under way", again[1:],
                          "s")
            page.close()


def wait_until_shown(page: Page, selector: str) -> None:
    """Until an element is on the page and nothing is in progress."""
    page.locator(selector).first.wait_for(state="attached", timeout=WAIT_MILLISECONDS)
    page.wait_for_function(
        "busy => !document.querySelector(busy)", arg=BUSY, timeout=WAIT_MILLISECONDS
    )


def _cold(browser: Browser) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        begin = time.perf_counter()
        with running_app(Path(scratch)) as address:
            page.goto(address)
            wait_until_shown(page, UPLOAD)
            seconds = time.perf_counter() - begin
            page.close()
    return seconds


def _drawn(browser: Browser | BrowserContext, address: str, selector: str) -> float:
    """In a new tab of a context; of a context of its own where that is a browser."""
    page = browser.new_page()
    begin = time.perf_counter()
    page.goto(address)
    wait_until_shown(page, selector)
    seconds = time.perf_counter() - begin
    page.close()
    return seconds


def _followed(page: Page) -> float:
    """Seconds until the timeline shows a category that it did not show."""
    before = page.locator(".js-plotly-plot").nth(1).evaluate("plot => plot.textContent")
    category = next(name for name in reversed(CATEGORIES) if name not in before)
    page.locator(FOLLOWED).first.fill(category)
    page.get_by_role("option", name=category, exact=True).wait_for(timeout=WAIT_MILLISECONDS)
    begin = time.perf_counter()
    page.keyboard.press("Enter")
    page.wait_for_function(REDRAWN, arg=before, timeout=WAIT_MILLISECONDS)
    wait_until_shown(page, FIGURE)
    return time.perf_counter() - begin
