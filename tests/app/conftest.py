"""The app as it runs, on small random networks: real pages, real services, real decoding."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from app import page_file
from app.server import samples
from app.server.fair_queue import WAITING
from app.server.network_process import NetworkProcess, NetworkRequest
from app.server.sessions import server_state
from dsanet_core import catalogue, checkpoints
from dsanet_core.counting import Complexity, complexity
from dsanet_core.familiarity import FamiliarityModel
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array
from dsanet_core.zoo.paper_tables import paper_rows
from tests.weights import tiny_network

ROOT = Path(__file__).parents[2]
MAX_RUNS = 400
QUICK_SECONDS = 60

OpenPage = Callable[..., AppTest]
Download = Callable[[AppTest, str], str]
COSTS: dict[str, Complexity] = {}


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights under the names of the embedded ones, with a manifest."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for seed, row in enumerate(("dsa_i3d_synth", "i3d_synth", "sda_tsn_synth")):
        network = tiny_network(row, seed=seed)
        channels = network.appearance_size
        everything = FamiliarityModel(np.zeros(channels), np.eye(channels), -1e9, 1.0)
        checkpoints.save_checkpoint(
            folder / f"{row}.safetensors",
            network,
            trained_on="nothing: random weights",
            accuracy={"top1": 0.25},
            familiarity=everything,
        )
    checkpoints.write_manifest(folder)
    return folder


@pytest.fixture(scope="session")
def samples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="session", autouse=True)
def scan_packages_once() -> Iterator[None]:
    """An `AppTest` reads the metadata of every installed package, in search of components."""
    scan = cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(weights, task) of everything that is given to the process with the networks; of
    attributions the method."""
    seen: list[tuple[str, str]] = []
    run = NetworkProcess.run

    def spy(process: NetworkProcess, request: NetworkRequest, *others: Any) -> tuple[Any, int]:
        task = request.task if isinstance(request.task, partial) else partial(request.task)
        seen.append((request.weights.stem, task.keywords.get("method", task.func.__name__)))
        return run(process, request, *others)

    monkeypatch.setattr(NetworkProcess, "run", spy)
    return seen


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page Zoo with a few networks and a few of the papers' rows, each counted once for all
    tests: to count every network takes half a minute."""
    chosen = [row for row in paper_rows() if row.label in {"GST", "TEA", "TSN", "LST"}]
    chosen += [row for row in paper_rows() if row.label in {"DSA+I3D, 4×8", "SDA-TSN"}]
    names = ["tsn_r50", "sda_tsn_r50", "i3d_synth", "dsa_i3d_synth"]

    def count_once(network: VideoNetwork, **choices: Any) -> Complexity:
        key = f"{network.spec} {choices}"
        if key not in COSTS:
            COSTS[key] = complexity(network, **choices)
        return COSTS[key]

    monkeypatch.setattr(catalogue, "paper_rows", lambda: chosen)
    monkeypatch.setattr(catalogue, "list_models", lambda: names)
    monkeypatch.setattr(catalogue, "complexity", count_once)
    st.cache_data.clear()
    yield
    st.cache_data.clear()


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch) -> Download:
    """`download(at, "Report (HTML)")`: the text that a click on this button of a page gives."""
    makers: dict[str, Callable[[], str]] = {}
    add_deferred = MediaFileManager.add_deferred

    def add(manager: MediaFileManager, maker: Any, *others: Any, **choices: Any) -> str:
        file_id = add_deferred(manager, maker, *others, **choices)
        makers[file_id] = maker
        return file_id

    def download_(at: AppTest, label: str) -> str:
        (button,) = (button for button in at.download_button if button.label == label)
        return makers[button.proto.deferred_file_id]()

    monkeypatch.setattr(MediaFileManager, "add_deferred", add)
    return download_


@pytest.fixture
def open_page(
    weights_folder: Path, samples_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenPage]:
    """`open_page("kernels", video="sample-3", ...)`: a page of a new session, drawn to its end."""
    monkeypatch.setattr(checkpoints, "FOLDER", weights_folder)
    monkeypatch.setattr(checkpoints, "USER_FOLDER", weights_folder / "of_users")
    monkeypatch.setattr(samples, "FOLDER", samples_folder)
    st.cache_resource.clear()

    def open_(page: str = "inspect", **query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
        at.query_params.update(query)
        if page != "inspect":
            at._page_hash = calc_hash(page)  # the path of its address, as a browser asks for it
        return settle(at.run())

    yield open_
    st.cache_resource.clear()


def go(at: AppTest, page: str) -> AppTest:
    """Switch to a page as the navigation does, and wait until it is drawn."""
    return settle(at.switch_page(str(page_file(page).relative_to(ROOT))).run())


def settle(at: AppTest) -> AppTest:
    """Run the page, as its polling fragment does, until nothing is under way."""
    for _ in range(MAX_RUNS):
        assert not at.exception, at.exception[0]
        if not is_busy(at):
            return at
        wait_for_a_job()
        at.run()
    raise AssertionError("the page never finished")


def wait_for_a_job() -> None:
    """Until a job under way has finished, at most a second: a page that is drawn again and again
    meanwhile takes the processor from it."""
    queues = server_state().all_queues
    jobs = [job for queue in queues for job in list(queue._jobs.values())]
    jobs = [job for job in jobs if not job.finished.is_set()]
    end = time.monotonic() + 1
    while jobs and not any(job.finished.is_set() for job in jobs) and time.monotonic() < end:
        time.sleep(0.01)


def is_busy(at: AppTest) -> bool:
    stages = ("Making a copy", WAITING)
    copying = any(stage in info.value for info in at.info for stage in stages)
    return copying or any(button.label == "Stop" for button in at.button)


def page_text(at: AppTest) -> str:
    """Everything a reader sees in words."""
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def figures(at: AppTest) -> list[dict[str, Any]]:
    """The drawn Plotly figures of a page, from the top."""
    return [json.loads(drawn.proto.spec) for drawn in at.get("plotly_chart")]


def numbers(packed: Any) -> Array:
    """An array of a figure, from the bytes that Plotly packs or from a list."""
    if not isinstance(packed, dict):
        return np.asarray(packed)
    values = np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"])
    shape = packed.get("shape")
    return values.reshape([int(size) for size in shape.split(",")]) if shape else values


def wait_for(note: Path, word: str) -> None:
    """Until another process has written the word into the file."""
    end = time.monotonic() + QUICK_SECONDS
    while not (note.exists() and note.read_text() == word):
        assert time.monotonic() < end
        time.sleep(0.01)
