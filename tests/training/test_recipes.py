"""Recipes say what the papers say."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from dsanet_core.errors import LensError, ModelError
from dsanet_core.synthetic import CATEGORIES
from dsanet_core.training import RECIPES, Recipe, find_recipe
from dsanet_core.training.recipe import DATASETS
from dsanet_core.zoo import build_model, list_models
from dsanet_core.zoo.paper_tables import paper_rows
from dsanet_core.zoo.rows import placeholder_classes

PAPERS = {
    # data: epochs, epochs after which the rate falls, videos per GPU, GPUs, starts from
    "minikinetics200": (70, (40, 60), 12, 8, "imagenet"),
    "kinetics400": (100, (50, 75, 90), 12, 8, "imagenet"),
    "activitynet": (200, (80, 160), 12, 8, "dsa_i3d_r50_kinetics400"),
    "ssv1": (50, (30, 40, 45), 12, 8, "imagenet"),
}
"""DSANet, section 4.2; videos per GPU and GPUs of its authors' code."""


def of_paper(paper: str) -> list[Recipe]:
    return [recipe for recipe in RECIPES.values()
            if recipe.tables and recipe.tables[0].startswith(paper)]


def differing(recipe: Recipe, **expected: Any) -> list[str]:
    """The fields of a recipe that are not as expected, with both values."""
    values = {name: getattr(recipe, name) for name in expected}
    return [
        f"{recipe.name}: {name} is {value}, not {expected[name]}"
        for name, value in values.items()
        if value != expected[name]
    ]


def test_dsanet_is_trained_as_its_section_4_2_says() -> None:
    wrong = []
    for recipe in of_paper("DSANet"):
        epochs, steps, videos_per_gpu, gpus, init = PAPERS[recipe.data]
        protocol = recipe.spec(("a", "b")).protocol
        wrong += differing(
            recipe, epochs=epochs, steps=steps, videos_per_gpu=videos_per_gpu, gpus=gpus, init=init,
            learning_rate=0.01, side=224, dropout=0.5, weight_decay=1e-4, clip_norm=40,
            nesterov=True, warmup=10 if recipe.data == "kinetics400" else 0,
            snippets=1 if protocol.group_size == 1 else 4,
        )
        sampling = protocol.sampling
        if sampling.frame_stride != 8 or sampling.frames_per_snippet not in (4, 8, 16):
            wrong.append(f"{recipe.name}: {sampling}")
    assert len(of_paper("DSANet")) == 36
    assert wrong == []


def test_sda_is_trained_as_its_section_4_2_says() -> None:
    wrong = []
    for recipe in of_paper("SDA"):
        protocol = recipe.spec(("a", "b")).protocol
        faster = "tsm" in recipe.model or recipe.snippets == 16
        wrong += differing(
            recipe, epochs=50, steps=(20, 40), init="imagenet", videos_per_gpu=9, gpus=4,
            dropout=0.5, side=224, snippets=protocol.group_size,
            learning_rate=0.015 if faster else 0.01, weight_decay=1e-4, clip_norm=20,
            norm="normal", flip=True, crop="scales",
        )
        if protocol.resize != 256:
            wrong.append(f"{recipe.name}: shorter side {protocol.resize}")
    assert len(of_paper("SDA")) == 55
    assert wrong == []


TABLES = {
    "DSANet": {"2a": 5, "2b": 4, "2c": 4, "2d": 4, "2e": 4, "2f": 4, "2g": 4, "2h": 6, "2i": 3,
               "3": 4, "4": 4, "5": 1, "6": 3},
    "SDA": {"1": 10, "2": 8, "3": 16, "4": 6, "5": 12, "6": 10},
}
"""How many networks of each table there is a recipe for: all that the papers' authors trained, of
Table 3 of SDA the eight on two data sets, of Table 5 the six for verbs and for nouns."""


def test_every_network_that_the_papers_trained_has_a_recipe() -> None:
    found = {
        paper: {
            table: sum(f"{paper}, Table {table}" in recipe.tables for recipe in RECIPES.values())
            for table in tables
        }
        for paper, tables in TABLES.items()
    }
    assert found == TABLES


def test_networks_of_recipes_are_those_of_the_papers_tables() -> None:
    """The row of a published table and the recipe of that table have a network in common."""
    for paper, tables in TABLES.items():
        for table in tables:
            trained = [
                recipe.spec(placeholder_classes(2)).args for recipe in RECIPES.values()
                if f"{paper}, Table {table}" in recipe.tables
            ]
            for row in paper_rows():
                is_quoted = row.label in ("TSM", "Slowonly") and paper == "DSANet"
                if (row.paper, row.table) == (paper, table) and row.networks and not is_quoted:
                    for spec, _ in row.networks:
                        assert named(spec.args | {"dropout": 0.5}) in trained, row.label


def named(args: dict[str, Any]) -> dict[str, Any]:
    """Arguments with dependencies by name, where Table 1 of SDA has one for those of Table 6."""
    names = {"2x2x2/1x1x1": "S222", "1x4x4/3x1x1": "S144", "1x2x2/3x1x1": "S122"}
    if "sda" not in args:
        return args
    dependencies = [names.get(name, name) for name in args["sda"]["dependencies"]]
    return args | {"sda": args["sda"] | {"dependencies": dependencies}}


def test_networks_that_are_no_rows_of_the_zoo_can_be_built() -> None:
    with torch.device("meta"):
        for recipe in RECIPES.values():
            if recipe.changes:
                spec = recipe.spec(placeholder_classes(DATASETS[recipe.data].categories))
                assert build_model(spec).fc.out_features == len(spec.classes)
                assert spec.name == recipe.name


def test_tsm_without_dsa_sees_single_snippets_of_eight_frames() -> None:
    spec = find_recipe("dsa_tsm_r50_without_dsa_minikinetics200").spec(("a", "b"))
    assert "dsa" not in spec.args and "shift" in spec.args
    assert spec.consensus == "average" and spec.protocol.view_shape[1:4] == (1, 3, 8)


def test_the_embedded_networks_have_one_recipe_each_with_the_same_budget() -> None:
    embedded = [RECIPES[name] for name in list_models() if name in RECIPES]
    assert [recipe.name for recipe in embedded] == [
        name for name in list_models() if name.endswith("_synth")
    ]
    alike = {"name", "model", "snippets"}
    first = asdict(embedded[0])
    for recipe in embedded:
        values = asdict(recipe)
        assert {name for name in values if values[name] != first[name]} <= alike
        assert recipe.spec(CATEGORIES).args["dropout"] == 0.2
        assert recipe.spec(CATEGORIES).name == recipe.model


def test_every_field_that_a_paper_decides_says_where() -> None:
    decided = {"epochs", "learning_rate", "steps", "crop", "flip", "dropout", "weight_decay",
               "clip_norm", "init", "norm"}
    assert decided <= {field.name for field in fields(Recipe)}
    for recipe in [*of_paper("DSANet"), *of_paper("SDA")]:
        said = " ".join(fields for fields, _ in recipe.sources)
        assert said.startswith("all fields") or all(name in said for name in decided), recipe.name


def test_rates_fall_by_ten_after_the_epochs_of_the_schedule() -> None:
    recipe = find_recipe("dsa_i3d_r50_minikinetics200")
    factors = [recipe.rate_factor(epoch * 7, 7) for epoch in (0, 39, 40, 59, 60, 69)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    warm = find_recipe("dsa_i3d_r50_kinetics400")
    rise = [warm.rate_factor(step, 10) for step in range(101)]
    assert rise[0] == 0.01 and rise[49] == 0.5 and rise[99:] == [1.0, 1.0]


def test_a_cosine_rises_then_falls_to_zero() -> None:
    recipe = replace(RECIPES["dsa_i3d_synth"], epochs=10, warmup=2.5)
    rates = [recipe.rate_factor(step, 10) for step in range(100)]
    assert np.argmax(rates) in (24, 25) and max(rates) == 1
    assert rates[0] == 0.04 and rates[-1] < 0.001


def test_another_length_stretches_the_whole_schedule() -> None:
    half = find_recipe("dsa_i3d_r50_kinetics400").lasting(50)
    assert (half.epochs, half.steps, half.warmup) == (50, (25, 37.5, 45), 5)
    assert half.rate_factor(374, 10) == 0.1 and half.rate_factor(375, 10) == pytest.approx(0.01)


def test_a_smaller_batch_keeps_the_rate_unless_asked_to_scale_it() -> None:
    recipe = find_recipe("sda_tsm_r50_ssv1")
    assert recipe.with_batch(9).learning_rate == 0.015
    scaled = recipe.with_batch(9, scale_rate=True)
    assert scaled.learning_rate == pytest.approx(0.015 / 4) and scaled.videos_per_step == 9
    with pytest.raises(LensError, match="a batch of 0"):
        recipe.with_batch(0)


def test_an_unknown_recipe_is_refused_with_close_names() -> None:
    with pytest.raises(ModelError, match=r"no recipe 'dsa_i3d_r50_k400'.*dsa_i3d_r50_kinetics400"):
        find_recipe("dsa_i3d_r50_k400")
