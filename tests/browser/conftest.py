"""One Chromium, and one running app for all walks but those that need another configuration.

They end with this package: while Playwright runs, the thread of the tests can run no event loop.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.stage import chromium, running_app

KEPT_SECONDS = 5
"""Time for which the server keeps the session and the uploads of a lost connection."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        if found is None:
            message = "no Chromium on the PATH: run `make test`, or install the package chromium"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        yield found


@pytest.fixture(scope="package")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary files of the running app."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="package")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The running app's own runs; whoever puts one there removes it."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="package")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the running app's users; whoever brings some deletes them."""
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="package")
def address(scratch: Path, runs_folder: Path, weights_folder: Path) -> Iterator[str]:
    # A session that is left ends soon, not after two minutes.
    options = ("--server.disconnectedSessionTTL", str(KEPT_SECONDS))
    variables = {"WEIGHTS": str(weights_folder)}
    with running_app(scratch, runs=runs_folder, options=options, variables=variables) as address:
        yield address
