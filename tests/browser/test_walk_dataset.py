"""From a category of the embedded runs to one of its videos and back, in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from dsanet_core.records import Run
from tests.browser.stage import (
    WAIT_MILLISECONDS,
    Watched,
    embedded_run,
    query,
    shown,
    wait_until_drawn,
)

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)

LAST = "Figure format"
NAMES_STAND_APART = """() => {
    const names = [...document.querySelectorAll('.js-plotly-plot .ytick text, '
        + '.js-plotly-plot .annotation-text, .js-plotly-plot .legendtext, '
        + '.js-plotly-plot .legendtitletext')]
    const boxes = names.map(name => name.getBoundingClientRect())
    const meet = (a, b) => Math.min(a.right, b.right) > Math.max(a.left, b.left) + 1
        && Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top) + 2
    return boxes.length > 15
        && boxes.every(box => box.left >= 0 && box.right <= window.innerWidth)
        && boxes.every((a, place) => !boxes.slice(place + 1).some(b => meet(a, b)))
}"""


@pytest.fixture(scope="module")
def runs() -> tuple[Run, Run]:
    """Two of the embedded runs, of the weights that are at hand: plain averaging, and SDA."""
    return embedded_run("tsn_synth"), embedded_run("sda_tsn_synth")


def link(address: str, chosen: tuple[Run, Run]) -> str:
    return f"{address}/categories?runs={'~'.join(run.id for run in chosen)}"


def chosen_category(page: Page) -> str:
    return str(page.get_by_role("combobox", name="Class", exact=True).input_value())


def test_from_a_bar_to_a_video_and_back(
    browser: Browser, address: str, runs: tuple[Run, Run]
) -> None:
    _, sda = runs
    watched = Watched(browser, address)
    page = watched.page
    page.goto(link(address, runs), timeout=WAIT_MILLISECONDS)
    wait_until_drawn(page, LAST)
    bars = page.locator(".js-plotly-plot .barlayer .point path")
    expect(bars).to_have_count(2 * 15)
    first = chosen_category(page)
    # A bar of the base may have no length. Plotly's own layer lies above the bars, so the pointer
    # itself has to go there.
    bar = bars.nth(15 + 4)
    bar.scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # the page scrolls gently
    box = bar.bounding_box()
    assert box is not None
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(place[0] - 5, place[1])
    page.mouse.move(*place)
    page.locator(".js-plotly-plot .hoverlayer .hovertext").first.wait_for()
    page.mouse.click(*place)
    page.wait_for_function(
        "first => new URL(location).searchParams.get('of') !== first", arg=first
    )
    wait_until_drawn(page, LAST)
    clicked = chosen_category(page)
    assert clicked == query(page)["of"] != first
    label = sda.classes.index(clicked)
    before, videos = query(page), shown(page)["chosen"]
    assert videos["category"] == clicked
    assert sorted(each["video"] for each in videos["videos"]) == sorted(
        sda.video[sda.label == label]
    )
    watched.check()

    page.get_by_role("button", name="Inspect with sda_tsn_synth").click()
    wait_until_drawn(page, "all data (JSON)")
    opened = videos["videos"][0]
    assert query(page)["video"] == f"run-{sda.id}-{opened['row']}"
    said = opened["said"]["sda_tsn_synth"]
    expect(page.get_by_text("In this run, sda_tsn_synth predicted").first).to_be_visible()
    confidence = f"sda_tsn_synth: Prediction ({100 * said['confidence']:.1f}%)"
    expect(page.get_by_text(confidence).first).to_be_visible()
    expect(page.get_by_role("heading", name=said["category"])).to_be_visible()
    page.wait_for_function("() => document.querySelector('video')?.readyState >= 2")
    watched.check()

    page.get_by_role("button", name="Back to Categories").click()
    wait_until_drawn(page, LAST)
    assert chosen_category(page) == clicked
    assert {key: query(page)[key] for key in before} == before

    assert shown(page)["chosen"] == videos
    watched.check()
    watched.context.close()


def test_keyboard_search_and_a_narrow_window(
    browser: Browser, address: str, runs: tuple[Run, Run]
) -> None:
    watched = Watched(browser, address)
    page = watched.page
    page.goto(link(address, runs), timeout=WAIT_MILLISECONDS)
    wait_until_drawn(page, LAST)
    box = page.get_by_role("combobox", name="Class", exact=True)
    box.focus()
    box.press_sequentially("collide")
    box.press("Enter")
    page.wait_for_url("**of=Moving+something+and+something+so+they+collide*")
    search = page.get_by_role("textbox", name="Search")
    search.fill("THEN back to")
    search.press("Enter")
    page.wait_for_url("**search=THEN+back+to*")
    wait_until_drawn(page, LAST)
    expect(page.locator(".js-plotly-plot .ytick")).to_have_count(2)
    search.fill("")
    search.press("Enter")
    expect(page.locator(".js-plotly-plot .ytick")).to_have_count(15)
    page.set_viewport_size({"width": 768, "height": 1000})
    wait_until_drawn(page, LAST)
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    page.wait_for_function(NAMES_STAND_APART)  # Plotly follows the window a moment later
    watched.check()
    watched.context.close()
