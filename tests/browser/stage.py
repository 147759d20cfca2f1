"""A Chromium and a running app, for the browser test and the screenshots."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

from dsanet_core import checkpoints
from dsanet_core.records import Run
from dsanet_core.runs.summary import FILE, load_run, save_run

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START_SECONDS = 90
WAIT_MILLISECONDS = 90_000

BASE_PATH_PROBES = ("/_stcore/health", "/_stcore/host-config")
"""Streamlit's page looks for its server under the page's own path first, and gets a 404."""

BUSY = (
    '[data-testid="stApp"]:not([data-test-script-state="notRunning"]), '
    '[data-testid="stStatusWidget"], [data-testid="stProgress"], [data-testid="stSpinner"]'
)

MEDIA = "/media/"
"""In the address of every picture and video that a page shows."""
NOT_SHOWN = """() => [
    ...[...document.images].filter(image => image.complete && !image.naturalWidth),
    ...[...document.querySelectorAll('video')].filter(video => video.error),
].map(each => each.currentSrc || each.src)"""


LABELS_THAT_MEET = """() => {
    const meet = (a, b) => Math.min(a.right, b.right) > Math.max(a.left, b.left) + 1
        && Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top) + 2
    const found = [...document.querySelectorAll('.js-plotly-plot')].map(plot => {
        const labels = [...plot.querySelectorAll('.annotation-text, .xtick text, .ytick text, '
            + '.y2tick text, .legendtext, .cbaxis text, .xtitle, .ytitle, .y2title')]
            .filter(label => label.textContent.trim())
        const boxes = labels.map(label => label.getBoundingClientRect())
        const meeting = boxes.flatMap((a, i) => boxes.slice(i + 1).flatMap((b, j) =>
            meet(a, b) ? [labels[i].textContent + ' on ' + labels[i + 1 + j].textContent] : []))
        return [labels.length, meeting]
    })
    return [found.reduce((sum, each) => sum + each[0], 0), found.flatMap(each => each[1])]
}"""
"""How many labels the figures of a page have, and which of them lie upon each other."""


class Watched:
    """A page and everything that went wrong in it."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 1000})
        self.context.set_default_timeout(WAIT_MILLISECONDS)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self._refused: set[str] = set()
        self._host = urlsplit(address).netloc
        self.page.on("console", lambda message: self._note_message(message.type, message.text))
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.page.on("response", self._note_response)
        self.page.on("request", lambda request: self._note_address(request.url))

    def check(self) -> None:
        """Nothing failed, nothing left this machine, and no traceback is on the page."""
        assert not self.problems, "\n".join(self.problems)
        # Who leaves a page asks for pictures that nobody will see: by then they may be gone.
        broken = self._refused & set(self.page.evaluate(NOT_SHOWN))
        assert not broken, f"on the page, and not to be had: {broken}"
        assert self.page.locator('[data-testid="stException"]').count() == 0
        assert "Traceback" not in self.page.locator("body").inner_text()

    def _note_message(self, kind: str, text: str) -> None:
        # What could not be loaded is noted with its address below.
        loading = text.startswith("Failed to load resource") or (
            "source error" in text and MEDIA in text
        )
        if kind == "error" and not loading:
            self.problems.append(f"console: {text}")

    def _note_response(self, response: Response) -> None:
        if response.status < 400 or response.url.endswith(BASE_PATH_PROBES):
            return
        if urlsplit(response.url).path.startswith(MEDIA):
            self._refused.add(response.url)
        else:
            self.problems.append(f"{response.status} {response.url}")

    def _note_address(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._host:
            self.problems.append(f"a request left this machine: {url}")


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """A headless Chromium: the system's, else Playwright's own; None where there is neither."""
    with sync_playwright() as playwright:
        found = (path for name in NAMES if (path := shutil.which(name)) and _starts(path))
        executable = next(found, playwright.chromium.executable_path)
        if not Path(executable).exists():
            yield None
            return
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def running_app(
    scratch: Path,
    *,
    runs: Path | None = None,
    options: Sequence[str] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[str]:
    """The app on a free port of this machine, its temporary files under `scratch`; its address.

    runs: the folder of the runs that are made here, in place of the one of this checkout. options,
    variables: more of Streamlit's options, and of the environment.
    """
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    address = f"http://localhost:{port}"
    script = "streamlit_app.py" if runs is None else "tests/browser/app_with_runs.py"
    command = [sys.executable, "-m", "streamlit", "run", script]
    command += ["--server.port", str(port), "--server.headless", "true", *options]
    log = scratch / "server.log"
    environment = os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT), **variables}
    if runs is not None:
        environment["RUNS"] = str(runs)
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment) as server,
    ):
        try:
            _wait_until_healthy(address, server, log)
            yield address
        finally:
            server.terminate()


@contextmanager
def runs_in(folder: Path, runs: Sequence[Run]) -> Iterator[None]:
    """These runs lie in a folder while the block lasts."""
    for run in runs:
        (folder / run.id).mkdir()
        save_run(run, folder / run.id / FILE)
    try:
        yield
    finally:
        for run in runs:
            shutil.rmtree(folder / run.id)


def eventually(holds: Callable[[], object]) -> None:
    """Wait until this holds."""
    end = time.monotonic() + WAIT_MILLISECONDS / 1000
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.1)


def query(page: Page) -> dict[str, str]:
    """The query of the address of a page."""
    return {key: value[0] for key, value in parse_qs(urlsplit(page.url).query).items()}


def shown(page: Page) -> dict[str, Any]:
    """What the page exports as JSON."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Data (JSON)").click()
    found: dict[str, Any] = json.loads(download.value.path().read_text())
    return found


def choose(page: Page, label: str, option: str) -> None:
    """By the keyboard alone: a list opened by a click closes where the page still scrolls."""
    page.get_by_role("combobox", name=label, exact=True).press("ArrowDown")
    page.keyboard.type(option)
    expect(page.get_by_role("option", name=option).first).to_be_visible()
    page.keyboard.press("Enter")


def wait_until_drawn(page: Page, text: str) -> None:
    """Until the text stands on the page and nothing is under way any more."""
    page.get_by_text(text).first.wait_for(timeout=WAIT_MILLISECONDS)
    page.wait_for_function(
        "busy => !document.querySelector(busy)", arg=BUSY, timeout=WAIT_MILLISECONDS
    )


def _starts(executable: str) -> bool:
    """Ubuntu's chromium-browser may be a stub that only prints how to install a snap."""
    return subprocess.run([executable, "--version"], capture_output=True).returncode == 0


def _wait_until_healthy(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"the app did not start:\n{log.read_text()}")


def embedded_run(name: str) -> Run:
    """The embedded run of a network whose weights are embedded too and open its videos."""
    sha256 = checkpoints.read_manifest()[name]["sha256"]
    known = map(load_run, (checkpoints.FOLDER / "runs").glob(f"{name}-*/{FILE}"))
    return next(run for run in known if run.model.weights_sha256 == sha256)
