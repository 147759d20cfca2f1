"""The one training loop: on one device or under torchrun, resumable at any step.

Under torchrun every process reads its share of a step's videos, and gradients are averaged. All
that is random depends on (seed, epoch, step or row) and never on what came before, so an
interrupted training goes on with the same numbers it would have had.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.checkpoints import pick_device
from dsanet_core.errors import LensError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.training.augmentation import Augmentation, mirrored_labels
from dsanet_core.training.data import NO_LABEL, Batch, Batches, Log, Plan, Samples, Source
from dsanet_core.training.ema import Average
from dsanet_core.training.norms import is_norm, keep_frozen, prepare_norms
from dsanet_core.training.recipe import Recipe
from dsanet_core.training.state import read_state, write_state
from dsanet_core.workers import Workers

STATE_SECONDS = 600.0
"""Between two states within an epoch."""


class Watcher(Protocol):
    """What is told how a training goes: of every step in the first process alone, of every epoch
    in all of them, with the network in evaluation mode. Steps and epochs that are done."""

    def step(self, steps: int, loss: float, learning_rate: float) -> None: ...
    def epoch(self, epochs: int, steps: int, network: VideoNetwork) -> None: ...


@dataclass(frozen=True)
class Fit:
    """How a training is carried out; what its numbers are depends on the recipe alone, up to
    rounding, wherever BatchNorm does not learn.

    accumulate: batches per process and step, whose gradients are added up. loaders: processes that
    read videos. average: of the weights, the decay of an exponential moving average per step
    (None: none), which is the network in the end. new: names of parameters that learn at the
    recipe's new_rate. state_path: where the state is left after every epoch and at least every
    state_seconds, and where an earlier one is continued from; None: nowhere. stop_after: so many
    epochs in total; the schedule stays that of the recipe.
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
    source: Source,
    how: Fit | None = None,
    *,
    log: Log = print,
    watcher: Watcher | None = None,
) -> list[float]:
    """Train a network by a recipe, in place, and leave it in evaluation mode.

    Returns the loss of every step. A video that cannot be read is left out of its step, whose loss
    is still divided by the planned number of videos, and told of at the end of the epoch.
    Raises LensError if the batch does not divide among the processes, the state is that of another
    training, the device lacks what the recipe asks for, or a loss is not finite.
    """
    training = _Training(recipe, network, source, how or Fit(), log, watcher)
    training.resume()
    return training.run()


class _Training:
    """One training under way."""

    def __init__(
        self, recipe: Recipe, network: VideoNetwork, source: Source, how: Fit, log: Log,
        watcher: Watcher | None,
    ) -> None:
        self.recipe, self.network, self.source, self.how = recipe, network, source, how
        self.watcher = watcher
        self.where = where = pick_device(how.device)
        self.workers = workers = Workers.join(where)
        self.say: Log = log if workers.rank == 0 else lambda line: None
        if recipe.precision == "float16" and where.type != "cuda":
            raise LensError("float16 on a CPU", "a GPU", "Choose --precision bfloat16 or float32.")
        self.plan = Plan(len(source.labels), recipe.videos_per_step, workers,
                         accumulate=how.accumulate, seed=how.seed)
        protocol, classes = network.spec.protocol, network.spec.classes
        if recipe.snippets % protocol.group_size:
            raise LensError(
                f"{recipe.snippets} snippets of a video for clips of {protocol.group_size}",
                "a multiple", "Change the recipe's snippets.",
            )
        samples = Samples(
            source, replace(protocol.sampling, num_snippets=recipe.snippets),
            Augmentation.of(recipe, network.spec), seed=how.seed, mirrored=mirrored_labels(classes),
        )
        self.batches = Batches(samples, self.plan, loaders=how.loaders)
        network.to(where)
        prepare_norms(network, recipe.norm, where, workers)
        self.model: nn.Module = network
        if workers.count > 1:
            self.model = nn.parallel.DistributedDataParallel(network)
        self.optimizer = _optimizer(network, recipe, how.new)
        self.scaler = torch.amp.GradScaler(where.type, enabled=recipe.precision == "float16")
        self.average = None if how.average is None else Average(network, how.average)
        self.mean, self.std = (torch.tensor(values, device=where)
                               for values in (protocol.mean, protocol.std))
        self.losses: list[float] = []
        self.unreadable: dict[int, str] = {}

    def resume(self) -> None:
        """Go on from the state file, if there is one."""
        path = self.how.state_path
        if path is None or not path.exists():
            return
        state = read_state(path, self._decided_by(), self.where)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.values = state["average"]
        self.losses = state["losses"]
        epochs, steps = divmod(len(self.losses), self.plan.steps)
        self.say(f"continuing after epoch {epochs}" + (f" and {steps} steps" if steps else ""))

    def run(self) -> list[float]:
        last = min(self.recipe.epochs, self.how.stop_after or self.recipe.epochs)
        for epoch in range(len(self.losses) // self.plan.steps, last):
            started = time.monotonic()
            self._train_epoch(epoch)
            mean = np.mean(self.losses[-self.plan.steps :])
            self.say(f"epoch {epoch + 1}/{self.recipe.epochs} loss {mean:.3f} "
                     f"({time.monotonic() - started:.0f} s)")
            self._tell_unreadable()
            if self.watcher is not None:
                with self.average.shown(self.network) if self.average else nullcontext():
                    self.network.eval()
                    self.watcher.epoch(epoch + 1, len(self.losses), self.network)
        if self.average is not None:
            self.average.exchange(self.network)
        self.network.eval()
        return self.losses

    def _train_epoch(self, epoch: int) -> None:
        """The steps of an epoch that are not done yet."""
        self.model.train()
        keep_frozen(self.network, self.recipe.norm)
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
            if self.watcher is not None and self.workers.rank == 0:
                rate = self.recipe.learning_rate * factor
                self.watcher.step(step + 1, self.losses[-1], rate)
            if time.monotonic() - saved > self.how.state_seconds:
                self._leave_state()
                saved = time.monotonic()
        self._leave_state()

    def _step(self, step: int, factor: float, batches: Iterator[Batch]) -> float:
        """The mean loss of the videos of one step of all processes, after the network learned
        from it; factor: share of the learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_rate"] * factor
        sums = torch.zeros(2, device=self.where)  # of the losses, and how many videos
        for part in range(self.how.accumulate):
            batch = next(batches)
            self.unreadable.update(batch.unreadable)
            torch.manual_seed(_seed(self.how.seed, step, part, self.workers.rank))  # dropout
            with self._apart(is_last=part == self.how.accumulate - 1):
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
        """(N,) loss of each video, 0 of a black one."""
        gain, offset = batch.light.to(self.where).T[..., None]          # (N, 1)
        scale = gain / (255 * self.std)                                 # (N, 3)
        shift = offset - gain * self.mean / self.std
        each = (slice(None), *[None] * 4)
        pixels = batch.pixels.to(self.where).float().mul_(scale[each]).add_(shift[each])
        clips = pixels.permute(0, 1, 5, 2, 3, 4)                        # (N, U, 3, T, H, W)
        group_size = self.network.spec.protocol.group_size
        with _precision(self.recipe, self.where):
            return video_losses(self.model, clips, batch.labels.to(self.where), group_size)

    def _apart(self, *, is_last: bool) -> AbstractContextManager[None]:
        """Gradients of all but the last batch of a step stay in their process."""
        if isinstance(self.model, nn.parallel.DistributedDataParallel) and not is_last:
            return self.model.no_sync()
        return nullcontext()

    def _decided_by(self) -> dict[str, Any]:
        return {"recipe": self.recipe.to_dict(), "data": self.source.fingerprint,
                "seed": self.how.seed, "average": self.how.average}

    def _leave_state(self) -> None:
        if self.how.state_path is not None and self.workers.rank == 0:
            write_state(self.how.state_path, {
                "decided_by": self._decided_by(),
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "average": None if self.average is None else self.average.values,
                "losses": self.losses,
            })

    def _tell_unreadable(self) -> None:
        """Say which videos have been left out so far, of all processes."""
        found = {row: why for part in self.workers.gather(self.unreadable)
                 for row, why in part.items()}
        if found:
            row = min(found)
            self.say(f"left out {len(found)} videos that could not be read, such as "
                     f"{self.source.name(row)}: {found[row]}")


def video_losses(network: nn.Module, clips: Tensor, labels: Tensor, group_size: int) -> Tensor:
    """(N,) cross-entropy of N videos, of each the mean over its clips; `NO_LABEL` gives 0.

    clips: (N, S, 3, T, H, W), whose S snippets are S / group_size interleaved clips, as at test
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
    groups, rate = _groups(network, recipe, new), recipe.learning_rate
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate)
    return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum, nesterov=recipe.nesterov)


def _groups(network: nn.Module, recipe: Recipe, new: Container[str]) -> list[dict[str, Any]]:
    """Parameters by weight decay and learning rate."""
    norms = {parameter for module in network.modules() if is_norm(module)
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


def _precision(recipe: Recipe, where: torch.device) -> AbstractContextManager[None]:
    if recipe.precision == "float32":
        return nullcontext()
    return torch.autocast(where.type, getattr(torch, recipe.precision))


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
