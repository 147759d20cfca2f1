"""All recipes by name: those of the embedded networks, then those of the papers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches

from dsanet_core.errors import ModelError
from dsanet_core.synthetic import CATEGORIES
from dsanet_core.training.papers import paper_recipes
from dsanet_core.training.recipe import Recipe
from dsanet_core.zoo import list_models, model_spec


def _embedded() -> Iterator[Recipe]:
    """One for each embedded row, all with the same budget: as many frames of 5000 videos."""
    for name in list_models():
        if (spec := model_spec(name)).classes != CATEGORIES:
            continue
        yield Recipe(
            name=name,
            model=name,
            data="synth",
            epochs=10,
            learning_rate=0.1,
            videos_per_step=32,
            snippets=8 if spec.args.get("axis") == "clip" else 4,
            schedule="cosine",
            warmup=2.5,
            weight_decay=5e-4,
            nesterov=True,
            dropout=0.2,
            precision="bfloat16",
            light=0.2,
            train_on="synth:seed=1,n=5000",
            validate_on="synth:seed=7,n=2500",
            validate_every=0,
            sources=(("all fields", "chosen here"),),
        )


def _fine_tuned(recipe: Recipe) -> Recipe:
    """DSA put into the trained I3D, in a third of the epochs, at half the learning rate."""
    return replace(
        recipe, name="dsa_i3d_synth_from_i3d", init="i3d_synth", epochs=3, learning_rate=0.05,
        warmup=0.3,
    )


def _all() -> Iterator[Recipe]:
    embedded = {recipe.name: recipe for recipe in _embedded()}
    yield from embedded.values()
    yield _fine_tuned(embedded["dsa_i3d_synth"])
    yield from paper_recipes()


RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _all()}


def find_recipe(name: str) -> Recipe:
    """The row of that name. Raises ModelError, with the closest names, if there is none."""
    if name not in RECIPES:
        close = get_close_matches(name, RECIPES, n=3, cutoff=0)
        raise ModelError(
            f"no recipe {name!r}", "a row of `train --list`", f"Close: {', '.join(close)}."
        )
    return RECIPES[name]
