"""One readable training loop for the embedded networks, on one device or under torchrun.

    python -m dsanet_core train dsa_i3d_synth
    torchrun --nproc-per-node 2 -m dsanet_core train dsa_i3d_synth

Every epoch ends with a state file, from which an interrupted training goes on with the same numbers
it would have had: shuffling and augmentation depend on (seed, epoch, rank) only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.checkpoints import pick_device, save_checkpoint
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import CheckpointError, LensError, ModelError
from dsanet_core.familiarity import fit_familiarity
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array, Sampling
from dsanet_core.runs.answers import Answer, answer_each
from dsanet_core.runs.metrics import label_ranks, match_categories
from dsanet_core.synthetic import CATEGORIES, NATIVE_SIZE, NUM_FRAMES, label_of, make_video
from dsanet_core.synthetic import VERSION as DATA_VERSION
from dsanet_core.video.sampling import random_snippet_indices
from dsanet_core.workers import Workers, is_first
from dsanet_core.zoo import create_model, list_models, model_spec

Log = Callable[[str], None]


class LabelledVideos(NamedTuple):
    """pixels: (videos, 64, height, width, 3) uint8. labels: (videos,) index into `CATEGORIES`."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training besides its seed.

    snippets_per_video x epochs x num_videos snippets are seen, the same for all recipes that share
    a budget. Networks that look at one snippet at a time (group_size 1) get a loss per snippet,
    the others one per video. videos_per_step: batch over all processes.
    """

    model: str
    data_seed: int = 1
    num_videos: int = 5000
    epochs: int = 10
    snippets_per_video: int = 4
    videos_per_step: int = 32
    max_learning_rate: float = 0.1
    weight_decay: float = 5e-4
    warmup: float = 0.25
    light_jitter: float = 0.2
    precision: str = "bfloat16"


RECIPES: dict[str, Recipe] = {
    name: Recipe(model=name, snippets_per_video=8 if spec.args.get("axis") == "clip" else 4)
    for name in list_models()
    if (spec := model_spec(name)).classes == CATEGORIES
}
"""One for each embedded row, all with the same budget."""


def rendered_videos(
    seed: int, index: Sequence[int], path: Path, log: Log, *, side: int = NATIVE_SIZE[0]
) -> NDArray[np.uint8]:
    """(videos, 64, side, side, 3) uint8: the videos of these numbers of the embedded benchmark,
    drawn once into the .npy file `path` and mapped from there.

    The file appears whole or not at all: a rendering that is interrupted starts over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.stem}.part-{os.getpid()}.npy")
    if not path.exists():
        shape = (len(index), NUM_FRAMES, side, side, 3)
        videos = np.lib.format.open_memmap(part, "w+", np.uint8, shape)
        for row, number in enumerate(index):
            videos[row] = make_video(seed, number, size=(side, side)).rgb
            if row % 500 == 499:
                log(f"rendered {row + 1} of {len(index)} videos")
        videos.flush()
        part.replace(path)
    return np.asarray(np.load(path, mmap_mode="r"))


def training_videos(recipe: Recipe, folder: Path, log: Log) -> LabelledVideos:
    """The videos of a recipe, rendered once into a folder."""
    name = f"synth-v{DATA_VERSION}-seed{recipe.data_seed}-n{recipe.num_videos}.npy"
    index = range(recipe.num_videos)
    pixels = rendered_videos(recipe.data_seed, index, folder / name, log)
    return LabelledVideos(pixels, np.array([label_of(number) for number in index]))


def batches(
    videos: LabelledVideos, recipe: Recipe, *, seed: int, epoch: int, workers: Workers,
    sampling: Sampling, crop: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented ((N, U, 3, T, crop, crop) float in -1..1, (N,) labels) of one epoch and process.

    Augmentation: where each snippet starts inside its segment (DSANet, section 4.2), the crop, and
    brightness and contrast. No flips: left and right are categories.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(videos.pixels))
    share = recipe.videos_per_step // workers.count
    rng = np.random.default_rng([seed, epoch, workers.rank + 1])
    room = videos.pixels.shape[2] - crop
    for start in range(0, len(order) - recipe.videos_per_step + 1, recipe.videos_per_step):
        mine = order[start + workers.rank * share :][:share]
        clips = np.empty((share, recipe.snippets_per_video, sampling.frames_per_snippet,
                          crop, crop, 3), np.uint8)
        for row, index in enumerate(mine):
            frames = random_snippet_indices(NUM_FRAMES, sampling, rng)
            top, left = rng.integers(0, room + 1, 2)
            clips[row] = videos.pixels[index][frames, top : top + crop, left : left + crop]
        light = rng.uniform(1 - recipe.light_jitter, 1 + recipe.light_jitter, (2, share))
        gain, offset = torch.from_numpy(light).float()[:, :, None, None, None, None, None]
        x = torch.from_numpy(clips).permute(0, 1, 5, 2, 3, 4).float().div_(127.5).sub_(1)
        yield x.mul_(gain).add_(offset - 1), torch.from_numpy(videos.labels[mine])


def _loss(network: nn.Module, clips: Tensor, labels: Tensor, per_snippet: bool) -> Tensor:
    if per_snippet:
        count = clips.shape[1]
        return functional.cross_entropy(
            network(clips.flatten(0, 1).unsqueeze(1)).float(), labels.repeat_interleave(count)
        )
    return functional.cross_entropy(network(clips).float(), labels)


def _schedule(step: int, total: int, warmup: float) -> float:
    """Learning rate factor: linear warm-up, then a cosine down to zero."""
    rise = max(1, int(total * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + float(np.cos(np.pi * (step - rise) / max(1, total - rise))))


def fit(
    recipe: Recipe,
    *,
    seed: int = 0,
    state_path: Path | None,
    data_folder: Path,
    network: VideoNetwork | None = None,
    videos: LabelledVideos | None = None,
    device: str = "auto",
    log: Log = print,
    stop_after: int | None = None,
) -> VideoNetwork:
    """Train a network by a recipe and return it, in evaluation mode.

    network: the one to train, in place; None: the recipe's, with random weights. videos: as many as
    the recipe says, to train on instead of those that it draws.
    state_path: where every epoch leaves its state, and where an earlier one is continued from;
    None: nowhere.
    stop_after: return after this many epochs in total (the schedule stays that of the recipe).
    Raises LensError if the batch does not divide among the processes, the state is that of another
    recipe, or the loss is not finite.
    """
    where = pick_device(device)
    workers = Workers.join(where)
    if recipe.videos_per_step % workers.count:
        raise LensError(
            f"{recipe.videos_per_step} videos per step for {workers.count} processes",
            "a number of processes that divides the batch",
            "Start torchrun with another --nproc-per-node.",
        )
    torch.manual_seed(seed)
    network = (network or create_model(recipe.model)).to(where)
    protocol = network.spec.protocol
    with workers.one_of_a_machine_first():
        videos = videos or training_videos(recipe, data_folder, log)
    sampling = replace(protocol.sampling, num_snippets=recipe.snippets_per_video)
    model = nn.parallel.DistributedDataParallel(network) if workers.count > 1 else network
    groups: list[dict[str, Any]] = [
        {"params": [p for p in network.parameters() if p.ndim > 1],
         "weight_decay": recipe.weight_decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1]},
    ]
    optimizer = torch.optim.SGD(
        groups, lr=recipe.max_learning_rate, momentum=0.9, nesterov=True
    )
    per_epoch = len(videos.pixels) // recipe.videos_per_step
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _schedule(step, per_epoch * recipe.epochs, recipe.warmup)
    )
    first = 0
    if state_path is not None and state_path.exists():
        state = _read_state(state_path, where)
        if state["recipe"] != asdict(recipe) or state["data_version"] != DATA_VERSION:
            raise LensError(
                f"{state_path} is the state of another recipe or benchmark version",
                f"one of {recipe}",
                "Delete it to start over.",
            )
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        first = state["epoch"]
        log(f"continuing after epoch {first}")
    precision = torch.autocast(where.type, getattr(torch, recipe.precision)) \
        if recipe.precision != "float32" else nullcontext()
    for epoch in range(first, min(recipe.epochs, stop_after or recipe.epochs)):
        model.train()
        torch.manual_seed(1000 * (1000 * seed + epoch) + workers.rank)  # dropout
        started, losses = time.monotonic(), []
        for clips, labels in batches(videos, recipe, seed=seed, epoch=epoch, workers=workers,
                                     sampling=sampling, crop=protocol.crop):
            with precision:
                loss = _loss(model, clips.to(where), labels.to(where), protocol.group_size == 1)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        if not np.isfinite(losses).all():
            raise LensError(
                f"loss {losses[-1]} in epoch {epoch + 1}", "a finite loss",
                "Lower max_learning_rate or train in float32.",
            )
        log(f"epoch {epoch + 1}/{recipe.epochs} loss {np.mean(losses):.3f} "
            f"({time.monotonic() - started:.0f} s)")
        if state_path is not None and workers.rank == 0:
            part = state_path.with_suffix(".part")
            torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(),
                        "schedule": schedule.state_dict(), "epoch": epoch + 1,
                        "recipe": asdict(recipe), "data_version": DATA_VERSION}, part)
            part.replace(state_path)
    network.eval()
    return network


VALIDATION = "synth:seed=7,n=2500"
CALIBRATION_VIDEOS = 1000


def train(
    recipe_name: str,
    *,
    seed: int = 0,
    out: Path,
    cache: Path = Path(".cache"),
    device: str = "auto",
    epochs: int | None = None,
    log: Log = print,
) -> dict[str, float]:
    """Train by a named recipe, measure on the validation split, and write a checkpoint.

    The checkpoint carries its recipe, seed, measured accuracy and a familiarity calibration.
    out: its file. cache: where rendered videos and the state of unfinished trainings lie; a
    training that was interrupted goes on from there. epochs: another length than the recipe's.
    Returns top1 and top5 as fractions. Raises ModelError for an unknown name.
    """
    if recipe_name not in RECIPES:
        names = ", ".join(RECIPES)
        raise ModelError(f"no recipe {recipe_name!r}", f"one of {names}", "Choose one of these.")
    recipe = RECIPES[recipe_name]
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    states = cache / "training"
    states.mkdir(parents=True, exist_ok=True)
    state_path = states / f"{recipe_name}-seed{seed}-epochs{recipe.epochs}.pt"
    network = fit(recipe, seed=seed, state_path=state_path, data_folder=cache, device=device,
                  log=log)
    if not is_first():
        return {}
    log(f"measuring on {VALIDATION}")
    figures, validation = _measure(VALIDATION, network)
    _, known = _measure(f"synth:seed={recipe.data_seed},n={CALIBRATION_VIDEOS}", network)
    save_checkpoint(
        out,
        network,
        trained_on=(
            f"{recipe.num_videos} synthetic videos of {len(CATEGORIES)} categories "
            f"(the embedded benchmark, version {DATA_VERSION}, seed {recipe.data_seed})"
        ),
        recipe=asdict(recipe),
        seed=seed,
        accuracy=figures,
        familiarity=fit_familiarity(known, validation),
    )
    log(f"{out.name}: top-1 {figures['top1']:.1%} on {VALIDATION}")
    return {"top1": figures["top1"], "top5": figures["top5"]}


def _read_state(path: Path, where: torch.device) -> dict[str, Any]:
    """A training state, as data only. Raises CheckpointError for a damaged one."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=where, weights_only=True)
        if {"recipe", "data_version", "network", "optimizer", "schedule", "epoch"} <= set(state):
            return state
        reason = "something is missing"
    except Exception as error:  # the parser of damaged bytes raises nearly anything
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
    raise CheckpointError(
        f"{path} cannot be read ({reason})", "the state that a training left there",
        "Delete it to start over.",
    )


def _measure(description: str, network: VideoNetwork) -> tuple[dict[str, Any], Array]:
    """Accuracies on a dataset of the embedded benchmark, and (videos, values) how its videos look
    to the network."""
    dataset = open_dataset(description)
    answers = [
        answer for answer in answer_each(dataset, range(len(dataset)), network, workers=0)
        if isinstance(answer, Answer)
    ]
    scores = np.stack([answer.scores for answer in answers])
    ranks = label_ranks(scores, match_categories(dataset.categories, network.spec.classes))
    figures = {
        "dataset": description,
        "top1": float((ranks < 1).mean()),
        "top5": float((ranks < 5).mean()),
        "per_group": {
            group: float((ranks[np.isin(dataset.categories, members)] < 1).mean())
            for group, members in dataset.groups.items()
        },
    }
    return figures, np.stack([answer.appearance for answer in answers])
