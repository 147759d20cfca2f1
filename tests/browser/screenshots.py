"""Pictures of pages for docs/ and the README: `python -m tests.browser.screenshots [PAGE ...]`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.stage import ROOT, WAIT_MILLISECONDS, chromium, running_app, wait_until_drawn

FOLDER = ROOT / "docs" / "screenshots"
SAMPLE = "sample-11"
PAGES = {
    "inspect": 2,
    "compare": 2,
    "explain": 3,
    "whatif": 5,
    "kernels": 3,
    "dependencies": 7,
    "runs": 0,
    "categories": 1,
    "layers": 5,
    "errors": 3,
    "zoo": 2,
    "method": 0,
}
"""How many figures each page has."""
CHOICES = {
    "explain": "&model=sda_tsn_synth",
    "whatif": "&changes=reverse~identity:*&ranked=1",
}
"""What an address says beside the video."""
LAST_WORDS = {
    "runs": "Calibration error",
    "categories": "Data (JSON)",
    "layers": "Data (JSON)",
    "errors": "Data (JSON)",
    "zoo": "rows match",
    "method": "Glossary",
}
"""What stands on a page once it is drawn, where that is not an export."""
WIDE, NARROW = 1280, 768


def take(browser: Browser, address: str, page_name: str, scheme: str, width: int) -> Path:
    """A picture of a whole page, as high as its content."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    path = "" if page_name == "inspect" else page_name
    page.goto(f"{address}/{path}?video={SAMPLE}{CHOICES.get(page_name, '')}")
    wait_until_drawn(page, LAST_WORDS.get(page_name, "all data (JSON)"))
    expect(page.locator(".js-plotly-plot")).to_have_count(
        PAGES[page_name], timeout=WAIT_MILLISECONDS
    )
    page.wait_for_function("() => (document.querySelector('video')?.readyState ?? 4) >= 2")
    # The page scrolls inside its own frame, so the window has to be as high as what is in it.
    height = page.locator('[data-testid="stMainBlockContainer"]').evaluate("e => e.scrollHeight")
    page.set_viewport_size({"width": width, "height": int(height)})
    page.wait_for_timeout(1000)
    target = FOLDER / f"{page_name}_{'narrow' if width == NARROW else scheme}.png"
    page.screenshot(path=target)
    context.close()
    return target


def main(page_names: Sequence[str]) -> None:
    """Pictures of these pages, of all without any."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_app(Path(scratch)) as address,
        chromium() as browser,
    ):
        if browser is None:
            raise SystemExit("no Chromium: run `make test` once, it finds or installs one")
        for page_name in page_names or PAGES:
            for scheme, width in (("light", WIDE), ("dark", WIDE), ("light", NARROW)):
                print(take(browser, address, page_name, scheme, width).relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
