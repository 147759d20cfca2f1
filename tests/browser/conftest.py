"""One Chromium, and one running app for the walks that need none of their own.

They end with this package: while Playwright runs, the thread of the tests can run no event loop.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.stage import chromium, running_app


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        if found is None:
            message = "no Chromium on the PATH: run `make test`, or install the package chromium"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        yield found


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the temporary files of an app that a file starts for itself."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="package")
def shared_scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="package")
def address(browser: Browser, shared_scratch: Path) -> Iterator[str]:
    # A session that is left ends soon, not after two minutes.
    with running_app(shared_scratch, options=("--server.disconnectedSessionTTL", "5")) as address:
        yield address
