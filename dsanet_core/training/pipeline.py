"""From a recipe and data to a checkpoint: the command `train`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dsanet_core.checkpoints import load_imagenet, pick_device, save_checkpoint, start_from
from dsanet_core.datasets import Dataset
from dsanet_core.datasets.synthetic import SyntheticDataset
from dsanet_core.errors import printable
from dsanet_core.familiarity import FamiliarityModel, fit_familiarity
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.dsa import DSA
from dsanet_core.synthetic import VERSION as DATA_VERSION
from dsanet_core.text_format import percent
from dsanet_core.training.data import (
    BatchSampler,
    Log,
    RecordedVideos,
    RenderedVideos,
    TrainingVideos,
    rendered_videos,
)
from dsanet_core.training.loop import TrainingOptions, fit
from dsanet_core.training.open_data import (
    TrainingData,
    check_dataset,
    dataset_label,
    require_writable,
)
from dsanet_core.training.recipe import Recipe
from dsanet_core.training.validation import Evaluation, TrainingMonitor, evaluate
from dsanet_core.workers import Workers
from dsanet_core.zoo import build_model

CALIBRATION_VIDEOS = 1000
MAX_APPEARANCE_SIZE = 1000
"""Largest feature size with a familiarity calibration: the covariance of more values takes more
memory than the network, and more videos than `CALIBRATION_VIDEOS`."""


@dataclass(frozen=True)
class OutputPaths:
    """out: weights file. state: training state, None: beside it. logs: folder of TensorBoard logs,
    None: none. cache: folder of rendered videos."""

    out: Path
    state: Path | None = None
    logs: Path | None = None
    cache: Path = Path(".cache")


def train(
    recipe: Recipe, data: TrainingData, paths: OutputPaths,
    options: TrainingOptions | None = None, *, log: Log = print,
) -> dict[str, float]:
    """Train a network, evaluate it on the validation videos and write its checkpoint.

    options.state_path and options.new are set here. The checkpoint contains the recipe, seed,
    accuracy and, for networks with few features, a familiarity calibration. An interrupted training
    is resumed.
    Returns top1 and top5 as fractions in the first process; nothing in the others or without
    validation. Raises LensError for any user error, mostly before the first epoch.
    """
    options = options or TrainingOptions()
    device = pick_device(options.device)
    workers = Workers.join(device)
    log_first: Log = log if workers.rank == 0 else lambda line: None
    out, state = paths.out, paths.state or paths.out.with_suffix(".state.pt")
    if workers.rank == 0:
        require_writable(out)
        state.parent.mkdir(parents=True, exist_ok=True)
        for dataset in filter(None, (data.training, data.validation)):
            for line in check_dataset(dataset):
                log_first(printable(line))
    workers.wait()
    sampler = BatchSampler(len(data.labels), recipe.videos_per_step, workers,
                           accumulate=options.accumulate, seed=options.seed)
    network, start, new = initial_network(recipe, data.classes, seed=options.seed)
    options = replace(options, state_path=state, new=new)
    for line in describe(recipe, sampler, start):
        log_first(line)
    with workers.one_of_a_machine_first():
        source = training_videos(data, paths.cache, log_first)
    if isinstance(source, RenderedVideos):
        options = replace(options, loaders=0)
    monitor = TrainingMonitor(
        paths.logs, data.validation, recipe.validate_every, workers, log, loaders=options.loaders
    )
    losses = fit(recipe, network, source, options, log=log, callback=monitor)
    evaluation, familiarity = None, None
    if data.validation is not None:
        log_first(f"evaluating on {printable(data.validation.name)}")
        evaluation = evaluate(data.validation, network, workers, loaders=options.loaders)
        monitor.report(evaluation, len(losses), "test protocol")
        if 0 < network.appearance_size <= MAX_APPEARANCE_SIZE:
            some = data.training.limited(CALIBRATION_VIDEOS)
            calibration = evaluate(some, network, workers, loaders=options.loaders)
            familiarity = _fit_familiarity(calibration, evaluation)
    monitor.close()
    if workers.rank:
        return {}
    save_checkpoint(
        out, network,
        trained_on=trained_on(data),
        recipe=recipe.to_dict(),
        seed=options.seed,
        accuracy={} if evaluation is None else evaluation.accuracy(),
        familiarity=familiarity,
    )
    log_first(f"{out.name}: {len(losses)} steps" + (
        "" if evaluation is None else f", top-1 {percent(evaluation.top1)} on {evaluation.dataset}"
    ))
    return {} if evaluation is None else {"top1": evaluation.top1, "top5": evaluation.top5}


def training_videos(data: TrainingData, cache: Path, log: Log) -> TrainingVideos:
    """The training videos; those of the embedded benchmark are rendered once into the cache, since
    reading is many times faster than rendering."""
    dataset = data.training
    if not isinstance(dataset, SyntheticDataset) or dataset.through_h264 \
            or dataset.size[0] != dataset.size[1]:
        return RecordedVideos(dataset, data.labels)
    side, count = dataset.size[0], len(dataset)
    path = cache / f"synth-v{DATA_VERSION}-seed{dataset.seed}-n{count}-side{side}.npy"
    pixels = rendered_videos(dataset.seed, range(count), path, log, side=side)
    return RenderedVideos(pixels, data.labels, dataset.fingerprint)


def describe(recipe: Recipe, sampler: BatchSampler, start: str) -> list[str]:
    """Description of a training in lines."""
    processes, accumulate = sampler.workers.count, sampler.accumulate
    batch = sampler.share // accumulate
    return [
        f"network {recipe.spec(('', '')).name}, from {start}",
        f"{recipe.epochs} epochs of {sampler.steps} steps of {recipe.videos_per_step} videos"
        + (f" ({processes} processes x {accumulate} batches of {batch})"
           if processes * accumulate > 1 else "")
        + f", learning rate {recipe.learning_rate:g}, {recipe.precision}, BatchNorm {recipe.norm}",
    ]


def trained_on(data: TrainingData) -> str:
    """Training domain in words, as stored in a checkpoint."""
    dataset: Dataset = data.training
    if isinstance(dataset, SyntheticDataset):
        return (
            f"{len(dataset)} synthetic videos of {len(data.classes)} classes (the embedded "
            f"benchmark, version {DATA_VERSION}, seed {dataset.seed})"
        )
    return f"{len(dataset)} videos of {len(data.classes)} classes ({dataset_label(dataset)})"


def _fit_familiarity(training: Evaluation, validation: Evaluation) -> FamiliarityModel | None:
    if min(len(training.appearance), len(validation.appearance)) < 2:
        return None
    return fit_familiarity(training.appearance, validation.appearance)


def initial_network(
    recipe: Recipe, classes: tuple[str, ...], *, seed: int
) -> tuple[VideoNetwork, str, frozenset[str]]:
    """(network with its initial weights, their origin in words, names of the parameters that are
    initialised at random beside them). Raises CheckpointError for weights that do not exist or do
    not fit."""
    torch.manual_seed(seed)
    network = build_model(recipe.spec(classes))
    if recipe.init == "random":
        return network, "random weights", frozenset()
    if recipe.init == "imagenet":
        return network, "ImageNet", frozenset(load_imagenet(network).fresh)
    start = start_from(network, recipe.init)
    new = frozenset(start.fresh)
    words = f"{recipe.init}: {len(start.copied)} tensors copied"
    if new:
        words += f", {len(new)} initialised at random such as {start.fresh[0]}"
    if start.left:
        words += f", {len(start.left)} left out such as {start.left[0]}"
    if recipe.init_as_shift:
        for name, module in network.named_modules():
            if isinstance(module, DSA) and f"{name}.generate.0.weight" in new:
                module.init_as_shift()
    return network, words, new
