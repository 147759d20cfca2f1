"""A report opened from disk in a real Chromium: drawn, inert, and without a single request."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dsanet_core.report import write_report
from dsanet_core.serialize import analysis_from_json, analysis_to_json
from tests.browser.stage import WAIT_MILLISECONDS, Watched, wait_until_drawn
from tests.factory import make_analysis
from tests.report.hostile import ATTACK, hostile_analysis

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)

INK_OF = "place => getComputedStyle(document.querySelector(place)).fill"


def open_report(context: BrowserContext, path: Path) -> tuple[Page, list[str], list[str]]:
    """The page of a report, every request that it makes, and everything its console says."""
    context.set_default_timeout(WAIT_MILLISECONDS)
    page = context.new_page()
    requests: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: requests.append(request.url[:1000]))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    return page, requests, said


def test_a_hostile_report_opens_from_disk_and_asks_for_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    analyses = [
        hostile_analysis(),
        hostile_analysis(1, name="sda_tsn_synth", consensus="sda"),
    ]
    path = write_report(tmp_path / "r & r #1.html", analyses)
    context = browser.new_context(
        viewport={"width": 768, "height": 1000}, color_scheme="dark", offline=True
    )
    page, requests, said = open_report(context, path)
    plots = page.locator(".plot .main-svg:first-child")
    expect(plots).to_have_count(page.locator(".plot").count())
    assert page.locator(".plot").count() == 12
    assert page.locator(".plot image").count() > 8, "the frames of the snippets"
    assert page.evaluate("typeof window.taken") == "undefined"
    assert page.title().count(ATTACK) == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 768

    dark = page.evaluate(INK_OF, ".plot .xtick text")
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"before => ({INK_OF})('.plot .xtick text') !== before", arg=dark)
    assert (dark, page.evaluate(INK_OF, ".plot .xtick text")) == (
        "rgb(230, 235, 240)",
        "rgb(27, 36, 48)",
    )

    with page.expect_download() as download:
        page.get_by_role("button", name="Save the data of").nth(1).click()
    saved = analysis_from_json(download.value.path().read_text())
    assert analysis_to_json(saved) == analysis_to_json(analyses[1])

    outside = [url for url in requests if not url.startswith(("data:", "blob:", path.as_uri()))]
    assert outside == []
    assert said == []
    context.close()


def test_on_paper_no_figure_is_wider_than_the_sheet(browser: Browser, tmp_path: Path) -> None:
    path = write_report(tmp_path / "r.html", [make_analysis(0)])
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, color_scheme="dark")
    page, _, said = open_report(context, path)
    wide = page.locator(".plot .main-svg").first.evaluate("svg => svg.clientWidth")
    widths = "() => [...document.querySelectorAll('.plot .main-svg')].map(svg => svg.clientWidth)"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(f"Math.max(...({widths})()) <= 688")
    assert page.evaluate(INK_OF, ".plot .xtick text") == "rgb(27, 36, 48)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for_function(f"({widths})()[0] === {wide}")
    assert said == []
    context.close()


def test_the_pages_give_the_report_of_what_they_show(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    watched = Watched(browser, address)
    page = watched.page
    page.goto(f"{address}/compare?video=sample-11&model=dsa_i3d_synth&other=i3d_synth")
    wait_until_drawn(page, "Compute cost")
    with page.expect_download() as download:
        page.get_by_role("button", name="Report (HTML)").click()
    assert download.value.suggested_filename.endswith("_dsa_i3d_synth_i3d_synth.html")
    target = tmp_path / "report.html"
    download.value.save_as(target)
    watched.check()
    report, requests, said = open_report(watched.context, target)
    expect(report.get_by_text("dsa_i3d_synth: Prediction (")).to_be_visible()
    correct, incorrect = map(report.get_by_text, ("✓ Correct", "✗ Incorrect"))
    expect(correct.or_(incorrect).first).to_be_visible()
    expect(report.get_by_text("Top-1 accuracy on synth")).to_have_count(2)
    expect(report.locator(".plot .main-svg:first-child")).to_have_count(9)
    assert [url for url in requests if not url.startswith(("data:", target.as_uri()))] == []
    assert said == []
    watched.context.close()
