"""What the watch over a page takes for a fault."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Route

from tests.browser.stage import Watched

pytestmark = pytest.mark.browser

ADDRESS = "http://localhost:1"


def open_page(browser: Browser, body: str) -> Watched:
    """A page of this body, on a server that has nothing else."""

    def answer(route: Route) -> None:
        if route.request.url == f"{ADDRESS}/":
            route.fulfill(body=body, content_type="text/html")
        else:
            route.fulfill(status=404)

    watched = Watched(browser, ADDRESS)
    watched.page.route("**/*", answer)
    watched.page.goto(ADDRESS)
    return watched


@pytest.mark.parametrize("tag", ["<img src=/media/a.jpg>", "<video src=/media/a.mp4></video>"])
def test_a_picture_or_video_that_is_gone_counts_while_it_is_on_the_page(
    browser: Browser, tag: str
) -> None:
    watched = open_page(browser, tag)
    watched.page.wait_for_function("() => document.querySelector('video')?.error !== null")
    with pytest.raises(AssertionError, match=r"not to be had: .*/media/a"):
        watched.check()
    watched.page.evaluate("document.querySelector('img, video').remove()")
    watched.check()
    watched.context.close()


@pytest.mark.parametrize(
    ("body", "said"),
    {
        "<script src=/a.js></script>": "404 http://localhost:1/a.js",
        "<script>console.error('oh')</script>": "console: oh",
        "<script>throw Error('oh')</script>": "page error: .*oh",
        "<img src=http://evil.example/a>": "a request left this machine: http://evil.example/a",
    }.items(),
)
def test_other_faults_count_wherever_they_were(browser: Browser, body: str, said: str) -> None:
    watched = open_page(browser, body)
    watched.page.evaluate("document.body.replaceChildren()")
    with pytest.raises(AssertionError, match=said):
        watched.check()
    watched.context.close()
