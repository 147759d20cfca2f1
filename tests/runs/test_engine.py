"""A run over a dataset says of every video what a single analysis says, and counts it once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsanet_core import synthetic
from dsanet_core.analysis import analyze
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import DatasetError, RunError
from dsanet_core.records import Run
from dsanet_core.runs import load_run, run_dataset
from dsanet_core.runs.metrics import average_runs, matrix
from dsanet_core.runs.store import RunFolder, RunProgress
from dsanet_core.runs.summary import run_to_dict
from tests.clips import save_clip
from tests.weights import preferring, tiny_network

COUNT = len(synthetic.CATEGORIES)


def folder_of(run: Run, root: Path) -> RunFolder:
    return RunFolder(root / run.id)


@pytest.mark.parametrize("row", ["dsa_i3d_synth", "sda_tsn_synth", "i3d_synth"])
def test_a_run_keeps_of_a_video_what_a_single_analysis_says(row: str, tmp_path: Path) -> None:
    network, dataset = tiny_network(row), open_dataset("synth:seed=12,n=6")
    run = run_dataset(dataset, network, folder=tmp_path)
    folder = folder_of(run, tmp_path)
    table, layout = folder.read(), folder.layout()
    assert np.ptp(matrix(table, "scores"), axis=0).max() > 1e-3, "the videos differ"
    for index in range(6):
        alone = analyze(dataset.clips(index, network.spec.protocol.sampling), network)
        kept = {name: np.array(table[name][index].as_py()) for name in table.column_names[3:8]}
        np.testing.assert_allclose(kept["scores"], alone.video_scores, atol=1e-6)
        np.testing.assert_allclose(kept["snippet_scores"], alone.snippet_scores.ravel(), atol=1e-6)
        assert layout["dependency_blocks"] == [s.block for s in alone.selections]
        assert layout["kernel_blocks"] == [kernel.block for kernel in alone.kernels]
        if alone.selections:
            weights = [selection.weights.mean(0) for selection in alone.selections]
            np.testing.assert_allclose(kept["dependency_weights"], np.ravel(weights), atol=1e-6)
            assert tuple(layout["dependencies"]) == alone.selections[0].dependencies
        if alone.kernels:
            taps = [kernel.values.mean((0, 1)) for kernel in alone.kernels]
            distances = [(k.distance_to_identity, k.distance_to_average) for k in alone.kernels]
            np.testing.assert_allclose(kept["kernel_taps"], np.ravel(taps), atol=1e-6)
            np.testing.assert_allclose(kept["kernel_distances"], np.ravel(distances), atol=1e-6)
        assert run.predicted[index] == alone.video_scores.argmax()
        assert run.confidence[index] == pytest.approx(alone.video_scores.max(), abs=1e-6)
        assert run.classes[run.label[index]] == dataset.categories[index]
    assert (run.selections is not None) == row.startswith("sda")
    assert (run.kernels is not None) == row.startswith("dsa")


def test_a_run_counts_what_a_known_network_gets_right(tmp_path: Path) -> None:
    best = [3, 9, 14, 0, 20, 1]
    dataset, names = open_dataset(f"synth:seed=13,n={2 * COUNT}"), synthetic.CATEGORIES
    values = run_to_dict(run_dataset(dataset, preferring(best), folder=tmp_path, workers=0))
    assert values["videos"] == 2 * COUNT
    assert values["top1"] == pytest.approx(1 / COUNT)
    assert values["top5"] == pytest.approx(5 / COUNT)
    assert values["per_category"] == {name: float(name == names[3]) for name in names}
    assert values["per_group"] == {
        group: pytest.approx((names[3] in members) / len(members))
        for group, members in synthetic.GROUPS.items()
    }
    assert values["categories_left_out"] == 0


def test_decoding_in_other_processes_changes_nothing(tmp_path: Path) -> None:
    network, dataset = tiny_network("tsn_synth"), open_dataset("synth:seed=3,n=20")
    here = run_dataset(dataset, network, folder=tmp_path / "a", workers=0)
    there = run_dataset(dataset, network, folder=tmp_path / "b", workers=2)
    assert here.id == there.id
    tables = [folder_of(here, tmp_path / name).read(["scores", "video"]) for name in "ab"]
    assert tables[0].equals(tables[1])


def test_the_manifest_says_what_was_run_and_by_which_protocol(tmp_path: Path) -> None:
    network, seen = tiny_network(), []
    run = run_dataset(open_dataset("synth:seed=14,n=12"), network, folder=tmp_path,
                      report=seen.append, command=["run", "x"])
    assert seen[-1] == replace(seen[-1], done=12, failed=0, total=12)
    facts = folder_of(run, tmp_path).manifest
    assert facts["protocol_in_words"] == network.spec.protocol.describe() == run.protocol_in_words
    assert facts["weights_sha256"] == run.model.weights_sha256
    assert facts["dataset_sha256"] == open_dataset("synth:seed=14,n=12").fingerprint
    assert facts["command"] == ["run", "x"] and "torch" in run.versions
    assert set(run_to_dict(run)["per_category"]) == set(synthetic.CATEGORIES[:12])
    assert run_to_dict(run)["categories_left_out"] == COUNT - 12
    assert open_dataset(**run.opened_as).fingerprint == run.dataset_sha256


def test_another_protocol_dataset_or_network_is_another_run(tmp_path: Path) -> None:
    network = tiny_network("i3d_synth")
    other = tiny_network("i3d_synth", seed=1)
    part = tiny_network("i3d_synth")
    part.spec = replace(part.spec, protocol=replace(part.spec.protocol, num_crops=3))
    runs = [
        run_dataset(open_dataset(f"synth:seed=14,n={count}"), one, folder=tmp_path).id
        for one, count in ((network, 2), (network, 3), (other, 2), (part, 2), (network, 2))
    ]
    assert runs[0] == runs[-1] and len(set(runs)) == 4


def test_unreadable_videos_go_to_the_errors_table_and_the_run_goes_on(tmp_path: Path) -> None:
    network, data = preferring([2]), tmp_path / "data"
    names = ("good", "bad", "other")
    classes = (*names[1:], names[0], *network.spec.classes[3:])
    network.spec = replace(network.spec, classes=classes)
    save_clip(data / "good" / "a.mp4", frames=16)
    save_clip(data / "other" / "b.mp4", frames=16)
    (data / "bad").mkdir()
    (data / "bad" / "c.mp4").write_text("no video")
    run = run_dataset(open_dataset(str(data)), network, folder=tmp_path)
    assert (len(run.row), run.accuracy()) == (2, 0.5)
    assert run_to_dict(run)["per_category"] == {"good": 1.0, "other": 0.0}
    ((name, reason),) = run.failed
    assert name == "bad/c.mp4" and "expected" in reason
    assert folder_of(run, tmp_path).progress() == RunProgress(done=3, failed=1, total=3)


def test_a_dataset_of_unreadable_videos_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / synthetic.CATEGORIES[0]
    folder.mkdir()
    (folder / "a.mp4").write_text("no video")
    with pytest.raises(DatasetError, match="none of the 1 videos"):
        run_dataset(open_dataset(str(tmp_path)), tiny_network(), folder=tmp_path / "runs")


def test_a_network_that_does_not_know_the_categories_leaves_no_run_behind(tmp_path: Path) -> None:
    network = tiny_network()
    network.spec = replace(network.spec, classes=("yoga", *network.spec.classes[1:]))
    with pytest.raises(DatasetError, match="unknown to this model"):
        run_dataset(open_dataset("synth:seed=1,n=25"), network, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_two_processes_do_not_work_on_one_run(tmp_path: Path) -> None:
    network, dataset = tiny_network(), open_dataset("synth:seed=1,n=2")
    run = run_dataset(dataset, network, folder=tmp_path)
    folder = folder_of(run, tmp_path)
    (folder.path / "summary.parquet").unlink()
    with folder.locked():
        assert folder.is_at_work
        with pytest.raises(RunError, match="another process is at work"):
            run_dataset(dataset, network, folder=tmp_path)
        with pytest.raises(RunError, match="another process is at work"):
            folder.delete()
    assert not folder.is_at_work
    folder.delete()
    assert not list(tmp_path.iterdir())


def test_networks_together_answer_with_the_mean_of_their_scores(tmp_path: Path) -> None:
    dataset = open_dataset("synth:seed=12,n=10")
    networks = [tiny_network("dsa_i3d_synth"), tiny_network("tsn_synth", seed=1)]
    runs = [run_dataset(dataset, network, folder=tmp_path) for network in networks]
    together = average_runs(runs, tmp_path)
    mean = np.mean([matrix(folder_of(run, tmp_path).read(), "scores") for run in runs], axis=0)
    np.testing.assert_array_equal(together.predicted, mean.argmax(1))
    np.testing.assert_allclose(together.confidence, mean.max(1))
    twice = average_runs([runs[0], runs[0]], tmp_path)
    assert twice.accuracy() == runs[0].accuracy()
    assert twice.mean_average_precision == runs[0].mean_average_precision


def test_a_run_is_read_back_as_it_was(tmp_path: Path) -> None:
    run = run_dataset(open_dataset("synth:seed=3,n=9"), tiny_network("sda_tsn_synth"),
                      folder=tmp_path)
    again = load_run(tmp_path / run.id / "summary.parquet")
    assert run_to_dict(again) == run_to_dict(run)
    assert again.selections is not None and run.selections is not None
    np.testing.assert_array_equal(again.selections.mean, run.selections.mean)
    assert np.isnan(run.selections.mean[9:]).all(), "categories without videos"
    np.testing.assert_array_equal(again.video, run.video)
