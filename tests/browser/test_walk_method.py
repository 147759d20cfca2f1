"""A walk through the page Method in a real Chromium: drawings, equations, links that keep the
session."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.stage import WAIT_MILLISECONDS, Watched, wait_until_drawn

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)


def test_the_drawings_lead_to_their_pages_within_the_session(
    browser: Browser, address: str
) -> None:
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/method?video=sample-11")
    wait_until_drawn(page, "Glossary")
    expect(page.locator(".katex-display")).to_have_count(9)
    expect(page.locator(".katex-error")).to_have_count(0)
    page.evaluate("window.stillHere = true")

    page.get_by_role("link", name="Dynamic kernel K: shown on the page Kernels").click()
    page.wait_for_url("**/kernels?**video=sample-11*")
    wait_until_drawn(page, "Model, input and weights")
    assert page.evaluate("window.stillHere"), "the page was not loaded again: the session stays"

    page.get_by_role("link", name="Method").click()
    wait_until_drawn(page, "Glossary")
    gate = page.get_by_role("link", name="Gate: shown on the page Dependencies")
    gate.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/dependencies?**video=sample-11*")
    wait_until_drawn(page, "Dependency weights per SDA block")
    assert page.evaluate("window.stillHere")
    watched.check()

    page.get_by_role("link", name="Method").click()
    wait_until_drawn(page, "Glossary")
    page.set_viewport_size({"width": 768, "height": 1000})
    wait_until_drawn(page, "Glossary")
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    watched.check()
    watched.context.close()
