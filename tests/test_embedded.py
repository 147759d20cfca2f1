"""What the pages and docs say of the embedded weights: the shipped runs are theirs, the
numbers are those of the runs, and the networks still say the same."""

from __future__ import annotations

import numpy as np
import pytest

from dsanet_core.checkpoints import load_model, read_manifest
from dsanet_core.datasets import open_dataset
from dsanet_core.records import Run
from dsanet_core.runs import load_effects
from dsanet_core.runs.block_ablation import VIDEOS, in_turns
from dsanet_core.runs.inference import VideoPrediction, predict_each
from tools import embedded
from tools.embedded import EMBEDDED, VALIDATION

ASKED_AGAIN = 12
RUNS = embedded.read_all()
SHIPPED = {name: runs[0] for name, runs in RUNS.items()}


def order(run: Run) -> float:
    return run.accuracy_per_group()["order"]


def test_every_recipe_has_weights_that_were_trained_by_it_and_a_run() -> None:
    assert set(read_manifest()) == set(EMBEDDED) == set(SHIPPED)
    for name, recipe in EMBEDDED.items():
        trained_by = load_model(name, device="cpu").weights.recipe
        assert trained_by["epochs"] == recipe.epochs
        assert trained_by["num_videos"] == len(open_dataset(recipe.train_on))


@pytest.mark.parametrize("name", list(EMBEDDED))
def test_the_shipped_run_is_that_of_the_shipped_weights(name: str) -> None:
    run, entry = SHIPPED[name], read_manifest()[name]
    assert run.model.weights_sha256 == entry["sha256"]
    assert run.dataset_sha256 == open_dataset(VALIDATION).fingerprint
    assert entry["accuracy"]["top1"] == pytest.approx(run.accuracy(), abs=0.002)
    dataset = open_dataset(**run.opened_as)
    rows = np.random.default_rng(0).choice(run.row, ASKED_AGAIN, replace=False)
    for answer in predict_each(dataset, rows.tolist(), load_model(name, device="cpu"), workers=0):
        assert isinstance(answer, VideoPrediction)
        place = int(np.flatnonzero(run.row == answer.row)[0])
        assert answer.scores.max() == pytest.approx(float(run.confidence[place]), abs=2e-3)
        assert answer.scores[run.predicted[place]] == answer.scores.max()


@pytest.mark.parametrize("name", list(EMBEDDED))
def test_runs_of_networks_with_blocks_say_which_block_matters(name: str) -> None:
    for run in RUNS[name]:
        effects = load_effects(embedded.RUNS / run.id)
        if run.kernels is None and run.selections is None:
            assert effects is None
            continue
        assert effects is not None, f"{run.id} has none: python -m tools.embedded runs"
        assert (effects.videos == VIDEOS / len(run.classes)).all()
        tried = np.isin(run.row, in_turns(run.label, VIDEOS))
        right = np.bincount(run.label[tried], run.correct[tried]) / effects.videos
        np.testing.assert_allclose(effects.before, right, atol=0.11)  # a video at the border
        assert effects.before.mean() == pytest.approx(right.mean(), abs=0.005)
        assert effects.drop.max() > 0.1


def test_the_page_of_tables_is_that_of_the_shipped_runs() -> None:
    assert embedded.PAGE.read_text() == embedded.page(RUNS)


def test_the_headline_comparisons_have_three_trainings_each() -> None:
    for name, seeds in embedded.SEEDS.items():
        assert len({run.model.weights_sha256 for run in RUNS[name]}) == len(seeds), name


@pytest.mark.parametrize("name", ["i3d_synth", "tsn_i3d_synth", "se_i3d_synth"])
def test_dsanet_knows_orders_which_averaging_and_se_do_not(name: str) -> None:
    assert order(SHIPPED["dsa_i3d_synth"]) > 0.85
    assert order(SHIPPED[name]) < 0.6
    assert SHIPPED[name].accuracy_per_group()["motion"] > 0.85


def test_sda_sees_what_single_frames_do_not_show() -> None:
    sda, tsn = SHIPPED["sda_tsn_synth"], SHIPPED["tsn_synth"]
    assert sda.accuracy() - tsn.accuracy() > 0.25
    for group in ("motion", "interaction", "order"):
        assert sda.accuracy_per_group()[group] - tsn.accuracy_per_group()[group] > 0.2
