"""Two people on one server, and names that try to be more than names, in a real Chromium."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from app.server import samples
from app.server.uploads import PREFIX
from dsanet_core.records import Run
from tests.browser.stage import (
    WAIT_MILLISECONDS,
    Watched,
    eventually,
    runs_in,
    wait_until_drawn,
)
from tools.made_up_run import made_up_run

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)

HOSTILE = (
    "<b id=taken>bold</b><img src=http://evil.example/a onerror='window.taken=1'> "
    "[link](http://evil.example) ![i](http://evil.example/i) http://evil.example www.evil.example "
    "me@evil.example $\\int taken$ :material/skull: :streamlit: :red[taken] `code` ~~gone~~ "
    "%{x:.1f} <a href='http://evil.example'>a</a> \u202eturned"
)
SHORT = "<b id=taken>x</b> :streamlit: :material/skull: $x$ *.mp4"
"""Short enough to be shown whole."""
MADE_OF_NAMES = (
    "#taken", "[href*='evil.example']", "[src*='evil.example']", ".katex", "del",
    "code:text-is('code')", "[data-testid='stMarkdownContainer'] img", ".js-plotly-plot a",
    ".js-plotly-plot b", "span[role='img'][aria-label*='skull']", ".stMarkdownColoredText",
)
"""Elements of a page that only a name could have made."""


def hostile_run(seed: int) -> Run:
    """Names of everything that a run brings along, hostile; still told apart by their ends."""
    run = made_up_run(60, 6, 4, seed=seed, dsa=True)
    classes = tuple(f"{HOSTILE} {index} {'x' * (500 if index == 1 else 0)}" for index in range(6))
    model = replace(
        run.model, name=f"{HOSTILE} {seed}", weights=HOSTILE, trained_on=HOSTILE, classes=classes
    )
    video = np.array([f"{HOSTILE}/{index}.mp4" for index in range(len(run.row))], object)
    return replace(
        run, id=f"hostile-{seed}", dataset=HOSTILE, model=model, video=video,
        groups={f"{HOSTILE} even": classes[::2], f"{HOSTILE} odd": classes[1::2]},
        versions={HOSTILE: HOSTILE}, made_up=False,
    )


@pytest.fixture(scope="module", autouse=True)
def hostile_runs(runs_folder: Path) -> Iterator[None]:
    with runs_in(runs_folder, [hostile_run(seed) for seed in range(2)]):
        yield


def upload(page: Page, address: str, name: str) -> str:
    """Upload a video under this name and wait for the answer; the address that it plays from."""
    page.goto(address)
    wait_until_drawn(page, "Upload a video")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
        {"name": name, "mimeType": "video/mp4", "buffer": samples.clip(3).read_bytes()}
    )
    wait_until_drawn(page, "Prediction (")
    source = page.locator("video").first.get_attribute("src")
    assert source is not None
    return source


def check_names_are_only_names(watched: Watched) -> None:
    found = [each for each in MADE_OF_NAMES if watched.page.locator(each).count()]
    assert not found
    assert watched.page.evaluate("typeof window.taken") == "undefined"
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 1280
    watched.check()


def folders(scratch: Path) -> set[Path]:
    """Of sessions that have uploaded something."""
    return {path.parent for path in scratch.glob(f"{PREFIX}*/*.upload")}


def is_served(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=30):
            return True
    except urllib.error.HTTPError as error:
        assert error.code == 404
        return False


def test_an_upload_is_its_sessions_own_and_goes_with_its_tab(
    browser: Browser, address: str, scratch: Path
) -> None:
    eventually(lambda: not folders(scratch))  # of the walks before
    mine, yours = Watched(browser, address), Watched(browser, address)
    played = upload(mine.page, address, "mine alone.mp4")
    (folder,) = folders(scratch)
    yours.page.goto(mine.page.url)  # the whole deep link, handed on
    wait_until_drawn(yours.page, "uploads are kept only in the session that uploaded them")
    assert "mine alone" not in yours.page.content()
    # The very same bytes: not even who has the file can tell where mine is played from.
    other = upload(yours.page, address, "the same.mp4")
    assert other != played
    assert len(folders(scratch)) == 2
    assert is_served(played)
    mine.context.close()
    eventually(lambda: folder not in folders(scratch))
    assert not folder.exists()
    eventually(lambda: not is_served(played))
    assert is_served(other), "the other tab is still open"
    assert len(folders(scratch)) == 1
    assert not mine.problems
    yours.check()
    yours.context.close()


def test_the_name_of_an_upload_is_only_a_name(browser: Browser, address: str) -> None:
    watched = Watched(browser, address)
    upload(watched.page, address, SHORT)
    shown = watched.page.locator("body").inner_text().replace("\u2060", "")
    assert SHORT in shown, "every character of it"
    check_names_are_only_names(watched)
    watched.page.get_by_role("link", name="Compare", exact=True).click()
    wait_until_drawn(watched.page, "Compute cost")
    check_names_are_only_names(watched)
    watched.context.close()


@pytest.mark.parametrize(
    ("path", "last"),
    {
        "runs?run=hostile-0": "Calibration error",
        "categories?runs=hostile-0~hostile-1": "Model, input and weights",
        "layers?run=hostile-0": "Model, input and weights",
        "errors?run=hostile-0": "Model, input and weights",
    }.items(),
)
def test_names_of_a_run_are_only_names(
    browser: Browser, address: str, path: str, last: str
) -> None:
    watched = Watched(browser, address)
    watched.page.goto(f"{address}/{path}")
    wait_until_drawn(watched.page, last)
    assert "bold" in watched.page.locator("body").inner_text()
    check_names_are_only_names(watched)
    watched.context.close()
