"""A walk through the page Errors in a real Chromium: a cell, its videos, one of them, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from app.pages.errors import selection
from dsanet_core.records import Run
from dsanet_core.runs.statistics import confused_pairs
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
OUTCOMES, PAIRS, MATRIX = "st-key-errors_outcomes", "st-key-errors_pairs", "st-key-errors_matrix"
PLACE = """([key, x, y]) => {
    const plot = document.querySelector(`.${key} .js-plotly-plot`)
    plot.scrollIntoView({block: 'center'})
    const box = plot.querySelector('.nsewdrag').getBoundingClientRect()
    const {xaxis, yaxis} = plot._fullLayout
    return [box.x + xaxis.l2p(x), box.y + yaxis.l2p(y)]
}"""


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """Two of the runs that come with the project, together with their weights."""
    return [embedded_run("tsn_i3d_synth"), embedded_run("dsa_i3d_synth")]


def click(page: Page, key: str, x: float, y: float) -> None:
    """A click at a place of a figure, in the numbers of its axes, once it has stopped moving."""
    place = page.evaluate(PLACE, [key, x, y])
    while (now := page.evaluate(PLACE, [key, x, y])) != place:
        place = now
        page.wait_for_timeout(200)
    page.mouse.move(*place)
    page.locator(".hoverlayer .hovertext").first.wait_for()
    page.mouse.click(*place)


def names(run: Run, chosen: Any) -> list[str]:
    return sorted(run.video[chosen])


def test_from_a_cell_to_a_video_and_back(
    browser: Browser, address: str, runs: list[Run]
) -> None:
    run = runs[0]
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/errors?run={run.id}")
    wait_until_drawn(page, LAST)
    mistakes = shown(page)["videos"]
    assert sorted(each["video"] for each in mistakes) == names(run, ~run.correct)

    first = confused_pairs(run.confusion(), both_directions=True)[0]
    cell = (run.label == first.true) & (run.predicted == first.predicted)
    click(page, PAIRS, 0.2, 0)
    page.wait_for_url("**outcome=all*")
    wait_until_drawn(page, "listed below")
    chosen = query(page)
    assert (chosen["true"], chosen["predicted"]) == (
        run.classes[first.true], run.classes[first.predicted],
    )
    assert sorted(each["video"] for each in shown(page)["videos"]) == names(run, cell)
    watched.check()

    page.get_by_role("button", name="Inspect with tsn_i3d_synth").click()
    wait_until_drawn(page, "all data (JSON)")
    expect(page.get_by_text("In this run, tsn_i3d_synth predicted").first).to_be_visible()
    expect(page.get_by_role("heading", name=run.classes[first.predicted])).to_be_visible()
    page.get_by_role("button", name="Back to Errors").click()
    wait_until_drawn(page, "listed below")
    wait_until_drawn(page, LAST)
    assert {key: query(page)[key] for key in chosen} == chosen
    assert sorted(each["video"] for each in shown(page)["videos"]) == names(run, cell)

    shown_there = selection.matrix_classes(
        run.confusion(), run.classes, selection.default_matrix_size(len(run.classes)), ""
    )
    x, y = shown_there.index(first.predicted), shown_there.index(first.true)
    click(page, MATRIX, x, y)
    page.wait_for_url("**outcome=wrong*")
    wait_until_drawn(page, LAST)
    assert "true" not in query(page), "a click on the chosen cell clears it"
    click(page, MATRIX, x, y)
    page.wait_for_url("**outcome=all*")
    wait_until_drawn(page, "listed below")
    assert {key: query(page)[key] for key in chosen} == chosen
    watched.check()
    watched.context.close()


def test_two_runs_and_a_narrow_window(
    browser: Browser, address: str, runs: list[Run]
) -> None:
    a, b = runs
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/errors?run={a.id}&against={b.id}")
    wait_until_drawn(page, LAST)
    only_second = ~a.correct & b.correct
    expect(page.get_by_text(f"c = {only_second.sum()} only").first).to_be_visible()
    assert only_second.any()
    click(page, OUTCOMES, 0.2, 2)
    page.wait_for_url("**outcome=only-second*")
    wait_until_drawn(page, f"{only_second.sum()} of {len(a.row)} videos")
    facts = shown(page)
    assert sorted(each["video"] for each in facts["videos"]) == names(a, only_second)
    assert facts["difference"]["only_second"] == only_second.sum()
    assert np.isclose(
        facts["difference"]["difference"], a.correct.mean() - b.correct.mean()
    )
    page.get_by_role("button", name="Compare tsn_i3d_synth and dsa_i3d_synth").click()
    wait_until_drawn(page, "all data (JSON)")
    assert query(page)["other"] == "dsa_i3d_synth"
    page.get_by_role("button", name="Back to Errors").click()
    wait_until_drawn(page, LAST)
    assert query(page)["outcome"] == "only-second"
    page.set_viewport_size({"width": 768, "height": 1000})
    wait_until_drawn(page, LAST)
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    watched.check()
    watched.context.close()
