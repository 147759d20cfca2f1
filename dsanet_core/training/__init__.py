"""Training: every network of the papers and the embedded ones by the same loop, on any data.

`recipes` holds what decides a training, a row for each experiment; `open_data` opens the data and
looks at it before anything is trained; `data` and `augmentation` make batches; `loop` trains and
leaves its state; `validation` says how well the network does; `pipeline` is all of it, from a
recipe to a checkpoint.
"""

from __future__ import annotations

from dsanet_core.training.loop import Fit, fit
from dsanet_core.training.open_data import Data, open_data
from dsanet_core.training.pipeline import Places, train
from dsanet_core.training.recipe import Recipe
from dsanet_core.training.recipes import RECIPES, find_recipe

__all__ = ["RECIPES", "Data", "Fit", "Places", "Recipe", "find_recipe", "fit", "open_data", "train"]
