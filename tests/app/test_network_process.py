"""The process with the networks: killed, deaf or without its device, the next result comes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st

from app.server import health, network_process, settings, tasks
from app.server.network_process import (
    NetworkProcess,
    NetworkRequest,
    WorkerError,
    process_of,
)
from app.server.network_worker import Networks, outcome
from app.server.sessions import server_state
from dsanet_core import checkpoints
from dsanet_core.analysis import analyze
from dsanet_core.child_process import Channel
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.records import Clips
from tests.app import odd_tasks
from tests.app.conftest import wait_for

ROOT = Path(__file__).parents[2]
TIMEOUT = 60


@pytest.fixture(scope="module")
def process() -> Iterator[NetworkProcess]:
    made = NetworkProcess("cpu")
    yield made
    made.shut_down()


@pytest.fixture(scope="module")
def clips(weights_folder: Path) -> Clips:
    sampling = checkpoints.read_spec(weights_folder / "i3d_synth.safetensors").protocol.sampling
    return open_dataset("synth:seed=3,n=2").clips(1, sampling)


@pytest.fixture
def request_for(weights_folder: Path, clips: Clips) -> Callable[..., NetworkRequest]:
    def make(
        task: Any, *, name: str = "i3d_synth", video: str = "a", **choices: Any
    ) -> NetworkRequest:
        entry = checkpoints.read_manifest(weights_folder)[name]
        bound = partial(task, **choices) if choices else task
        path = weights_folder / entry["file"]
        return NetworkRequest(path, entry["sha256"], (video, clips.sampling), clips, bound)

    return make


def run(process: NetworkProcess, request: NetworkRequest) -> Any:
    return process.run(request, threading.Event(), lambda step, share: None)[0]


def test_the_answer_is_that_of_the_network_here(
    process: NetworkProcess,
    request_for: Callable[..., NetworkRequest],
    clips: Clips,
    weights_folder: Path,
) -> None:
    found = run(process, request_for(tasks.analysis))
    here = analyze(clips, weights_folder / "i3d_synth.safetensors", device="cpu")
    np.testing.assert_allclose(found.video_scores, here.video_scores, atol=1e-6)
    assert (found.thumbnails == here.thumbnails).all()
    assert run(process, request_for(odd_tasks.who))["pid"] == process.pid != os.getpid()


def test_objects_keep_their_arrays() -> None:
    here, there = map(Channel, socket.socketpair())
    values = {"scores": np.linspace(0, 1, 7), "empty": np.zeros((0, 3), np.float32), "name": "é"}
    with here.socket, there.socket:
        network_process.send_object(here, values)
        found, size = network_process.receive_object(there)
    assert size > 7 * 8 and found["name"] == "é" and found["empty"].shape == (0, 3)
    np.testing.assert_array_equal(found["scores"], values["scores"])


def test_frames_are_sent_once_for_several_questions(
    process: NetworkProcess,
    request_for: Callable[..., NetworkRequest],
    clips: Clips,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[NetworkRequest] = []
    real = network_process.send_object

    def spy(channel: Channel, message: Any) -> None:
        if isinstance(message, tuple):
            sent.append(message[1])
        real(channel, message)

    monkeypatch.setattr(network_process, "send_object", spy)
    for video in ("x", "x", "y", "x", "z", "y"):
        found = run(process, request_for(odd_tasks.who, video=video))
        assert (found["rgb"] == clips.frames.rgb).all()
    given = [(request.video[0], request.clips is not None) for request in sent]
    assert given == [
        ("x", True), ("x", False), ("y", True), ("x", False), ("z", True), ("y", True),
    ], "two videos are kept, the one asked about longest ago goes"


def test_a_process_killed_in_a_forward_is_named_and_replaced(
    process: NetworkProcess, request_for: Callable[..., NetworkRequest]
) -> None:
    before = run(process, request_for(odd_tasks.who))["pid"]
    with pytest.raises(WorkerError, match="on cpu was killed by SIGKILL while it worked on this"):
        run(process, request_for(odd_tasks.killed))
    assert run(process, request_for(odd_tasks.who))["pid"] != before


def test_a_process_that_died_while_idle_is_replaced_unnoticed(
    process: NetworkProcess, request_for: Callable[..., NetworkRequest]
) -> None:
    before = run(process, request_for(odd_tasks.who))["pid"]
    os.kill(before, signal.SIGKILL)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert run(process, request_for(odd_tasks.who))["pid"] != before


def cancel_midway(process: NetworkProcess, request: NetworkRequest, note: Path) -> int:
    """Run, cancel once the task has begun; the process that was at it."""
    at_it: int = run(process, replace(request, task=odd_tasks.who))["pid"]
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(process.run, request, cancel, lambda step, share: None)
        wait_for(note, "begun")
        cancel.set()
        with pytest.raises(CancelledError):
            asked.result(TIMEOUT)
    return at_it


def test_a_cancelled_question_stops_and_the_process_stays(
    process: NetworkProcess, request_for: Callable[..., NetworkRequest], tmp_path: Path
) -> None:
    note = tmp_path / "note"
    before = cancel_midway(process, request_for(odd_tasks.endless, note=note), note)
    assert note.read_text() == "stopped"
    assert run(process, request_for(odd_tasks.who))["pid"] == before


def test_a_cancelled_question_that_does_not_stop_is_killed(
    process: NetworkProcess, request_for: Callable[..., NetworkRequest], tmp_path: Path
) -> None:
    note = tmp_path / "note"
    before = cancel_midway(process, request_for(odd_tasks.deaf, note=note), note)
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert run(process, request_for(odd_tasks.who))["pid"] != before


def test_who_waits_for_the_process_can_be_cancelled(
    process: NetworkProcess, request_for: Callable[..., NetworkRequest], tmp_path: Path
) -> None:
    first, second, note = threading.Event(), threading.Event(), tmp_path / "note"
    with ThreadPoolExecutor(2) as pool:
        busy = pool.submit(
            process.run, request_for(odd_tasks.endless, note=note), first, lambda step, share: None
        )
        wait_for(note, "begun")
        second.set()
        with pytest.raises(CancelledError):
            process.run(request_for(odd_tasks.who), second, lambda step, share: None)
        assert note.read_text() == "begun", "the one at work goes on"
        first.set()
        with pytest.raises(CancelledError):
            busy.result(TIMEOUT)


def test_a_lost_device_is_named_and_a_new_process_tries_it(
    process: NetworkProcess, request_for: Callable[..., NetworkRequest]
) -> None:
    before = run(process, request_for(odd_tasks.who))["pid"]
    with pytest.raises(WorkerError, match=r"cpu does not answer any more .*launch failure"):
        run(process, request_for(odd_tasks.device_lost))
    assert run(process, request_for(odd_tasks.who))["pid"] != before


def test_a_device_lost_while_a_question_is_cancelled_is_not_asked_again_in_that_process(
    process: NetworkProcess, request_for: Callable[..., NetworkRequest], tmp_path: Path
) -> None:
    note = tmp_path / "note"
    before = cancel_midway(process, request_for(odd_tasks.device_lost_late, note=note), note)
    assert run(process, request_for(odd_tasks.who))["pid"] != before


def test_where_the_device_stays_silent_the_cpu_takes_over_and_the_page_is_told(
    request_for: Callable[..., NetworkRequest],
) -> None:
    process = NetworkProcess("cuda:7")
    assert not process.note
    assert run(process, request_for(odd_tasks.who))["device"] == "cpu"
    assert process.note == " (on the CPU, since cuda:7 does not answer)"
    process.shut_down()


def test_too_little_memory_is_a_message_and_the_process_stays(
    process: NetworkProcess, request_for: Callable[..., NetworkRequest]
) -> None:
    before = run(process, request_for(odd_tasks.who))["pid"]
    with pytest.raises(ModelError, match="more memory than cpu has left"):
        run(process, request_for(odd_tasks.too_large))
    assert run(process, request_for(odd_tasks.who))["pid"] == before


def test_an_unexpected_failure_is_logged_there_and_named_here(
    process: NetworkProcess, request_for: Callable[..., NetworkRequest], clips: Clips, caplog: Any
) -> None:
    with pytest.raises(RuntimeError, match="KeyError in the process that runs models"):
        run(process, request_for(odd_tasks.broken))
    found = outcome(request_for(odd_tasks.broken), clips, Networks("cpu"), lambda step, share: None)
    assert found == ("crashed", "KeyError")
    assert "inner secret" in caplog.text and "odd_tasks.py" in caplog.text


def test_weights_that_changed_on_disk_are_refused(
    process: NetworkProcess, request_for: Callable[..., NetworkRequest]
) -> None:
    changed = replace(request_for(odd_tasks.who), sha256="0" * 64)
    with pytest.raises(CheckpointError, match="is another file now"):
        run(process, changed)


def test_loaded_networks_are_bounded_by_their_parameters(
    request_for: Callable[..., NetworkRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = Networks("cpu")
    names = ("i3d_synth", "dsa_i3d_synth", "sda_tsn_synth")
    first = networks.get(request_for(odd_tasks.who, name=names[0]))
    assert networks.get(request_for(odd_tasks.who, name=names[0])) is first
    monkeypatch.setattr(settings, "NETWORK_BYTES", 1)
    networks.get(request_for(odd_tasks.who, name=names[1]))
    assert networks.get(request_for(odd_tasks.who, name=names[0])) is not first


def test_it_ends_with_the_server(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from app.server.network_process import NetworkProcess\n"
        "process = NetworkProcess('cpu'); process.get()\n"
        "print(process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True)
    pid = int(run.stdout)
    end = time.monotonic() + TIMEOUT
    while Path(f"/proc/{pid}").exists() and "Z" not in _state(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def test_a_health_check_is_told_of_the_queue_and_the_process() -> None:
    st.cache_resource.clear()
    server_state()
    end = time.monotonic() + TIMEOUT
    while (facts := health._observed["networks on cpu"]())["process"] is None:
        assert time.monotonic() < end
    assert facts == {
        "ok": True, "waiting": 0, "process": process_of("cpu").pid, "on_cpu_instead": False,
    }
    os.kill(facts["process"], signal.SIGKILL)
    while health._observed["networks on cpu"]()["ok"]:
        assert time.monotonic() < end
