"""A headless Chromium for the tools, alone or with the running app."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.stage import chromium, running_app


@contextmanager
def required_chromium() -> Iterator[Browser]:
    """Raises RuntimeError where no Chromium is installed."""
    with chromium() as browser:
        if browser is None:
            raise RuntimeError("no Chromium: run `make test` once, it finds or installs one")
        yield browser


@contextmanager
def app_and_browser() -> Iterator[tuple[str, Browser]]:
    """The address of the app, whose temporary files are deleted at the end, and a browser."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        required_chromium() as browser,
        running_app(Path(scratch)) as address,
    ):
        yield address, browser
