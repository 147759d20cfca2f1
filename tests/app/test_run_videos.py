"""A run's videos in Inspect and Compare: what the network sees, what the run said, the way back."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.server import run_videos, runs
from app.ui.run_text import prediction_in_run
from dsanet_core import synthetic, video
from dsanet_core.analysis import analyze
from dsanet_core.checkpoints import load_model
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import DatasetError, LensError, RecordError, VideoError
from dsanet_core.records import Run, Sampling
from dsanet_core.report.text import escape
from dsanet_core.runs import run_dataset
from tests.app.conftest import OpenPage, go, page_text
from tests.app.run_fixtures import put, real_runs, runs_folder
from tools.made_up_run import made_up_run

__all__ = ["real_runs", "runs_folder"]

RealRuns = tuple[Path, list[Run]]


@pytest.fixture
def known_runs(
    real_runs: RealRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Run]:
    """The real runs where the app looks for them, and a folder of its own for films."""
    monkeypatch.setattr(runs, "FOLDER", real_runs[0])
    monkeypatch.setattr(run_videos, "FOLDER", tmp_path / "films")
    monkeypatch.setattr(run_videos, "FILM_SIDE", 96)
    return real_runs[1]


def follow(at: AppTest, page: str) -> AppTest:
    """The page that the pressed button leads to; as a browser, stay on it until it is drawn."""
    at.run()
    assert at.title[0].value == page
    return go(at, page.lower())


def test_from_a_category_to_a_video_and_back(open_page: OpenPage, known_runs: list[Run]) -> None:
    base, sda = known_runs
    at = open_page("categories", runs=f"{base.id}~{sda.id}", of=synthetic.CATEGORIES[3])
    before = dict(at.query_params)
    labels = [button.label for button in at.button]
    assert labels == [
        "Inspect with i3d\\_synth", "Inspect with sda\\_tsn\\_synth",
        "Compare i3d\\_synth and sda\\_tsn\\_synth",
    ]  # fmt: skip
    at.button[1].click()
    at = follow(at, "Inspect")
    assert not at.error
    _, _, row = at.query_params["video"].rpartition("-")
    place = int(np.flatnonzero(sda.row == int(row))[0])
    assert sda.label[place] == 3
    assert at.query_params["model"] == "sda_tsn_synth"
    assert prediction_in_run(sda, place) in page_text(at)
    says = f"Prediction ({100 * sda.confidence[place]:.1f}%)"
    assert says in page_text(at), "the page's own analysis and the run agree"
    assert f"#### {sda.classes[sda.predicted[place]]}" in [m.value for m in at.markdown]
    if not sda.correct[place]:
        assert f"Ground truth: {synthetic.CATEGORIES[3]}" in page_text(at)
    note = "Enlarged for playback; the model used the same video at 72 x 72"
    assert note in page_text(at)

    next(button for button in at.button if button.label == "Back to Categories").click()
    at = follow(at, "Categories")
    assert {key: at.query_params[key] for key in before} == before
    next(button for button in at.button if button.label.startswith("Compare")).click()
    at = follow(at, "Compare")
    assert not at.error
    assert (at.query_params["model"], at.query_params["other"]) == ("i3d_synth", "sda_tsn_synth")


def test_the_link_of_a_row_opens_its_video_with_the_state_to_come_back_to(
    open_page: OpenPage, known_runs: list[Run]
) -> None:
    base, sda = known_runs
    at = open_page("categories", runs=f"{base.id}~{sda.id}", of=synthetic.CATEGORIES[4])
    shown = at.dataframe[1].value
    link = {key: value[0] for key, value in parse_qs(urlsplit(shown["Inspect"][1]).query).items()}
    assert link["from"] == "categories" and link["of"] == synthetic.CATEGORIES[4]
    assert link["runs"] == f"{base.id}~{sda.id}"
    other = open_page(**link)
    assert not other.error
    assert escape(shown["Video"][1]) in other.expander[0].label
    next(button for button in other.button if button.label == "Back to Categories").click()
    other = follow(other, "Categories")
    assert other.selectbox(key="of").value == synthetic.CATEGORIES[4]
    assert other.dataframe[1].value["Video"].equals(shown["Video"])


@pytest.mark.parametrize("place", [0, 29])
def test_an_opened_video_scores_as_it_did_in_the_run(known_runs: list[Run], place: int,
                                                     weights_folder: Path) -> None:
    for run in known_runs:
        found = run_videos.find(run_videos.video_id(run, int(run.row[place])))
        assert found is not None and found.draw is not None
        network = load_model(weights_folder / f"{run.model.name.removeprefix('tiny_')}.safetensors")
        analysis = analyze(found.draw(network.spec.protocol.sampling), network)
        assert analysis.video_scores.argmax() == run.predicted[place]
        assert analysis.video_scores.max() == pytest.approx(run.confidence[place], rel=1e-5)
        own = analysis.video_scores[run.label[place]]
        assert own == pytest.approx(run.label_score[place], rel=1e-4)
        assert found.category == synthetic.CATEGORIES[run.label[place]]


def test_the_film_is_the_same_video_at_a_size_to_watch(known_runs: list[Run]) -> None:
    run = known_runs[0]
    found = run_videos.find(run_videos.video_id(run, 7))
    assert found is not None
    film = video.read_clips(found.path, Sampling(1, synthetic.NUM_FRAMES, 1)).frames
    assert film.rgb.shape == (synthetic.NUM_FRAMES, 96, 96, 3)
    drawn = synthetic.make_video(3, 7, size=(96, 96)).rgb
    assert np.abs(film.rgb.astype(int) - drawn).mean() < 8, "only what H.264 loses"
    made = found.path.stat().st_mtime_ns
    again = run_videos.find(run_videos.video_id(run, 7))
    assert again is not None and again.path.stat().st_mtime_ns == made, "made once and kept"
    assert len(list(found.path.parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("described", "watched"),
    [
        ("synth:seed=7,n=50", "synth:seed=7,n=50,size=288"),
        ("synth:seed=7,n=50,size=160x120,codec=h264", "synth:seed=7,n=50,size=384x288"),
        ("synth:n=5,size=49x97,seed=1", "synth:n=5,size=288x570,seed=1"),
    ],
)
def test_films_keep_the_shape_of_what_they_show(described: str, watched: str) -> None:
    assert run_videos.at_film_size(described) == watched


def wrong_ids(run: Run) -> dict[str, tuple[str, type[LensError], str]]:
    return {
        "another row": (f"run-{run.id}-30", VideoError, "not among the videos"),
        "a negative row": (f"run-{run.id}--1", RecordError, "no finished run"),
        "no number": (f"run-{run.id}-x", VideoError, "'x' is not among"),
        "a superscript": (f"run-{run.id}-²", VideoError, "not among"),
        "a huge number": (f"run-{run.id}-{'9' * 40}", VideoError, "not among"),
        "another run": ("run-nothing-3", RecordError, "no finished run 'nothing'"),
        "a path": ("run-../../etc-3", RecordError, "no finished run"),
    }


@pytest.mark.parametrize("case", wrong_ids(made_up_run(4, 2, 1)))
def test_a_wrong_id_is_a_readable_error(known_runs: list[Run], case: str) -> None:
    video_id, kind, said = wrong_ids(known_runs[0])[case]
    with pytest.raises(kind, match=said):
        run_videos.find(video_id)


def test_other_ids_are_not_of_a_run(known_runs: list[Run]) -> None:
    assert run_videos.find("sample-3") is None
    assert run_videos.find("run-") is None
    assert run_videos.find("run-3") is None


def test_a_made_up_run_has_no_videos_to_open(runs_folder: Path, open_page: OpenPage) -> None:
    run = made_up_run(40, 4, 2)
    put(runs_folder, run)
    with pytest.raises(DatasetError, match="is made up"):
        run_videos.find(run_videos.video_id(run, 3))
    at = open_page("categories")
    assert "Inspect" not in at.dataframe[1].value
    assert not at.button


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two categories of video files, as a list with a part of a video in it."""
    for label in (1, 13):
        made = synthetic.make_video(5, label, size=(72, 72))
        video.encode_h264(made.rgb, synthetic.FPS, tmp_path / f"{label}.mp4")
    with (tmp_path / "list.csv").open("w") as out:
        lines = csv.writer(out)
        lines.writerow(["path", "label", "start", "end"])
        lines.writerow(["1.mp4", synthetic.CATEGORIES[1], "", ""])
        lines.writerow(["13.mp4", synthetic.CATEGORIES[13], "1", "3"])
    return tmp_path / "list.csv"


RunOf = Callable[[], Run]


@pytest.fixture
def run_of_files(
    files: Path, runs_folder: Path, weights_folder: Path
) -> Run:
    network = load_model(weights_folder / "sda_tsn_synth.safetensors")
    return run_dataset(open_dataset(str(files)), network, folder=runs_folder, workers=0)


def test_a_part_of_a_file_scores_as_it_did_in_the_run_and_plays_as_that_part(
    open_page: OpenPage, run_of_files: Run
) -> None:
    run = run_of_files
    at = open_page(video=run_videos.video_id(run, 1), model="sda_tsn_synth")
    assert not at.error
    assert f"Prediction ({100 * run.confidence[1]:.1f}%)" in page_text(at)
    assert r"13\.mp4 from 1 s to 3 s" in at.expander[0].label
    (film,) = at.get("video")
    assert (film.proto.start_time, film.proto.end_time) == (1, 3)


def test_a_changed_dataset_is_a_readable_error(open_page: OpenPage, run_of_files: Run,
                                               files: Path) -> None:
    with files.open("a") as out:
        out.write(f"1.mp4,{synthetic.CATEGORIES[1]},0,2\n")
    at = open_page(video=run_videos.video_id(run_of_files, 1))
    assert "has changed since the run" in at.error[0].value
    assert "run the model over it again" in at.error[0].value


def test_a_missing_dataset_is_a_readable_error(open_page: OpenPage, run_of_files: Run,
                                               files: Path) -> None:
    files.unlink()
    at = open_page(video=run_videos.video_id(run_of_files, 1))
    assert "does not exist" in at.error[0].value


def test_a_file_that_went_is_a_readable_error(
    run_of_files: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_dataset(str(files))
    assert before.fingerprint == run_of_files.dataset_sha256
    (files.parent / "13.mp4").unlink()
    monkeypatch.setattr(runs, "dataset_of", lambda run: before)
    with pytest.raises(VideoError, match=r"file of 13.mp4 from 1 s to 3 s is not there"):
        run_videos.find(run_videos.video_id(run_of_files, 1))


def test_a_folder_of_frames_scores_as_it_did_in_the_run_and_plays_as_a_film(
    open_page: OpenPage, tmp_path: Path, runs_folder: Path, weights_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_videos, "FOLDER", tmp_path / "films")
    monkeypatch.setattr(run_videos, "FILM_FRAMES", 40)
    folder = tmp_path / "data" / synthetic.CATEGORIES[13] / "clip"
    folder.mkdir(parents=True)
    for index, rgb in enumerate(synthetic.make_video(5, 13, size=(73, 97)).rgb, start=1):
        Image.fromarray(rgb).save(folder / f"{index:05d}.png")
    network = load_model(weights_folder / "sda_tsn_synth.safetensors")
    run = run_dataset(open_dataset(str(tmp_path / "data")), network, folder=runs_folder, workers=0)
    at = open_page(video=run_videos.video_id(run, 0), model="sda_tsn_synth")
    assert not at.error
    assert f"Prediction ({100 * run.confidence[0]:.1f}%)" in page_text(at)
    note = "Encoded for playback; the model used the original pictures at 97 x 73 px"
    assert note in page_text(at)
    film = run_videos.find(run_videos.video_id(run, 0))
    assert film is not None
    shown = video.read_clips(film.path, Sampling(1, 40, 1)).frames
    assert (shown.video.num_frames, shown.video.width, shown.video.height) == (40, 96, 72)
    assert shown.video.duration_seconds == pytest.approx(64 / 25)


def test_a_copy_for_the_browser_never_lies_beside_the_file(
    open_page: OpenPage, run_of_files: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video.proxy, "plays_in_browser", lambda facts: False)
    monkeypatch.setattr(video, "plays_in_browser", lambda facts: False, raising=False)
    held = {path: path.read_bytes() for path in files.parent.glob("*.mp4")}
    at = open_page(video=run_videos.video_id(run_of_files, 0), model="sda_tsn_synth")
    assert "A small H.264 copy" in page_text(at)
    assert {path: path.read_bytes() for path in files.parent.glob("*.mp4")} == held


def test_another_protocol_of_the_run_is_said(known_runs: list[Run]) -> None:
    run = replace(known_runs[0], protocol_in_words="4 x 9 frames, stride 1")
    assert "4 x 9 frames, stride 1" in prediction_in_run(run, 0)


def test_weights_that_are_not_at_hand_are_said_and_another_network_can_look(
    open_page: OpenPage, runs_folder: Path, known_runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "FOLDER", runs_folder)
    model = replace(known_runs[1].model, weights_sha256="0" * 64)
    put(runs_folder, replace(known_runs[1], model=model))
    at = open_page("categories")
    assert r"No weights found for tiny\_sda\_tsn\_synth" in page_text(at)
    (button,) = at.button
    assert button.label == "Inspect with another model"
    button.click()
    at = follow(at, "Inspect")
    assert not at.error
    assert at.selectbox(key="model").value == "dsa_i3d_synth"
