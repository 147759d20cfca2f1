"""Pictures of the app's pages in docs/screenshots: light, dark and narrow.

    python -m tools.screenshots [PAGE ...]     # all twelve pages without names

Starts the app on the embedded weights, samples and runs, on a free port with its temporary files in
a folder that is deleted afterwards, and opens every page in a headless Chromium.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser

from tests.browser.stage import BUSY, ROOT, WAIT_MILLISECONDS
from tools.browser import app_and_browser

FOLDER = ROOT / "docs" / "screenshots"
SAMPLE = "sample-11"
ADDRESSES = {
    "inspect": "",
    "compare": "compare",
    "explain": "explain?model=sda_tsn_synth",
    "whatif": "whatif?changes=reverse~identity:*&ranked=1",
    "kernels": "kernels",
    "dependencies": "dependencies",
    "runs": "runs",
    "categories": "categories",
    "layers": "layers",
    "errors": "errors",
    "zoo": "zoo",
    "method": "method",
}
"""Page -> its address without the sample."""
VARIANTS: dict[str, tuple[Literal["light", "dark"], int]] = {
    "light": ("light", 1280), "dark": ("dark", 1280), "narrow": ("light", 768),
}
"""Suffix of a picture -> colour scheme and width in pixels."""
QUIET_MILLISECONDS = 2000
PAGE_IS_QUIET = """([busy, quiet]) => {
    const content = document.querySelector('[data-testid="stMainBlockContainer"]');
    const video = document.querySelector('video');
    const isDrawn = content && content.querySelector('h1') && !document.querySelector(busy)
        && (!video || video.readyState >= 2);
    const figures = document.querySelectorAll('.js-plotly-plot .main-svg').length;
    const state = isDrawn ? `${content.scrollHeight} ${figures}` : '';
    if (!state || state !== window.lastState) {
        window.lastState = state;
        window.lastChange = Date.now();
        return false;
    }
    return Date.now() - window.lastChange > quiet;
}"""
"""True once a page has its title, nothing is in progress, and its height and number of figures have
been the same for some time."""


def take(browser: Browser, address: str, page_name: str, variant: str) -> Path:
    """A picture of a whole page, as high as its content. Raises RuntimeError for a page that shows
    an error."""
    scheme, width = VARIANTS[variant]
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    path = ADDRESSES[page_name]
    page.goto(f"{address}/{path}{'&' if '?' in path else '?'}video={SAMPLE}")
    waiting = [BUSY, QUIET_MILLISECONDS]
    page.wait_for_function(PAGE_IS_QUIET, arg=waiting, timeout=WAIT_MILLISECONDS)
    # The page scrolls inside its own frame, so the window has to be as high as its content.
    height = page.locator('[data-testid="stMainBlockContainer"]').evaluate("e => e.scrollHeight")
    page.set_viewport_size({"width": width, "height": int(height)})
    page.wait_for_function(PAGE_IS_QUIET, arg=waiting, timeout=WAIT_MILLISECONDS)
    failed = page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]')
    if failed.count():
        raise RuntimeError(f"{page_name} shows an error: {failed.first.inner_text()}")
    target = FOLDER / f"{page_name}_{variant}.png"
    page.screenshot(path=target)
    context.close()
    return target


def main(page_names: Sequence[str]) -> None:
    """Pictures of these pages, of all without any."""
    if unknown := set(page_names) - set(ADDRESSES):
        sys.exit(f"no page {', '.join(sorted(unknown))}, expected some of {', '.join(ADDRESSES)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with app_and_browser() as (address, browser):
        for page_name in page_names or ADDRESSES:
            for variant in VARIANTS:
                print(take(browser, address, page_name, variant).relative_to(ROOT), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
