"""A walk through the page Runs with real runs: started, watched, stopped and resumed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dsanet_core.runs.store import RunFolder
from dsanet_core.runs.summary import FILE, load_run
from tests.browser.stage import WAIT_MILLISECONDS, Watched, wait_until_drawn

pytestmark = pytest.mark.browser

RUN_MILLISECONDS = 3 * WAIT_MILLISECONDS
"""A process that starts among others, and then runs."""
LAST = "Table (CSV)"


@pytest.fixture
def runs(runs_folder: Path) -> Iterator[Path]:
    """The folder of the app's runs, empty again afterwards."""
    yield runs_folder
    for run in runs_folder.iterdir():
        shutil.rmtree(run)


def start(page: Page, videos: int) -> None:
    """A run of tsn_synth over so many videos of the embedded benchmark."""
    count = page.get_by_role("spinbutton", name="Number of videos")
    if not count.is_visible():
        page.get_by_text("Start a run", exact=True).click()
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="tsn_synth", exact=True).click()
    # At once, as the page is being drawn for the network: nothing that is typed is lost.
    count.fill(str(videos))
    count.press("Enter")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Start", exact=True).click()


def test_a_run_is_started_and_watched_and_another_stopped_and_resumed(
    browser: Browser, address: str, runs: Path
) -> None:
    expect.set_options(timeout=RUN_MILLISECONDS)
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/runs")
    wait_until_drawn(page, "All runs")
    start(page, 60)
    bar = page.locator('[data-testid="stProgress"]')
    # Nobody touches the page: the run ends, and the page draws its numbers. It may have ended
    # before a bar was drawn; the long run below has one for certain.
    expect(page.get_by_text(", 60 videos")).to_be_visible()
    expect(bar).to_have_count(0)
    expect(page.get_by_text("Calibration error")).to_be_visible()
    path = next(path for path in runs.iterdir() if "n-60" in path.name)
    run = load_run(path / FILE)
    assert len(run.row) == 60
    expect(page.get_by_text(f"{100 * run.accuracy():.1f}%", exact=True).first).to_be_visible()
    page.wait_for_url(f"**run={run.id}*")
    watched.check()

    start(page, 20000)
    expect(bar.get_by_text("of 20000 videos").first).to_be_visible()
    expect(bar.get_by_text("videos/s").first).to_be_visible()
    watched.check()
    page.get_by_role("button", name="Stop run").first.click()
    expect(page.get_by_text("it was stopped; completed results were kept")).to_be_visible()
    expect(bar).to_have_count(0)
    folder = RunFolder(next(path for path in runs.iterdir() if "n-20000" in path.name))
    done = folder.progress().done
    assert 0 < done < 20000
    expect(page.get_by_text(f"{done} of 20000 videos are complete and saved")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(bar.get_by_text("videos/s").first).to_be_visible()
    assert folder.progress().done >= done
    page.get_by_role("button", name="Stop run").first.click()
    expect(bar).to_have_count(0)

    page.set_viewport_size({"width": 768, "height": 1000})
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text("Calibration error")).to_be_visible()
    assert [each.name for each in runs.iterdir()] == [run.id]
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    watched.check()
    watched.context.close()
