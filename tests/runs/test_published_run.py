"""Runs over published data sets: several labels a video, missing videos, another reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsanet_core import cli, synthetic
from dsanet_core.datasets import open_dataset
from dsanet_core.datasets.annotations import DATASETS
from dsanet_core.datasets.files import READERS
from dsanet_core.runs import run_dataset
from dsanet_core.runs.metrics import OTHER_LABELS, average_runs, judged, matrix
from dsanet_core.runs.store import RunFolder
from tests.clips import save_clip
from tests.published_data.files import write, write_json
from tests.weights import save_tiny, tiny_network

NAMES = synthetic.CATEGORIES


def by_the_curve(scores: np.ndarray, labels: np.ndarray) -> float:
    """ActivityNet's mean average precision: the area under the precision-recall curve of each
    category that has videos, made never to rise again, one video of the ranking after the other."""
    areas = []
    for category in range(scores.shape[1]):
        positives, found, curve = labels[:, category].sum(), 0, []
        if not positives:
            continue
        ranking = np.argsort(-scores[:, category], kind="stable")
        for seen, video in enumerate(ranking, start=1):
            found += int(labels[video, category])
            curve.append((found / positives, found / seen))
        area = recall_before = 0.0
        for place, (recall, _) in enumerate(curve):
            area += (recall - recall_before) * max(precision for _, precision in curve[place:])
            recall_before = recall
        areas.append(area)
    return sum(areas) / len(areas)


def test_average_precision_of_videos_with_several_labels_by_hand_and_by_the_curve() -> None:
    # Videos in rows 2, 5, 7, 9 with {A}, {A, B}, {B}, {A}.
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.8, 0.2], [0.6, 0.4]])
    label, row = np.array([0, 0, 1, 0]), np.array([2, 5, 7, 9])
    found = judged(scores, label, row, {OTHER_LABELS: {"5": [1]}})["mean_average_precision"]
    # A: ranking 2, 7, 9, 5 has precisions 1, 1/2, 2/3, 3/4 and hits at the first, third and fourth:
    # (1 + 3/4 + 3/4) / 3. B: ranking 5, 9, 7, 2 with hits at the first and third: (1 + 2/3) / 2.
    assert found == pytest.approx(((1 + 3 / 4 + 3 / 4) / 3 + (1 + 2 / 3) / 2) / 2)
    labels = np.array([[1, 0], [1, 1], [0, 1], [1, 0]])
    assert found == pytest.approx(by_the_curve(scores, labels))
    first_alone = judged(scores, label, row, {})["mean_average_precision"]
    assert first_alone == pytest.approx(((1 + 3 / 4 + 3 / 4) / 3 + 1 / 3) / 2)


def test_average_precision_of_many_random_labels_is_the_area_under_the_curve() -> None:
    rng = np.random.default_rng(1)
    for share in (0.1, 0.5):
        scores, labels = rng.random((50, 6)), rng.random((50, 6)) < share
        labels[np.arange(50), rng.integers(0, 6, 50)] = True
        others = {str(row): np.flatnonzero(labels[row]).tolist() for row in range(50)}
        found = judged(scores, labels.argmax(1), np.arange(50), {OTHER_LABELS: others})
        assert found["mean_average_precision"] == pytest.approx(by_the_curve(scores, labels))


def test_a_run_over_activitynet_counts_every_label_of_a_video(tmp_path: Path) -> None:
    database = {}
    for index, labels in enumerate(((0,), (1, 2), (2,), (0, 1), (2,))):
        annotations = [{"label": NAMES[label], "segment": [0, 1]} for label in labels]
        database[f"id{index}"] = {"subset": "validation", "annotations": annotations}
        if index != 2:
            save_clip(tmp_path / f"root/v_id{index}.mp4", index, frames=16)
    write_json(tmp_path / "root", "activity_net.v1-3.min.json", {"database": database})
    dataset = open_dataset(f"activitynet:{tmp_path / 'root'}", split="validation")
    runs = [run_dataset(dataset, network, folder=tmp_path / "runs", workers=0)
            for network in (tiny_network("tsn_synth"), tiny_network("tsn_synth", seed=1))]
    folder = RunFolder(tmp_path / "runs" / runs[0].id)
    assert folder.manifest[OTHER_LABELS] == {"1": [2], "2": [1]}
    assert folder.manifest["missing"] == 1 and "1 missing" in runs[0].dataset
    truth = np.zeros((4, len(NAMES)), bool)
    for row, labels in enumerate(((0,), (1, 2), (0, 1), (2,))):
        truth[row, list(labels)] = True
    scores = [matrix(RunFolder(tmp_path / "runs" / run.id).read(["scores"]), "scores")
              for run in runs]
    assert runs[0].mean_average_precision == pytest.approx(by_the_curve(scores[0], truth))
    together = average_runs(runs, tmp_path / "runs")
    mean = (scores[0] + scores[1]) / 2
    assert together.mean_average_precision == pytest.approx(by_the_curve(mean, truth), abs=1e-6)


@pytest.fixture
def kinetics(tmp_path: Path) -> Path:
    """Two videos of three."""
    lines = [f"{NAMES[label]},{'abc'[label] * 11},0,10,val" for label in range(3)]
    write(tmp_path / "root", "val.csv", "label,youtube_id,time_start,time_end,split", *lines)
    for label in range(2):
        save_clip(tmp_path / f"root/{'abc'[label] * 11}.mp4", label, frames=16)
    return tmp_path


def test_the_reader_of_a_run_stands_in_its_protocol_and_name(kinetics: Path) -> None:
    pytest.importorskip("decord")
    network, description = tiny_network("tsn_synth"), f"kinetics400:{kinetics / 'root'}"
    plain, fast = (
        run_dataset(open_dataset(description, reader=reader), network, folder=kinetics / "runs")
        for reader in READERS
    )
    assert plain.id != fast.id and plain.dataset_sha256 == fast.dataset_sha256
    assert fast.protocol_in_words == f"{plain.protocol_in_words}, read by decord"
    assert fast.opened_as["reader"] == "decord" and "reader" not in plain.opened_as
    np.testing.assert_array_equal(fast.label_score, plain.label_score)


def test_the_command_line_counts_missing_videos_and_goes_on(
    kinetics: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = save_tiny(kinetics, "tsn_synth")
    code = cli.main(["run", f"kinetics400:{kinetics / 'root'}", "--split=val", f"--model={weights}",
                     f"--runs={kinetics / 'runs'}"])
    said = capsys.readouterr()
    assert code == 0 and "2 videos, top-1" in said.out
    assert "missing videos, skipped: 1, such as ccccccccccc_000000_000010" in said.err


def test_the_help_of_run_names_every_data_set_and_reader(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert ", ".join(DATASETS) in said and "{" + ",".join(READERS) + "}" in said
