"""Which block matters for which category: every video counts as its own ranking says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsanet_core import cli, synthetic
from dsanet_core.analysis import analyze
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import DatasetError, ModelError, RecordError, RunError
from dsanet_core.runs import load_effects, run_dataset, run_effects, save_effects
from dsanet_core.runs.block_ablation import FILE, in_turns, measure_run
from dsanet_core.runs.store import RunProgress
from dsanet_core.whatif import rank_blocks
from tests.clips import save_clip
from tests.weights import save_tiny, tiny_network


@pytest.mark.parametrize("row", ["dsa_i3d_synth", "sda_tsn_synth"])
def test_effects_are_the_means_of_the_rankings_of_single_videos(row: str) -> None:
    network, dataset = tiny_network(row), open_dataset("synth:seed=12,n=5")
    dataset.categories = [synthetic.CATEGORIES[label] for label in (7, 7, 2, 7, 2)]
    effects = run_effects(dataset, network, limit=3)
    assert np.flatnonzero(effects.videos).tolist() == [2, 7]
    sampling = network.spec.protocol.sampling
    for label, rows in ((7, (0, 1)), (2, (2,))):
        ranked = [
            rank_blocks(dataset.clips(index, sampling), network, category=label) for index in rows
        ]
        assert effects.blocks == ranked[0].blocks
        assert effects.changes == ranked[0].changes
        drop = np.mean([one.drop for one in ranked], axis=0)
        np.testing.assert_allclose(effects.drop[label], drop, atol=1e-6)
        right = np.mean([one.answers == label for one in ranked], axis=0)
        np.testing.assert_array_equal(effects.after[label], right)
        before = [analyze(dataset.clips(index, sampling), network).video_scores for index in rows]
        assert effects.before[label] == np.mean([one.argmax() == label for one in before])
    assert np.nanmax(np.abs(effects.drop)) > 1e-4


def test_a_category_without_videos_has_no_numbers_and_comes_back_without(tmp_path: Path) -> None:
    effects = run_effects(open_dataset("synth:seed=12,n=3"), tiny_network())
    assert np.isnan(effects.drop[3:]).all() and np.isfinite(effects.drop[:3]).all()
    save_effects(effects, tmp_path)
    back = load_effects(tmp_path)
    assert back is not None
    for name in ("videos", "before", "after", "drop"):
        np.testing.assert_array_equal(getattr(back, name), getattr(effects, name))
    assert (back.blocks, back.changes, back.seconds) == (
        effects.blocks, effects.changes, effects.seconds,
    )  # fmt: skip


def test_no_effects_are_none_and_damaged_ones_a_readable_error(tmp_path: Path) -> None:
    assert load_effects(tmp_path) is None
    (tmp_path / FILE).write_bytes(b"PAR1 nonsense")
    with pytest.raises(RecordError, match="Delete the file and give the command again"):
        load_effects(tmp_path)


@pytest.mark.parametrize("limit, rows", [(3, [0, 3, 5]), (4, [0, 1, 3, 5]), (9, list(range(6)))])
def test_categories_take_turns(limit: int, rows: list[int]) -> None:
    assert in_turns([0, 0, 0, 1, 1, 2], limit) == rows


def test_unreadable_videos_are_left_out(tmp_path: Path) -> None:
    names = synthetic.CATEGORIES[:2]
    for label, name in enumerate(names):
        save_clip(tmp_path / name / "good.mp4", label, frames=16)
    (tmp_path / names[0] / "bad.mp4").write_bytes(b"no video")
    said: list[RunProgress] = []
    effects = run_effects(open_dataset(str(tmp_path)), tiny_network(), report=said.append)
    assert effects.videos[:3].tolist() == [1, 1, 0]
    assert [(p.done, p.total) for p in said] == [(1, 3), (2, 3), (3, 3)]
    assert said[-1].failed == 1
    (tmp_path / names[0] / "good.mp4").unlink()
    (tmp_path / names[1] / "good.mp4").write_bytes(b"no video")
    with pytest.raises(DatasetError, match="none of 2 videos"):
        run_effects(open_dataset(str(tmp_path)), tiny_network())


def test_what_the_report_raises_ends_the_work() -> None:
    said: list[RunProgress] = []

    def stop(progress: RunProgress) -> None:
        said.append(progress)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_effects(open_dataset("synth:seed=12,n=5"), tiny_network(), report=stop)
    assert len(said) == 1


def test_a_network_without_blocks_and_a_limit_of_none_are_refused() -> None:
    dataset = open_dataset("synth:seed=12,n=2")
    with pytest.raises(ModelError, match="a network with DSA or SDA blocks"):
        run_effects(dataset, tiny_network("tsn_i3d_synth"))
    with pytest.raises(DatasetError, match="limit of 0 videos"):
        run_effects(dataset, tiny_network(), limit=0)


def test_the_command_measures_a_finished_run_and_keeps_it_beside_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = save_tiny(tmp_path)
    dataset, runs = "synth:seed=12,n=6", tmp_path / "runs"
    assert cli.main(["run", dataset, "--model", str(weights), "--runs", str(runs), "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    asked = ["effects", run, "--runs", str(runs), "--model", str(weights), "--limit", "4"]
    assert cli.main([*asked, "--json"]) == 0
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    kept = load_effects(runs / run)
    assert kept is not None and kept.videos.sum() == 4
    assert list(values["categories"]) == list(synthetic.CATEGORIES[:4])
    assert values["blocks"] == list(kept.blocks)
    third = values["categories"][synthetic.CATEGORIES[2]]
    assert (third["drop"], third["after"]) == (kept.drop[2].tolist(), kept.after[2].tolist())
    assert cli.main(asked) == 0
    out = capsys.readouterr().out
    for words in kept.changes:
        assert words in out
    other = save_tiny(tmp_path / "runs", "dsa_i3d_synth", seed=1)
    assert cli.main([*asked[:-3], str(other)]) == 2
    assert "the weights it was made with" in capsys.readouterr().err


def test_effects_of_other_videos_or_of_untrimmed_runs_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    save_clip(folder / synthetic.CATEGORIES[0] / "a.mp4", frames=16)
    network = tiny_network()
    run = run_dataset(open_dataset(str(folder)), network, folder=tmp_path)
    save_clip(folder / synthetic.CATEGORIES[0] / "b.mp4", frames=16)
    with pytest.raises(RunError, match="is not what it was"):
        measure_run(tmp_path / run.id, network)
    dataset = open_dataset("synth:seed=12,n=1")
    run = run_dataset(dataset, network, folder=tmp_path, untrimmed=True)
    with pytest.raises(RunError, match="untrimmed"):
        measure_run(tmp_path / run.id, network)
    assert load_effects(tmp_path / run.id) is None
