"""What the README says of the embedded weights, on the first 250 videos of the same split."""

import pytest

from dsanet_core.checkpoints import load_model, read_manifest
from dsanet_core.datasets import open_dataset
from dsanet_core.runs import Summary, run_dataset
from dsanet_core.train import RECIPES, VALIDATION

VIDEOS = 250


@pytest.fixture(scope="module")
def summaries() -> dict[str, Summary]:
    dataset = open_dataset(VALIDATION.split(",")[0] + f",n={VIDEOS}")
    return {name: run_dataset(dataset, load_model(name, device="cpu")) for name in RECIPES}


def test_every_recipe_has_weights_that_were_trained_by_it() -> None:
    assert set(read_manifest()) == set(RECIPES)
    for name, recipe in RECIPES.items():
        trained_by = load_model(name, device="cpu").weights.recipe
        assert trained_by["epochs"] == recipe.epochs
        assert trained_by["num_videos"] == recipe.num_videos


def test_dsanet_knows_orders(summaries: dict[str, Summary]) -> None:
    summary = summaries["dsa_i3d_synth"]
    assert summary.top1 > 0.9
    assert summary.per_group["order"] > 0.85


@pytest.mark.parametrize("name", ["i3d_synth", "tsn_i3d_synth"])
def test_averaging_knows_motion_but_not_orders(name: str, summaries: dict[str, Summary]) -> None:
    groups = summaries[name].per_group
    assert groups["motion"] > 0.85
    assert groups["order"] < 0.6


def test_sda_sees_what_single_frames_do_not_show(summaries: dict[str, Summary]) -> None:
    sda, tsn = summaries["sda_tsn_synth"], summaries["tsn_synth"]
    assert sda.top1 - tsn.top1 > 0.25
    for group in ("motion", "interaction", "order"):
        assert sda.per_group[group] - tsn.per_group[group] > 0.2


@pytest.mark.parametrize("name", list(RECIPES))
def test_the_manifest_tells_the_measured_accuracy(
    name: str, summaries: dict[str, Summary]
) -> None:
    accuracy = read_manifest()[name]["accuracy"]
    assert accuracy["dataset"] == VALIDATION
    assert accuracy["top1"] == pytest.approx(summaries[name].top1, abs=0.04)
