"""The command train."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dsanet_core.cli.output import log, non_negative, positive
from dsanet_core.errors import ModelError

if TYPE_CHECKING:
    from dsanet_core.training import Recipe

NORMS = ("normal", "synchronised", "partial", "frozen")
PRECISIONS = ("float32", "bfloat16", "float16")
OPTIMIZERS = ("sgd", "adamw")
READERS = ("pyav", "decord")
NO_LOGS = "none"


def add_train(added: argparse.ArgumentParser) -> None:
    """Add the arguments of the command, without --device."""
    add = added.add_argument
    add("recipe", nargs="?", metavar="RECIPE", help="e.g. dsa_i3d_synth; see --list")
    add("--list", action="store_true", help="print the recipes, or one with its sources")
    data = added.add_argument_group("data")
    data.add_argument("--data", metavar="DATASET", help="as of 'run', such as kinetics400:FOLDER; "
                      "default: the recipe's own, if any")
    data.add_argument("--split", metavar="NAME", help="split of the data to train on")
    data.add_argument("--val", metavar="NAME", help="split of the data for validation, or "
                      "another DATASET")
    data.add_argument("--reader", choices=READERS, default=READERS[0], help="of video files; "
                      "decord is faster, for trusted files only")
    data.add_argument("--workers", type=non_negative, metavar="N", help="decoding processes of "
                      "each training process; default: its share of the cores, at most 8")
    how = added.add_argument_group("training, instead of the recipe's")
    how.add_argument("--init", metavar="WEIGHTS", help="initial weights: a name of 'models', "
                     "a checkpoint, imagenet or random")
    how.add_argument("--epochs", type=positive, metavar="N", help="the schedule is scaled, too")
    how.add_argument("--batch", type=positive, metavar="N", help="videos per step, all processes")
    how.add_argument("--scale-rate", action="store_true", help="with --batch: scale the learning "
                     "rate in proportion")
    how.add_argument("--rate", type=_above_zero, metavar="R", help="highest learning rate")
    how.add_argument("--optimizer", choices=OPTIMIZERS, help="adamw needs another learning "
                     "rate, such as 0.001")
    how.add_argument("--new-rate", type=_above_zero, metavar="X", help="factor of the learning "
                     "rate for parameters without weights in --init")
    how.add_argument("--lean", action=argparse.BooleanOptionalAction, help="initialise DSA "
                     "without weights in --init as a shift by one snippet; default: yes")
    how.add_argument("--norm", choices=NORMS, help="training mode of BatchNorm")
    how.add_argument("--precision", choices=PRECISIONS, help="float16 needs a GPU")
    how.add_argument("--accumulate", type=positive, default=1, metavar="K",
                     help="batches per process and step, to save memory")
    how.add_argument("--ema", type=_decay, metavar="D", help="decay per step of a moving "
                     "average of the weights, such as 0.999")
    how.add_argument("--seed", type=int, default=0)
    added.add_argument("--out", type=Path, metavar="FILE", help="weights file; an unfinished "
                       "training is resumed from the .state.pt beside it; default: "
                       "runs/RECIPE-seedS.safetensors")
    added.add_argument("--logs", metavar="FOLDER", help="of the TensorBoard logs; none: no logs; "
                       "default: beside the weights")


def train(args: argparse.Namespace) -> None:
    if args.recipe is None and not args.list:
        raise ModelError("no recipe", "the name of a recipe", "List them with: train --list")
    from dsanet_core.training import RECIPES, find_recipe

    if args.list:
        print(_table(RECIPES.values()) if args.recipe is None
              else _in_full(find_recipe(args.recipe)))
        return
    from dsanet_core.checkpoints import FOLDER, write_manifest
    from dsanet_core.runs.inference import MOST_WORKERS, available_cores
    from dsanet_core.training import OutputPaths, TrainingOptions, open_data
    from dsanet_core.training import train as train_recipe
    from dsanet_core.workers import is_first, leave

    recipe = adapted(find_recipe(args.recipe), args)
    out = args.out or Path("runs") / f"{recipe.name}-seed{args.seed}.safetensors"
    data = open_data(recipe, args.data, split=args.split, validation=args.val, reader=args.reader)
    loaders = min(MOST_WORKERS, available_cores()) if args.workers is None else args.workers
    options = TrainingOptions(seed=args.seed, device=args.device, accumulate=args.accumulate,
                              average=args.ema, loaders=loaders)
    train_recipe(recipe, data, OutputPaths(out, logs=_logs(args.logs, out)), options, log=log)
    leave()
    if is_first() and out.resolve().parent == FOLDER.resolve():
        write_manifest()


def adapted(recipe: Recipe, args: argparse.Namespace) -> Recipe:
    """The recipe with the changes of the command line; the first process logs the learning rate of
    another batch."""
    from dsanet_core.workers import is_first

    if args.epochs is not None:
        recipe = recipe.lasting(args.epochs)
    if args.batch is not None and args.batch != recipe.videos_per_step:
        own = recipe
        recipe = recipe.with_batch(args.batch, scale_rate=args.scale_rate)
        rate = own.with_batch(args.batch, scale_rate=True).learning_rate
        becomes = f"{rate:g} instead of {own.learning_rate:g}, in proportion" if args.scale_rate \
            else f"stays {own.learning_rate:g}; --scale-rate would make it {rate:g}"
        if is_first():
            log(f"batch {args.batch} instead of {own.videos_per_step}: learning rate {becomes}")
    changes = {"init": args.init, "learning_rate": args.rate, "new_rate": args.new_rate,
               "init_as_shift": args.lean, "norm": args.norm, "precision": args.precision,
               "optimizer": args.optimizer}
    return replace(recipe, **{name: to for name, to in changes.items() if to is not None})


def _logs(folder: str | None, out: Path) -> Path | None:
    """Folder of the TensorBoard logs; by default only if TensorBoard is installed."""
    from dsanet_core.training.validation import has_tensorboard, require_tensorboard

    if folder == NO_LOGS:
        return None
    if folder is not None:
        require_tensorboard()
        return Path(folder)
    if not has_tensorboard():
        log("no logs: the package tensorboard is not installed")
        return None
    return out.with_suffix(".logs")


def _table(recipes: Iterable[Recipe]) -> str:
    from dsanet_core.training.recipe import DATASETS

    lines = [f"{'recipe':<52}{'epochs':>7}{'batch':>7}{'rate':>7}  data; tables"]
    for recipe in recipes:
        about = [DATASETS[recipe.data].title, *recipe.tables]
        lines.append(f"{recipe.name:<52}{recipe.epochs:>7}{recipe.videos_per_step:>7}"
                     f"{recipe.learning_rate:>7g}  {'; '.join(about)}")
    return "\n".join(lines)


def _in_full(recipe: Recipe) -> str:
    from dsanet_core.training.recipe import DATASETS

    values = {"tables": "; ".join(recipe.tables) or "none of the papers'",
              "data": DATASETS[recipe.data].title, "videos_per_gpu": recipe.videos_per_gpu,
              **{name: value for name, value in recipe.to_dict().items() if name != "data"}}
    return "\n".join([
        *(f"{name:<18}{value}" for name, value in values.items()),
        *(f"from {where}: {fields}" for fields, where in recipe.sources),
    ])


def _above_zero(text: str) -> float:
    if not 0 < (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}; expected a number above 0")
    return value


def _decay(text: str) -> float:
    if not 0 < (value := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text}; expected a number between 0 and 1")
    return value
