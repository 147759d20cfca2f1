"""The pages of one video from the entry script on: what a user sees, and what it costs."""

from __future__ import annotations

import logging
import tempfile
import threading
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from app import ROOT
from app.server import samples, services, tasks
from app.server.sessions import Session, server_state
from app.ui import page_frame
from dsanet_core import checkpoints, synthetic, video
from dsanet_core.models.base import VideoNetwork
from dsanet_core.report import text
from tests.app import odd_tasks
from tests.app.conftest import OpenPage, go, page_text, settle
from tests.weights import preferring

PAGES = ("inspect", "compare", "kernels", "dependencies")
SAMPLE = "sample-15"
TRUTH = synthetic.CATEGORIES[15]


Asked = list[tuple[str, str]]


def upload(at: AppTest, name: str, content: bytes) -> AppTest:
    at.file_uploader[0].upload(name, content, "video/mp4")
    return settle(at.run())


@pytest.fixture
def clip(clip: Path) -> bytes:
    """The bytes of a video that a user uploads."""
    return clip.read_bytes()


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_page_says_what_to_do_and_runs_nothing(
    open_page: OpenPage, asked: Asked, page: str
) -> None:
    at = open_page(page)
    assert "Upload a video" in at.info[0].value
    assert len(at.file_uploader) == 1
    assert not at.error
    assert not asked


def test_picking_a_sample_shows_its_analysis_and_a_link_to_it(open_page: OpenPage) -> None:
    at = open_page()
    at.segmented_control[0].set_value("order").run()
    next(button for button in at.button if button.label == TRUTH).click()
    at = settle(at.run())
    assert at.query_params["video"] == SAMPLE
    assert at.query_params["model"] == "dsa_i3d_synth"
    assert [h.value for h in at.subheader] == ["Scores per snippet", "Model, input and weights"]
    assert "8 snippets x 4 frames, stride 4 in 2 interleaved groups of 4" in page_text(at)
    assert "Top-1 accuracy on" in page_text(at) and ": 25.0%" in page_text(at)
    assert len(at.get("plotly_chart")) == 2
    assert len(at.get("video")) == 1


@pytest.mark.parametrize(
    ("best", "mark"), [([15], "✓ Correct"), ([16], "✗ Incorrect")], ids=["correct", "incorrect"]
)
def test_right_and_wrong_are_marked_where_the_truth_is_known(
    open_page: OpenPage,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    best: list[int],
    mark: str,
) -> None:
    checkpoints.save_checkpoint(
        tmp_path / "sure.safetensors", preferring(best), trained_on="nothing"
    )
    checkpoints.write_manifest(tmp_path)
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    for page in ("inspect", "compare"):
        shown = page_text(open_page(page, video=SAMPLE))
        assert mark in shown
        assert ("Ground truth: " in shown) == (mark == "✗ Incorrect")
        assert text.escape(synthetic.CATEGORIES[best[0]]) in shown


def test_an_uploaded_video_is_analysed_and_has_no_truth(open_page: OpenPage, clip: bytes) -> None:
    at = upload(open_page(), "my clip.mp4", clip)
    assert not at.error
    assert at.query_params["video"].startswith("upload-")
    assert "64 frames, 16 frames/s, h264 in mp4" in page_text(at)
    assert "✓" not in page_text(at)
    assert "✗" not in page_text(at)
    assert "green with ✓" in page_text(go(at, "compare"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nothing.mp4", b"", "is empty (0 bytes)"),
        ("notes.mp4", b"these are words\n" * 50, "is a text file"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "is an HLS playlist"),
        ("list.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n", "is an ffconcat script"),
        ("two\nlines *and* [a](b) `c` <b>.mp4", b"", "is empty (0 bytes)"),
        ("видео 🎬.mp4", b"\x00" * 4000, "is not a video"),
    ],
)
def test_a_bad_file_gives_a_message_and_the_app_lives_on(
    open_page: OpenPage, name: str, content: bytes, message: str
) -> None:
    at = upload(open_page(), name, content)
    shown = at.error[0].value
    assert text.escape(message) in shown
    assert "What to do" in shown
    assert text.escape(name) in shown, "the user knows it by this name"
    assert "\n" not in shown.replace("  \n**", "")
    assert ".upload" not in page_text(at)
    for page in ("compare", "kernels"):
        assert text.escape(message) in go(at, page).error[0].value
    next(b for b in at.button if b.key == "pick_3").click()
    at = settle(at.run())
    assert not at.error
    assert at.query_params["video"] == "sample-3"


@pytest.mark.parametrize(
    ("video_id", "message"),
    [
        ("upload-" + "0" * 64, "uploads are kept only in the session"),
        ("sample-999", "There is no video"),
        ("sample--1", "There is no video"),
        ("../../etc/passwd", "There is no video"),
    ],
)
@pytest.mark.parametrize("page", PAGES)
def test_a_link_to_a_video_that_is_not_here_says_so(
    open_page: OpenPage, page: str, video_id: str, message: str
) -> None:
    at = open_page(page, video=video_id)
    assert message in at.error[0].value
    assert len(at.file_uploader) == 1, "another video can be chosen"


def test_a_video_that_browsers_do_not_play_is_shown_as_a_copy(
    open_page: OpenPage, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = upload(open_page(), "small.mp4", clip)
    assert "A small H.264 copy" not in page_text(at)
    monkeypatch.setattr(services, "MAX_PLAYED_BYTES", len(clip) - 1)
    at = settle(at.run())
    assert "A small H.264 copy, without sound. The original is h264 in mp4." in page_text(at)
    assert len(at.get("video")) == 1


def test_uploads_of_a_session_are_gone_when_it_ends(
    open_page: OpenPage, clip: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    at = upload(open_page(), "my clip.mp4", clip)
    link = at.query_params["video"]
    (path,) = tmp_path.rglob("*.upload")
    assert path.read_bytes() == clip
    st.cache_resource.clear()
    assert not list(tmp_path.iterdir())
    assert "uploads are kept only in the session" in open_page(video=link).error[0].value


def test_a_deep_link_brings_back_every_choice(open_page: OpenPage) -> None:
    query = {
        "video": "sample-17",
        "model": "dsa_i3d_synth",
        "other": "dsa_i3d_synth",
        "block": "layer3.1.dsa",
        "view": "View 2 of 2: snippets 2, 4, 6, 8",
        "category": synthetic.CATEGORIES[4],
    }
    at = open_page(**query)
    assert at.selectbox(key="category").value == query["category"]
    at = go(at, "kernels")
    assert at.selectbox(key="block").value == query["block"]
    assert at.selectbox(key="view").value == query["view"]
    at = go(at, "compare")
    assert at.selectbox(key="other").value == query["other"]
    assert at.query_params == query, "the address still holds everything"


def test_nonsense_in_a_link_falls_back_to_what_there_is(open_page: OpenPage) -> None:
    at = open_page("kernels", video=SAMPLE, model="<script>", block="nowhere", view="-1")
    assert not at.error
    assert at.selectbox(key="model").value == "dsa_i3d_synth"
    assert at.selectbox(key="block").value == "layer2.1.dsa"


def test_switching_block_class_or_page_runs_no_network(
    open_page: OpenPage, asked: Asked
) -> None:
    at = open_page(video=SAMPLE)
    go(at, "compare")
    runs, decodes, seen = services.network_runs(), services.decodes(), list(asked)
    assert (runs, decodes) == (2, 1), "two networks ran on one decode"
    assert seen == [("dsa_i3d_synth", "analysis"), ("i3d_synth", "analysis")]

    go(at, "inspect")
    for category in synthetic.CATEGORIES[:3]:
        settle(at.selectbox(key="category").set_value(category).run())
    go(at, "kernels")
    settle(at.selectbox(key="block").set_value("layer3.1.dsa").run())
    settle(at.selectbox(key="view").select_index(1).run())
    go(at, "compare")
    settle(at.selectbox(key="other").set_value("dsa_i3d_synth").run())
    assert (services.network_runs(), services.decodes()) == (runs, decodes)
    assert asked == seen


def test_the_same_bytes_again_run_nothing_in_their_session_and_all_in_another(
    open_page: OpenPage, clip: bytes, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quick answer would tell that somebody else has the file."""
    at = upload(open_page(), "mine.mp4", clip)
    at = upload(at, "renamed.mp4", clip)
    assert len(asked) == 1 and "renamed" in at.expander[0].label
    other = Session(server_state())  # to Streamlit all pages of a test are one session
    monkeypatch.setattr(services, "browser_session", lambda: other)
    at = upload(open_page(), "yours.mp4", clip)
    assert len(asked) == 2 and services.decodes() == 2
    assert "mine" not in page_text(at)


def test_the_server_itself_runs_no_network(open_page: OpenPage) -> None:
    seen = []

    def note(module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, VideoNetwork) and not inputs[0].is_meta:
            seen.append(module)

    with torch.nn.modules.module.register_module_forward_pre_hook(note):
        at = open_page(video=SAMPLE)
    assert services.network_runs() == 1 and not at.error and not seen


def test_comparing_a_model_with_itself_runs_it_once(open_page: OpenPage) -> None:
    at = open_page("compare", video=SAMPLE, other="dsa_i3d_synth")
    assert not at.error
    assert services.network_runs() == 1


def test_kernels_of_an_averaging_model_say_what_to_choose(open_page: OpenPage) -> None:
    at = open_page("kernels", video=SAMPLE, model="i3d_synth")
    assert "Choose a model with DSA" in at.info[0].value
    at = settle(at.selectbox(key="model").set_value("dsa_i3d_synth").run())
    assert len(at.get("plotly_chart")) == 3
    assert "**This block** aggregates" in page_text(at)


@pytest.mark.parametrize("threshold", [-1e9, 1.0], ids=["familiar", "unfamiliar"])
def test_a_video_unlike_the_training_data_is_marked(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, threshold: float
) -> None:
    from dsanet_core.familiarity import FamiliarityModel

    network = preferring([0])
    channels = network.appearance_size
    model = FamiliarityModel(np.zeros(channels), np.eye(channels), threshold, 0.95)
    checkpoints.save_checkpoint(
        tmp_path / "m.safetensors", network, trained_on="shapes", familiarity=model
    )
    checkpoints.write_manifest(tmp_path)
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    at = open_page(video=SAMPLE)
    assert bool(at.warning) == (threshold > 0)
    assert ("Unlike the training data" in page_text(at)) == (threshold > 0)
    assert "can only answer with one of its 25 classes" in page_text(at)
    assert "95.0% of the validation videos" in page_text(at)


def test_without_weights_the_page_says_how_to_get_them(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    assert "train\\-embedded" in open_page(video=SAMPLE).error[0].value


def test_an_unexpected_failure_is_logged_and_never_shown(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # A default is bound when the class is made.
    ask = partial(tasks.Request, task=odd_tasks.broken)
    monkeypatch.setattr(page_frame, "Request", ask)
    with caplog.at_level(logging.ERROR):
        at = open_page(video=SAMPLE)
    assert "could not be displayed" in at.error[0].value
    assert "secret" not in page_text(at)
    assert "a job failed" in caplog.text and "KeyError" in caplog.text


def test_stop_stops_the_decoding_and_run_again_runs(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = video.read_clips
    stopped = threading.Event()

    def wait_for_cancel(*_: object, cancel: threading.Event, **__: object) -> None:
        assert cancel.wait(60)
        stopped.set()
        raise CancelledError

    samples.clip(15)
    monkeypatch.setattr(video, "read_clips", wait_for_cancel, raising=False)
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"))
    at.query_params["video"] = SAMPLE
    at.run(timeout=60)
    next(button for button in at.button if button.label == "Stop").click()
    at = settle(at.run())
    assert stopped.wait(60)
    assert "Stopped" in at.info[0].value
    assert services.network_runs() == 0

    monkeypatch.setattr(video, "read_clips", decode)
    next(button for button in at.button if button.label == "Run again").click()
    at = settle(at.run())
    assert services.network_runs() == 1
    assert not at.info


def test_a_process_killed_in_a_forward_is_a_message_and_a_way_on(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        page_frame, "Request", partial(tasks.Request, task=odd_tasks.killed)
    )
    at = open_page(video=SAMPLE)
    assert "was killed by SIGKILL while it worked on this" in at.error[0].value
    assert "a new process is starting" in at.error[0].value
    monkeypatch.setattr(page_frame, "Request", tasks.Request)
    next(button for button in at.button if button.label == "Run again").click()
    at = settle(at.run())
    assert not at.error and "Model, input and weights" in page_text(at)


def test_too_many_waiting_analyses_are_a_message_and_nothing_is_lost(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = open_page(video=SAMPLE)
    for room in server_state().all_queues:
        monkeypatch.setattr(room, "_waiting_in_all", 0)
    full = open_page(video="sample-3")
    assert "0 analyses wait for their turn on this server" in full.error[0].value
    assert not settle(at.run()).error, "what is at hand is still shown"
    for room in server_state().all_queues:
        monkeypatch.setattr(room, "_waiting_in_all", 64)
    next(button for button in full.button if button.label == "Run again").click()
    assert not settle(full.run()).error
