"""Evaluation of a trained network, and logging of a training: TensorBoard and lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dsanet_core.datasets import Dataset
from dsanet_core.errors import LensError, printable
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array
from dsanet_core.runs.inference import VideoPrediction, predict_each
from dsanet_core.runs.metrics import label_ranks
from dsanet_core.text_format import percent
from dsanet_core.training.data import Log
from dsanet_core.training.open_data import dataset_label, labels_of
from dsanet_core.workers import Workers
from dsanet_core.zoo import with_protocol

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@dataclass(frozen=True)
class Evaluation:
    """Evaluation of a network. dataset: name; top1, top5, per_group, per_category: fractions of the
    readable videos; loss: mean cross-entropy of their scores. appearance: (videos, values) features
    for the familiarity calibration. unreadable: number of videos that could not be read."""

    dataset: str
    top1: float
    top5: float
    loss: float
    per_group: Mapping[str, float]
    per_category: Mapping[str, float]
    appearance: Array
    unreadable: int

    def accuracy(self) -> dict[str, Any]:
        """Accuracy as stored in a checkpoint."""
        return {"dataset": self.dataset, "top1": self.top1, "top5": self.top5,
                "per_group": dict(self.per_group)}


def evaluate(
    dataset: Dataset, network: VideoNetwork, workers: Workers, *, loaders: int | None = 0
) -> Evaluation:
    """Evaluate a network on a dataset by its own test protocol, divided among the processes.

    loaders: decoding processes of each, as of `predict_each`. Raises LensError if no video could
    be read.
    """
    rows = range(workers.rank, len(dataset), workers.count)
    answers = predict_each(dataset, rows, network, workers=loaders)
    mine = [(answer.row, answer.scores, answer.appearance) for answer in answers
            if isinstance(answer, VideoPrediction)]
    found = sorted((one for part in workers.gather(mine) for one in part), key=lambda one: one[0])
    if not found:
        raise LensError(
            f"none of the {len(dataset)} videos of {dataset.name} could be read", "at least one",
            "Check the validation videos.",
        )
    row, scores, appearance = (np.stack(column) for column in zip(*found, strict=True))
    labels = labels_of(dataset, network.spec.classes)[row]
    ranks = label_ranks(scores, labels)
    categories = np.asarray(dataset.categories)[row]
    chance = np.maximum(scores[np.arange(len(labels)), labels], np.finfo(np.float32).tiny)
    return Evaluation(
        dataset=dataset_label(dataset),
        top1=float((ranks < 1).mean()),
        top5=float((ranks < 5).mean()),
        loss=float(-np.log(chance).mean()),
        per_group={
            group: float((ranks[np.isin(categories, members)] < 1).mean())
            for group, members in dataset.groups.items()
        },
        per_category={
            name: float((ranks[categories == name] < 1).mean())
            for name in network.spec.classes if (categories == name).any()
        },
        appearance=appearance,
        unreadable=len(dataset) - len(found),
    )


def has_tensorboard() -> bool:
    """True if TensorBoard logs can be written."""
    return find_spec("tensorboard") is not None


def require_tensorboard() -> None:
    """Raises LensError if TensorBoard logs cannot be written."""
    if not has_tensorboard():
        raise LensError(
            "logs without the package tensorboard", "an installed package",
            "Run: pip install tensorboard, or give --logs none.",
        )


class TrainingMonitor:
    """Logs a training to TensorBoard and as lines; a `loop.TrainingCallback`.

    folder: of the TensorBoard logs, None: none. validation: evaluated every `every` epochs with one
    clip and the centre crop, a part of the test protocol; None: not evaluated.
    """

    def __init__(
        self, folder: Path | None, validation: Dataset | None, every: int, workers: Workers,
        log: Log, *, loaders: int = 0,
    ) -> None:
        self.validation, self.every, self.workers, self.log = validation, every, workers, log
        self.folder = folder if workers.rank == 0 else None
        self.loaders = loaders
        self._writer: SummaryWriter | None = None

    def step(self, steps: int, loss: float, learning_rate: float) -> None:
        self._add(steps, {"training/loss": loss, "training/learning rate": learning_rate})

    def epoch(self, epochs: int, steps: int, network: VideoNetwork) -> None:
        if self.validation is not None and self.every and epochs % self.every == 0:
            protocol = network.spec.protocol
            view = with_protocol(network, clips=1, crops=1) if protocol.num_views > 1 else network
            found = evaluate(self.validation, view, self.workers, loaders=self.loaders)
            self.report(found, steps, "validation, one clip")
        if self._writer is not None:
            self._writer.flush()

    def report(self, found: Evaluation, steps: int, what: str) -> None:
        """Log an evaluation after `steps` steps, in the first process."""
        if self.workers.rank:
            return
        left_out = f", {found.unreadable} videos could not be read" if found.unreadable else ""
        self.log(f"{what}: top-1 {percent(found.top1)}, top-5 {percent(found.top5)}, "
                 f"loss {found.loss:.3f} on {printable(found.dataset)}{left_out}")
        overall = {"top-1": found.top1, "top-5": found.top5, "loss": found.loss}
        self._add(steps, {f"{what}/{name}": value for name, value in overall.items()})
        self._add(steps, {f"{what}, top-1 by class/{name}": share
                          for name, share in found.per_category.items()})

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _add(self, steps: int, values: Mapping[str, float]) -> None:
        """Write values after `steps` steps to the TensorBoard logs."""
        if self.folder is None:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # Hides what an interrupted training wrote after the state that it resumes from.
            self._writer = SummaryWriter(self.folder, purge_step=steps)
        for name, value in values.items():
            self._writer.add_scalar(name, value, steps)
