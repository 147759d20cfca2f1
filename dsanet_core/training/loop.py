"""The training loop: on one device or under torchrun, resumable at any step.

Under torchrun every process reads its share of a step's videos, and gradients are averaged. All
randomness depends on (seed, epoch, step or row) alone, so that a resumed training gives the same
numbers as an uninterrupted one.

An exponential moving average of a network's weights.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.atomic import atomic_file
from dsanet_core.checkpoints import pick_device
from dsanet_core.errors import CheckpointError, LensError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.training.augmentation import Augmentation, mirrored_labels
from dsanet_core.training.batchnorm import configure_batchnorm, freeze_statistics, is_batchnorm
from dsanet_core.training.data import (
    NO_LABEL,
    AugmentedSamples,
    Batch,
    BatchLoader,
    BatchSampler,
    Log,
    TrainingVideos,
)
from dsanet_core.training.recipe import Recipe
from dsanet_core.workers import Workers

STATE_SECONDS = 600.0
"""Interval of saving the state within an epoch."""


class TrainingCallback(Protocol):
    """Receives the progress of a training: every step in the first process only, every epoch in all
    processes, with the network in evaluation mode. steps, epochs: numbers of completed ones."""

    def step(self, steps: int, loss: float, learning_rate: float) -> None: ...
    def epoch(self, epochs: int, steps: int, network: VideoNetwork) -> None: ...


@dataclass(frozen=True)
class TrainingOptions:
    """Execution of a training. If BatchNorm does not learn, the result depends on the recipe alone,
    up to rounding.

    accumulate: batches per process and step, whose gradients are summed. loaders: processes that
    read videos. average: decay per step of an exponential moving average of the weights, which
    become the network's at the end; None: no averaging. new: names of parameters that learn at the
    recipe's new_rate. state_path: file of the training state, saved after every epoch and at least
    every state_seconds, and resumed from; None: no state. stop_after: stop after so many epochs in
    total, with the schedule of the recipe.
    """

    seed: int = 0
    device: str = "auto"
    accumulate: int = 1
    loaders: int = 0
    average: float | None = None
    new: frozenset[str] = frozenset()
    state_path: Path | None = None
    state_seconds: float = STATE_SECONDS
    stop_after: int | None = None


def fit(
    recipe: Recipe,
    network: VideoNetwork,
    source: TrainingVideos,
    options: TrainingOptions | None = None,
    *,
    log: Log = print,
    callback: TrainingCallback | None = None,
) -> list[float]:
    """Train a network by a recipe, in place, and leave it in evaluation mode.

    Returns the loss of every step. A video that cannot be read is left out of its step, whose loss
    is still divided by the planned number of videos, and logged at the end of the epoch.
    Raises LensError if the batch does not divide among the processes, the state belongs to another
    training, the device does not support the recipe's precision, or a loss is not finite.
    """
    training = _Training(recipe, network, source, options or TrainingOptions(), log, callback)
    training.resume()
    return training.run()


class _Training:
    """A running training."""

    def __init__(
        self, recipe: Recipe, network: VideoNetwork, source: TrainingVideos,
        options: TrainingOptions, log: Log, callback: TrainingCallback | None,
    ) -> None:
        self.recipe, self.network, self.source, self.options = recipe, network, source, options
        self.callback = callback
        self.device = device = pick_device(options.device)
        self.workers = workers = Workers.join(device)
        self.log: Log = log if workers.rank == 0 else lambda line: None
        if recipe.precision == "float16" and device.type != "cuda":
            raise LensError("float16 on a CPU", "a GPU", "Choose --precision bfloat16 or float32.")
        self.plan = BatchSampler(len(source.labels), recipe.videos_per_step, workers,
                         accumulate=options.accumulate, seed=options.seed)
        protocol, classes = network.spec.protocol, network.spec.classes
        if recipe.snippets % protocol.group_size:
            raise LensError(
                f"{recipe.snippets} snippets of a video for clips of {protocol.group_size}",
                "a multiple", "Change the recipe's snippets.",
            )
        samples = AugmentedSamples(
            source, replace(protocol.sampling, num_snippets=recipe.snippets),
            Augmentation.of(recipe, network.spec), seed=options.seed,
            mirrored=mirrored_labels(classes),
        )
        self.batches = BatchLoader(samples, self.plan, loaders=options.loaders)
        network.to(device)
        configure_batchnorm(network, recipe.norm, device, workers)
        self.model: nn.Module = network
        if workers.count > 1:
            self.model = nn.parallel.DistributedDataParallel(network)
        self.optimizer = _optimizer(network, recipe, options.new)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16")
        self.average = None if options.average is None else WeightAverage(network, options.average)
        self.mean, self.std = (torch.tensor(values, device=device)
                               for values in (protocol.mean, protocol.std))
        self.losses: list[float] = []
        self.unreadable: dict[int, str] = {}

    def resume(self) -> None:
        """Restore the state file, if there is one."""
        path = self.options.state_path
        if path is None or not path.exists():
            return
        state = read_state(path, self._fingerprint(), self.device)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.values = state["average"]
        self.losses = state["losses"]
        epochs, steps = divmod(len(self.losses), self.plan.steps)
        self.log(f"continuing after epoch {epochs}" + (f" and {steps} steps" if steps else ""))

    def run(self) -> list[float]:
        last = min(self.recipe.epochs, self.options.stop_after or self.recipe.epochs)
        for epoch in range(len(self.losses) // self.plan.steps, last):
            started = time.monotonic()
            self._train_epoch(epoch)
            mean = np.mean(self.losses[-self.plan.steps :])
            self.log(f"epoch {epoch + 1}/{self.recipe.epochs} loss {mean:.3f} "
                     f"({time.monotonic() - started:.0f} s)")
            self._log_unreadable()
            if self.callback is not None:
                with self.average.applied(self.network) if self.average else nullcontext():
                    self.network.eval()
                    self.callback.epoch(epoch + 1, len(self.losses), self.network)
        if self.average is not None:
            self.average.swap(self.network)
        self.network.eval()
        return self.losses

    def _train_epoch(self, epoch: int) -> None:
        """Run the remaining steps of an epoch."""
        self.model.train()
        freeze_statistics(self.network, self.recipe.norm)
        first, saved = len(self.losses) - epoch * self.plan.steps, time.monotonic()
        batches = self.batches.of_epoch(epoch, first)
        for _ in range(first, self.plan.steps):
            step = len(self.losses)
            factor = self.recipe.rate_factor(step, self.plan.steps)
            self.losses.append(self._step(step, factor, batches))
            if not np.isfinite(self.losses[-1]):
                raise LensError(
                    f"loss {self.losses[-1]} in step {step + 1}, epoch {epoch + 1}",
                    "a finite loss", "Lower the learning rate or train in float32.",
                )
            if self.callback is not None and self.workers.rank == 0:
                rate = self.recipe.learning_rate * factor
                self.callback.step(step + 1, self.losses[-1], rate)
            if time.monotonic() - saved > self.options.state_seconds:
                self._save_state()
                saved = time.monotonic()
        self._save_state()

    def _step(self, step: int, factor: float, batches: Iterator[Batch]) -> float:
        """One optimiser step; the mean loss of its videos over all processes. factor: of the
        learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_rate"] * factor
        sums = torch.zeros(2, device=self.device)  # sum of the losses, number of videos
        for part in range(self.options.accumulate):
            batch = next(batches)
            self.unreadable.update(batch.unreadable)
            torch.manual_seed(_seed(self.options.seed, step, part, self.workers.rank))  # dropout
            with self._gradient_sync(is_last=part == self.options.accumulate - 1):
                losses = self._losses(batch)
                torch.autograd.backward(self.scaler.scale(losses.sum() / self.plan.share))
            sums += torch.stack([losses.detach().sum(), (batch.labels != NO_LABEL).sum()])
        if self.recipe.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.network)
        total, count = self.workers.sum(sums).tolist()
        return total / count if count else 0.0

    def _losses(self, batch: Batch) -> Tensor:
        """(N,) loss of each video, 0 for a black one."""
        gain, offset = batch.light.to(self.device).T[..., None]          # (N, 1)
        scale = gain / (255 * self.std)                                 # (N, 3)
        shift = offset - gain * self.mean / self.std
        each = (slice(None), *[None] * 4)
        pixels = batch.pixels.to(self.device).float().mul_(scale[each]).add_(shift[each])
        clips = pixels.permute(0, 1, 5, 2, 3, 4)                        # (N, U, 3, T, H, W)
        group_size = self.network.spec.protocol.group_size
        with _autocast(self.recipe, self.device):
            return video_losses(self.model, clips, batch.labels.to(self.device), group_size)

    def _gradient_sync(self, *, is_last: bool) -> AbstractContextManager[None]:
        """Context that synchronises gradients between processes in a step's last batch only."""
        if isinstance(self.model, nn.parallel.DistributedDataParallel) and not is_last:
            return self.model.no_sync()
        return nullcontext()

    def _fingerprint(self) -> dict[str, Any]:
        return {"recipe": self.recipe.to_dict(), "data": self.source.fingerprint,
                "seed": self.options.seed, "average": self.options.average}

    def _save_state(self) -> None:
        if self.options.state_path is not None and self.workers.rank == 0:
            write_state(self.options.state_path, {
                "decided_by": self._fingerprint(),
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "average": None if self.average is None else self.average.values,
                "losses": self.losses,
            })

    def _log_unreadable(self) -> None:
        """Log which videos have been left out so far in all processes."""
        found = {row: why for part in self.workers.gather(self.unreadable)
                 for row, why in part.items()}
        if found:
            row = min(found)
            self.log(f"left out {len(found)} videos that could not be read, such as "
                     f"{self.source.name(row)}: {found[row]}")


def video_losses(network: nn.Module, clips: Tensor, labels: Tensor, group_size: int) -> Tensor:
    """(N,) cross-entropy of N videos, averaged over the clips of each; 0 for `NO_LABEL`.

    clips: (N, S, 3, T, H, W), whose S snippets form S / group_size interleaved clips, as at test
    time (`records.Protocol`).
    """
    count = clips.shape[1] // group_size
    groups = torch.unflatten(clips, 1, (group_size, count))          # (N, U, count, 3, T, H, W)
    scores = network(groups.transpose(1, 2).flatten(0, 1)).float()   # (N*count, classes)
    each = functional.cross_entropy(scores, labels.repeat_interleave(count), reduction="none")
    return torch.unflatten(each, 0, (-1, count)).mean(1)


def _optimizer(
    network: nn.Module, recipe: Recipe, new: Container[str]
) -> torch.optim.Optimizer:
    groups, rate = _parameter_groups(network, recipe, new), recipe.learning_rate
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate)
    return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum, nesterov=recipe.nesterov)


def _parameter_groups(
    network: nn.Module, recipe: Recipe, new: Container[str]
) -> list[dict[str, Any]]:
    """Parameter groups by weight decay and learning rate."""
    norms = {parameter for module in network.modules() if is_batchnorm(module)
             for parameter in module.parameters()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        is_bias = parameter.ndim <= 1 and parameter not in norms
        times = (recipe.new_rate if name in new else 1.0) * (recipe.bias_rate if is_bias else 1.0)
        decays = parameter.ndim > 1 or recipe.decay_all
        groups.setdefault((times, recipe.weight_decay if decays else 0.0), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": decay, "full_rate": recipe.learning_rate * times}
        for (times, decay), parameters in groups.items()
    ]


def _autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[None]:
    if recipe.precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, recipe.precision))


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


STATE_KEYS = {"decided_by", "network", "optimizer", "scaler", "average", "losses"}
"""decided_by: everything that determines the result; losses: of every completed step."""


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state file atomically. state: values of `STATE_KEYS`."""
    with atomic_file(path) as part:
        torch.save(dict(state), part)


def read_state(path: Path, decided_by: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """A training state, loaded without running code. Raises CheckpointError for a damaged file,
    LensError for the state of another training."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        reason = "" if set(state) >= STATE_KEYS else "keys are missing"
    except Exception as error:  # damaged bytes raise errors of almost any type
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
    if reason:
        raise CheckpointError(
            f"{path} cannot be read ({reason})", "the state file of a training",
            "Delete it to start over.",
        )
    saved = state["decided_by"]
    for key, value in decided_by.items():
        if saved.get(key) != value:
            raise LensError(
                f"{path} is the state of another training ({_first_difference(key, saved, value)})",
                "one of the same recipe, data, seed and start",
                "Delete it to start over, or choose another --out.",
            )
    return state


def _first_difference(key: str, saved: Mapping[str, Any], value: Any) -> str:
    old = saved.get(key)
    if isinstance(old, dict) and isinstance(value, dict):
        key = next(name for name in value if old.get(name) != value[name])
        old, value = old.get(key), value[key]
    return f"{key} {str(old)[:60]!r}, not {str(value)[:60]!r}"


class WeightAverage:
    """Exponential moving average of parameters and buffers: average = decay * average
    + (1 - decay) * value. Integer buffers are copied."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {key: value.clone() for key, value in network.state_dict().items()}

    def update(self, network: nn.Module) -> None:
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[key].lerp_(value, 1 - self.decay)
            else:
                self.values[key].copy_(value)

    def swap(self, network: nn.Module) -> None:
        """Exchange the average with the values of the network."""
        with torch.no_grad():
            for key, value in network.state_dict().items():
                previous = value.clone()
                value.copy_(self.values[key])
                self.values[key].copy_(previous)

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Context in which the network has the averaged weights."""
        self.swap(network)
        try:
            yield
        finally:
            self.swap(network)
