"""All recipes by name: those of the embedded networks, then those of the papers."""

from __future__ import annotations

from collections.abc import Iterator
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


RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in [*_embedded(), *paper_recipes()]}


def find_recipe(name: str) -> Recipe:
    """The row of that name. Raises ModelError, with the closest names, if there is none."""
    if name not in RECIPES:
        close = get_close_matches(name, RECIPES, n=3, cutoff=0)
        raise ModelError(
            f"no recipe {name!r}", "a row of `train --list`", f"Close: {', '.join(close)}."
        )
    return RECIPES[name]
