"""From a recipe and data to a checkpoint: what the command `train` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dsanet_core.checkpoints import pick_device, save_checkpoint
from dsanet_core.datasets import Dataset
from dsanet_core.datasets.synthetic import SyntheticDataset
from dsanet_core.errors import printable
from dsanet_core.familiarity import FamiliarityModel, fit_familiarity
from dsanet_core.synthetic import VERSION as DATA_VERSION
from dsanet_core.training.data import (
    Log,
    Plan,
    RecordedVideos,
    RenderedVideos,
    Source,
    rendered_videos,
)
from dsanet_core.training.init import start_network
from dsanet_core.training.loop import Fit, fit
from dsanet_core.training.open_data import Data, called, look_at, require_writable
from dsanet_core.training.recipe import Recipe
from dsanet_core.training.validation import Measured, Monitor, measure
from dsanet_core.workers import Workers

CALIBRATION_VIDEOS = 1000
LARGEST_APPEARANCE = 1000
"""Values per video up to which it is learned how the training videos look: the covariance of more
takes more memory than the network, and more videos than are asked."""


@dataclass(frozen=True)
class Places:
    """out: the weights file. state: None: beside it. logs: folder of the TensorBoard logs, None:
    none. cache: where drawn videos lie."""

    out: Path
    state: Path | None = None
    logs: Path | None = None
    cache: Path = Path(".cache")


def train(
    recipe: Recipe, data: Data, places: Places, how: Fit | None = None, *, log: Log = print
) -> dict[str, float]:
    """Train a network, measure it on the validation videos and write its checkpoint.

    how.state_path is that of `places`, how.new what the recipe's init has no weights for. The
    checkpoint carries its recipe, seed, measured accuracy and, of networks whose first layers have
    few channels, a familiarity calibration. A training that was interrupted goes on.
    Returns top1 and top5 as fractions in the first process; nothing in others or without
    validation. Raises LensError for anything a user can mend, most of it before the first epoch.
    """
    how = how or Fit()
    device = pick_device(how.device)
    workers = Workers.join(device)
    say: Log = log if workers.rank == 0 else lambda line: None
    out, state = places.out, places.state or places.out.with_suffix(".state.pt")
    if workers.rank == 0:
        require_writable(out)
        state.parent.mkdir(parents=True, exist_ok=True)
        for dataset in filter(None, (data.training, data.validation)):
            for line in look_at(dataset):
                say(printable(line))
    workers.wait()
    plan = Plan(len(data.labels), recipe.videos_per_step, workers, accumulate=how.accumulate,
                seed=how.seed)
    network, start, new = start_network(recipe, data.classes, seed=how.seed)
    how = replace(how, state_path=state, new=new)
    for line in describe(recipe, plan, start):
        say(line)
    with workers.one_of_a_machine_first():
        source = source_of(data, places.cache, say)
    if isinstance(source, RenderedVideos):
        how = replace(how, loaders=0)
    monitor = Monitor(
        places.logs, data.validation, recipe.validate_every, workers, log, loaders=how.loaders
    )
    losses = fit(recipe, network, source, how, log=log, watcher=monitor)
    figures, known = None, None
    if data.validation is not None:
        say(f"measuring on {printable(data.validation.name)}")
        figures = measure(data.validation, network, workers, loaders=how.loaders)
        monitor.tell(figures, len(losses), "test protocol")
        if 0 < network.appearance_size <= LARGEST_APPEARANCE:
            some = data.training.limited(CALIBRATION_VIDEOS)
            known = measure(some, network, workers, loaders=how.loaders)
    monitor.close()
    if workers.rank:
        return {}
    save_checkpoint(
        out, network,
        trained_on=trained_on(data),
        recipe=recipe.to_dict(),
        seed=how.seed,
        accuracy={} if figures is None else figures.figures(),
        familiarity=None if known is None or figures is None else _familiarity(known, figures),
    )
    say(f"{out.name}: {len(losses)} steps" + (
        "" if figures is None else f", top-1 {figures.top1:.1%} on {figures.dataset}"
    ))
    return {} if figures is None else {"top1": figures.top1, "top5": figures.top5}


def source_of(data: Data, cache: Path, log: Log) -> Source:
    """The training videos; those of the embedded benchmark are drawn once into a file of the
    cache, which is read many times faster than they are drawn."""
    dataset = data.training
    if not isinstance(dataset, SyntheticDataset) or dataset.through_h264 \
            or dataset.size[0] != dataset.size[1]:
        return RecordedVideos(dataset, data.labels)
    side, count = dataset.size[0], len(dataset)
    path = cache / f"synth-v{DATA_VERSION}-seed{dataset.seed}-n{count}-side{side}.npy"
    pixels = rendered_videos(dataset.seed, range(count), path, log, side=side)
    return RenderedVideos(pixels, data.labels, dataset.fingerprint)


def describe(recipe: Recipe, plan: Plan, start: str) -> list[str]:
    """Lines about how a network will be trained."""
    processes, accumulate = plan.workers.count, plan.accumulate
    batch = plan.share // accumulate
    return [
        f"network {recipe.spec(('', '')).name}, from {start}",
        f"{recipe.epochs} epochs of {plan.steps} steps of {recipe.videos_per_step} videos"
        + (f" ({processes} processes x {accumulate} batches of {batch})"
           if processes * accumulate > 1 else "")
        + f", learning rate {recipe.learning_rate:g}, {recipe.precision}, BatchNorm {recipe.norm}",
    ]


def trained_on(data: Data) -> str:
    """What a checkpoint says of its training videos."""
    dataset: Dataset = data.training
    if isinstance(dataset, SyntheticDataset):
        return (
            f"{len(dataset)} synthetic videos of {len(data.classes)} categories (the embedded "
            f"benchmark, version {DATA_VERSION}, seed {dataset.seed})"
        )
    return f"{len(dataset)} videos of {len(data.classes)} categories ({called(dataset)})"


def _familiarity(known: Measured, validation: Measured) -> FamiliarityModel | None:
    if min(len(known.appearance), len(validation.appearance)) < 2:
        return None
    return fit_familiarity(known.appearance, validation.appearance)
