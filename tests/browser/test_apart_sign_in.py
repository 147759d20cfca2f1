"""Sign-in, walked in a real Chromium against a provider on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.provider import CLIENT, SECRET, Provider, running_provider
from tests.browser.stage import WAIT_MILLISECONDS, running_app

pytestmark = pytest.mark.browser

expect.set_options(timeout=WAIT_MILLISECONDS)

ASKED, LET_IN = "Sign in to use this server.", "Upload a video"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def address(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, provider: Provider
) -> Iterator[str]:
    scratch = tmp_path_factory.mktemp("server")
    file = scratch / "secrets.toml"
    file.write_text(f"""
        [auth]
        redirect_uri = "http://localhost:{{port}}/oauth2callback"
        cookie_secret = "{'0123456789abcdef' * 4}"
        client_id = "{CLIENT}"
        client_secret = "{SECRET}"
        server_metadata_url = "{provider.address}/.well-known/openid-configuration"
        [access]
        allowed = ["ann@lab.example", "@other.example"]
    """)
    with running_app(scratch, options=("--secrets.files", str(file))) as address:
        yield address


def new_page(browser: Browser) -> Page:
    context = browser.new_context()
    context.set_default_timeout(WAIT_MILLISECONDS)
    return context.new_page()


def test_every_page_asks_first_and_then_says_who_is_signed_in(
    browser: Browser, address: str, provider: Provider
) -> None:
    page = new_page(browser)
    for path in ("", "/runs", "/zoo"):
        page.goto(address + path)
        expect(page.get_by_text(ASKED)).to_be_visible()
        expect(page.get_by_text(LET_IN)).to_have_count(0)
    page.goto(address)
    provider.person = {"sub": "1", "email": "Ann@lab.example", "name": "<b id=taken>Ann</b>"}
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Signed in as Ann@lab.example".replace("@", "\u2060@"))).to_be_visible()
    expect(page.get_by_text(LET_IN)).to_be_visible()
    page.reload()
    expect(page.get_by_text(LET_IN)).to_be_visible()
    other = new_page(browser)
    other.goto(address)
    expect(other.get_by_text(ASKED)).to_be_visible()
    other.context.close()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text(ASKED)).to_be_visible()
    page.context.close()


def test_who_is_not_on_the_list_is_told_so(
    browser: Browser, address: str, provider: Provider
) -> None:
    page = new_page(browser)
    page.goto(address)
    provider.person = {"sub": "2", "email": "eve@lab.example"}
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("is not allowed to use this server")).to_be_visible()
    expect(page.get_by_text(LET_IN)).to_have_count(0)
    page.context.close()
