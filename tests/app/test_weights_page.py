"""Weights that users bring on the page Zoo: checked, kept, shown, chosen everywhere, deleted."""

from __future__ import annotations

import io
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
import torch
import torchvision
from streamlit.testing.v1 import AppTest

from app.pages.zoo import weights_panel, widgets
from app.server import settings, user_weights, weights_check
from app.server.fair_queue import Job
from app.server.network_process import WorkerError
from app.server.sessions import server_state
from dsanet_core import checkpoints, child_process
from dsanet_core.catalogue import PaperComparison
from dsanet_core.errors import CheckpointError
from dsanet_core.zoo.paper_tables import paper_rows
from tests.app.conftest import (
    QUICK_SECONDS,
    OpenPage,
    go,
    page_text,
    settle,
    wait_for_a_job,
)
from tests.checkpoints.makers import archive_of, shell
from tests.weights import save_tiny

ANALYSES = ("inspect", "compare", "kernels", "dependencies", "explain", "whatif")


@pytest.fixture(autouse=True)
def other_parts_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting every network takes seconds, and is tested elsewhere."""
    monkeypatch.setattr(widgets, "models", list)
    row = PaperComparison(paper_rows()[0], None, None)
    monkeypatch.setattr(widgets, "comparisons", lambda: [row])


@pytest.fixture
def users(open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of users' weights, empty; sessions keep their files beside it."""
    monkeypatch.setattr(checkpoints, "USER_FOLDER", tmp_path / "users")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "users"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A checkpoint of this project."""
    return save_tiny(tmp_path, seed=5)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """A ResNet-18 with 6 outputs, as torchvision saves it."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=6)
    path = tmp_path / "public.pth"
    torch.save(network.state_dict(), path)
    return path


def bring(at: AppTest, path: Path, name: str | None = None) -> AppTest:
    """Upload a file, under its own name or one that its owner gave it; nothing is checked yet."""
    at.file_uploader[0].upload(name or path.name, path.read_bytes(), "application/octet-stream")
    return at.run()


def check(at: AppTest) -> AppTest:
    """Press the button, and wait for what comes of it."""
    at.button(key="weights_start").click().run()
    end = time.monotonic() + QUICK_SECONDS
    while any(button.label == "Stop" for button in at.button):
        assert time.monotonic() < end
        wait_for_a_job()
        at.run()
    return settle(at)


def spooled(users: Path) -> list[Path]:
    """Uploaded files of weights, of all sessions."""
    return list(users.parent.glob(f"temporary/*/{user_weights.FOLDER_PREFIX}*"))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


def account(at: AppTest) -> dict[str, str]:
    shown = at.table[0].value
    return dict(zip(shown["Setting"], shown["Value"], strict=True))


def test_a_checkpoint_is_kept_shown_and_at_hand_on_every_page(
    open_page: OpenPage, users: Path, own: Path
) -> None:
    at = bring(open_page("zoo"), own, "My Best (1).pth")
    assert at.text_input(key="weights_name").proto.placeholder == "my_best_1_"
    assert "not yet checked" in page_text(at)
    assert not users.exists(), "nothing is kept before somebody says so"
    at.text_input(key="weights_name").set_value("mine").run()
    at = check(at)
    assert not at.error, at.error[0].value
    assert "is now available on every page" in at.success[0].value
    assert files(users) == ["mine.json", "mine.safetensors"]
    row = at.dataframe[0].value.iloc[0]
    assert (row["Name"], row["Classes"]) == ("mine", len(checkpoints.read_spec("mine").classes))
    assert row["SHA-256"] == checkpoints.available_weights()["mine"]["sha256"][:12]
    assert "tiny\\_dsa\\_i3d\\_synth" in account(at)["Model"]
    assert "random weights" in account(at)["Trained on"]

    at.button(key="weights_inspect").click().run()
    at = settle(at)
    assert at.title[0].value == "Inspect"
    assert at.session_state["model"] == "mine"
    at.session_state["video"] = "sample-3"
    at.session_state["other"] = "i3d_synth"
    for page in ANALYSES:
        at = go(at, page)
        assert not at.error, (page, at.error[0].value)
        assert at.session_state["model"] == "mine"
    at = go(at, "runs")
    assert "mine" in at.selectbox(key="new_run_model").options

    at = go(at, "zoo")
    at.button(key="delete_mine").click().run()
    at.button(key="weights_delete_asked_yes").click().run()
    at = go(at, "inspect")
    assert not at.error
    assert "mine is not available" in page_text(at)
    assert at.session_state["model"] == "dsa_i3d_synth"
    at.selectbox(key="model").set_value("i3d_synth").run()
    assert "not at hand" not in page_text(settle(at))


def test_a_public_checkpoint_says_what_was_assumed(
    open_page: OpenPage, users: Path, public: Path
) -> None:
    at = bring(open_page("zoo"), public, "tsm_8f.pth")
    at.number_input(key="weights_frames").set_value(2).run()
    at.selectbox(key="weights_shift").set_value("no").run()
    at.selectbox(key="weights_classes").set_value(weights_panel.OWN_LIST).run()
    names = "\n".join(f"kind {number} <b>*x*</b>" for number in range(6))
    at.file_uploader[0].upload("../kinds.txt", names.encode(), "text/plain").run()
    at = check(at)
    assert not at.error, at.error[0].value
    rows = account(at)
    assert "torchvision" in rows["Format"]
    assert "2 single frames" in rows["Input"] and "as chosen" in rows["Input"]
    assert rows["Classes"].startswith("6, named by") and "/" not in rows["Classes"]
    assert "kinds" in rows["Classes"]
    spec = checkpoints.read_spec("tsm_8f")
    assert spec.classes[0] == "kind 0 <b>*x*</b>"
    assert not spooled(users)
    at.session_state["model"], at.session_state["video"] = "tsm_8f", "sample-3"
    at = go(at, "inspect")
    assert not at.error, at.error[0].value
    assert "weights of ResNet with torchvision" in page_text(at), "its own description"
    assert "#### kind" in page_text(at) and "<b>" not in page_text(at).replace("\\<b", "")


def test_names_of_the_wrong_number_and_hostile_files_are_refused_and_leave_nothing(
    open_page: OpenPage, users: Path, public: Path, tmp_path: Path
) -> None:
    at = bring(open_page("zoo"), public, "<b>*public*</b>.pth")
    at.selectbox(key="weights_classes").set_value("kinetics400").run()
    at = check(at)
    assert "400 class names" in at.error[0].value and "6 outputs" in at.error[0].value
    assert "<b>" not in at.error[0].value
    assert not files(users) and not spooled(users)

    at.button(key="weights_again").click().run()
    canary = tmp_path / "canary"
    hostile = archive_of(tmp_path, {"metadata": {"format": shell(canary)}, "tensors": {}})
    at = check(bring(at, hostile))
    assert "asks to run" in at.error[0].value
    assert "Nothing was stored" in page_text(at)
    assert not at.exception and not canary.exists()
    assert not files(users) and not spooled(users)


def test_a_name_that_is_taken_is_said_at_once_and_the_file_still_waits(
    open_page: OpenPage, users: Path, own: Path
) -> None:
    at = bring(open_page("zoo"), own)
    for name in ("i3d_synth", "dsa_i3d_synth"):
        at.text_input(key="weights_name").set_value(name).run()
        at.button(key="weights_start").click().run()
        assert "is taken" in at.error[0].value
    assert len(spooled(users)) == 1 and not users.exists()
    at.button(key="weights_forget").click().run()
    assert not spooled(users)
    assert at.file_uploader[0].label == "Upload a checkpoint"


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [("MOST_WEIGHTS", 0, "fewer than 0"), ("WEIGHTS_BYTES", 10, "in all")],
)
def test_a_full_folder_takes_no_more(
    open_page: OpenPage, users: Path, own: Path, monkeypatch: pytest.MonkeyPatch,
    setting: str, value: int, said: str,
) -> None:
    monkeypatch.setattr(settings, setting, value)
    at = bring(open_page("zoo"), own)
    assert said in at.error[0].value.replace("\\", "")
    assert not spooled(users)


def test_a_server_that_is_closed_offers_neither_and_does_neither(
    open_page: OpenPage, users: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.import_checkpoint(own, "mine")
    monkeypatch.setenv(settings.WEIGHTS_VARIABLE, "no")
    at = open_page("zoo")
    assert settings.WEIGHTS_VARIABLE in at.info[0].value
    assert not at.file_uploader
    assert "delete_mine" not in [button.key for button in at.button]
    assert account(at)
    with pytest.raises(CheckpointError, match="do not upload or delete weights"):
        user_weights.take(io.BytesIO(b"x"), "a.pth")
    with pytest.raises(CheckpointError, match="do not upload or delete weights"):
        user_weights.delete("mine")
    assert files(users) == ["mine.json", "mine.safetensors"]


def test_a_damaged_entry_is_named_without_its_place_and_deleted_after_a_second_question(
    open_page: OpenPage, users: Path, own: Path
) -> None:
    checkpoints.import_checkpoint(own, "mine")
    checkpoints.import_checkpoint(own, "lost")
    (users / "lost.json").write_text("{}")
    at = open_page("zoo")
    assert "lost** is damaged" in at.error[0].value
    assert str(users) not in at.error[0].value.replace("\\", "")
    assert list(at.dataframe[0].value["Name"]) == ["mine"]
    at.button(key="delete_lost").click().run()
    assert "lost.json" in files(users), "asked once more first"
    at.button(key="weights_delete_asked_no").click().run()
    at.button(key="delete_lost").click().run()
    at.button(key="weights_delete_asked_yes").click().run()
    assert not at.error
    assert files(users) == ["mine.json", "mine.safetensors"]
    at.button(key="delete_mine").click().run()
    at.button(key="weights_delete_asked_yes").click().run()
    assert not files(users)
    assert "Your weights" not in page_text(at)


def test_nothing_that_came_with_the_project_can_be_deleted_or_named_by_a_path(
    open_page: OpenPage, users: Path, weights_folder: Path
) -> None:
    before = files(weights_folder)
    open_page("zoo")
    for name in ("i3d_synth", "../i3d_synth", ""):
        with pytest.raises(CheckpointError, match="no uploaded weights"):
            user_weights.delete(name)
    assert files(weights_folder) == before


@pytest.mark.parametrize(
    ("said", "hosts", "opened"),
    [
        ("", ["localhost"], True), ("", ["lens.lab.example"], False), ("closed", [], False),
        ("yes please", [], False), ("Open", ["lens.lab.example"], True),
    ],
)
def test_weights_are_open_to_this_machine_alone_unless_the_server_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, said: str, hosts: list[str], opened: bool
) -> None:
    options = {"server.address": "localhost", "server.allowedHosts": hosts}
    monkeypatch.setattr(user_weights.runtime.config, "get_option", options.__getitem__)
    monkeypatch.setenv(settings.WEIGHTS_VARIABLE, said)
    assert user_weights.is_open() is opened


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        ("../../etc/passwd", "_.pth"), ("I3D 8x8 (R50).pyth", "I3D_8x8_R50_.pyth"),
        ("torch.py", "torch.pth"), ("", "checkpoint.pth"), ("-rf.pth", "rf.pth"),
        ("a" * 500 + ".PT", "a" * 80 + ".pt"), ("видео\n.pt", "_.pt"),
    ],
)
def test_names_on_disk_are_cleaned(shown: str, kept: str) -> None:
    assert user_weights._clean(shown, user_weights.TYPES) == kept


@pytest.mark.parametrize("is_first", [True, False], ids=["at work", "waiting"])
def test_a_check_that_is_stopped_ends_and_leaves_nothing(
    open_page: OpenPage, users: Path, own: Path, is_first: bool
) -> None:
    at = bring(open_page("zoo"), own)
    room, done = server_state().imports, threading.Event()
    if not is_first:
        room.submit("before it", "another session", lambda job: done.wait(QUICK_SECONDS))
    at.button(key="weights_start").click().run()
    at.button(key="weights_stop").click().run()
    assert at.file_uploader[0].label == "Upload a checkpoint"
    done.set()
    after = room.submit("after it", "another session", lambda job: None)
    assert after.finished.wait(QUICK_SECONDS), "the next one has its turn"
    assert not files(users) and not spooled(users)


def test_a_process_that_is_killed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = subprocess.Popen
    monkeypatch.setattr(
        child_process.subprocess, "Popen",
        lambda *_, **options: killed(["sh", "-c", "kill -9 $$"], **options),
    )
    with pytest.raises(WorkerError, match="was killed by SIGKILL"):
        weights_check.check({}, Job(lambda job: None), "Checking")
