"""Training: every network of the papers and the embedded ones by the same loop, on any data.

`recipe` and `recipes` define a training, a row for each experiment; `open_data` opens and checks
the data before training begins; `data` and `augmentation` make batches; `loop` trains and saves its
state, with `batchnorm` and `ema`; `validation` evaluates the network; `pipeline` runs all of it,
from a recipe to a checkpoint.
"""

from __future__ import annotations

from dsanet_core.training.loop import TrainingOptions, fit
from dsanet_core.training.open_data import TrainingData, open_data
from dsanet_core.training.pipeline import OutputPaths, train
from dsanet_core.training.recipe import Recipe
from dsanet_core.training.recipes import RECIPES, find_recipe

__all__ = [
    "RECIPES",
    "OutputPaths",
    "Recipe",
    "TrainingData",
    "TrainingOptions",
    "find_recipe",
    "fit",
    "open_data",
    "train",
]
