"""Recipes: everything that determines a training besides its data and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import cos, pi
from typing import Any, Literal, NamedTuple

from dsanet_core.errors import LensError
from dsanet_core.zoo import ModelSpec, model_spec

Crop = Literal["place", "scales", "area"]
"""place: a square at a random position, its side the protocol's fraction of the short side. scales:
TSN's multi-scale cropping. area: Inception's random area and aspect ratio. See
`Augmentation.draw_box`."""
BatchNormMode = Literal["normal", "synchronised", "partial", "frozen"]
"""Training mode of BatchNorm, see `batchnorm.configure_batchnorm`."""
Precision = Literal["float32", "bfloat16", "float16"]
Optimizer = Literal["sgd", "adamw"]
STORED_NAMES = {"init_as_shift": "lean", "sampling_changes": "shown"}
"""Fields of `Recipe` with another name in checkpoints and training states."""


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a training besides data and seed. JSON values only.

    name: of the row. model: row of the zoo; changes: builder arguments that differ from it (None:
    left out); sampling_changes: frames_per_snippet and group_size that differ from its protocol.
    data: key of `DATASETS`; train_on, validate_on: descriptions of data that is always available.

    epochs: passes over the data. learning_rate: the highest, for videos_per_step, the batch over
    all processes (in the papers over `gpus`). optimizer: "sgd" with momentum, or "adamw", which
    needs a learning rate about a hundred times lower and ignores momentum. schedule: "steps"
    divides the rate by 10 after each epoch in `steps`, "cosine" lowers it to zero; before, it rises
    linearly over the first `warmup` epochs. weight_decay: of kernels; with decay_all of every
    parameter. bias_rate: factor for biases outside of BatchNorm; new_rate: factor for parameters
    without initial weights. clip_norm: maximum norm of the gradient.

    snippets: per video and step, in interleaved clips of group_size as at test time, each with a
    loss of its own. crop, flip, light: see `augmentation`. side: of the network's input in pixels,
    None: that of the test protocol. init: "random", "imagenet", or weights of a video network;
    init_as_shift: DSA without weights in `init` starts as a shift by one snippet (`DSA`).
    validate_every: epochs, 0: only after the last.

    tables: of the paper. sources: (fields, origin); settings that the paper does not state are
    marked as the authors' code or as chosen here.
    """

    name: str
    model: str
    data: str
    epochs: int
    learning_rate: float
    videos_per_step: int
    snippets: int
    gpus: int = 1
    optimizer: Optimizer = "sgd"
    schedule: Literal["steps", "cosine"] = "steps"
    steps: tuple[float, ...] = ()
    warmup: float = 0.0
    weight_decay: float = 1e-4
    decay_all: bool = False
    bias_rate: float = 1.0
    new_rate: float = 1.0
    init_as_shift: bool = True
    momentum: float = 0.9
    nesterov: bool = False
    clip_norm: float | None = None
    dropout: float = 0.5
    norm: BatchNormMode = "normal"
    precision: Precision = "float32"
    crop: Crop = "place"
    flip: bool = False
    light: float = 0.0
    side: int | None = None
    init: str = "random"
    changes: Mapping[str, Any] = field(default_factory=dict)
    sampling_changes: Mapping[str, int] = field(default_factory=dict)
    train_on: str | None = None
    validate_on: str | None = None
    validate_every: int = 1
    tables: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()

    @property
    def videos_per_gpu(self) -> int:
        """Videos per GPU and step, as stated in the papers."""
        return self.videos_per_step // self.gpus

    def spec(self, classes: Sequence[str]) -> ModelSpec:
        """The spec of the network for these classes, with the name of the row of the zoo unless the
        network differs from it."""
        row = model_spec(self.model)
        args = row.args | {"dropout": self.dropout} | dict(self.changes)
        protocol, sampling = row.protocol, dict(self.sampling_changes)
        frames = sampling.get("frames_per_snippet", protocol.sampling.frames_per_snippet)
        return replace(
            row,
            name=self.name if self.changes or sampling else row.name,
            args={key: value for key, value in args.items() if value is not None},
            classes=tuple(classes),
            protocol=replace(
                protocol,
                sampling=replace(protocol.sampling, frames_per_snippet=frames),
                group_size=sampling.get("group_size", protocol.group_size),
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """The values that determine the result, as stored in checkpoints and training states."""
        return {
            STORED_NAMES.get(key, key): value for key, value in asdict(self).items()
            if key not in ("tables", "sources")
        }

    def lasting(self, epochs: int) -> Recipe:
        """The recipe with its schedule scaled to another number of epochs."""
        share = epochs / self.epochs
        return replace(
            self, epochs=epochs, warmup=self.warmup * share,
            steps=tuple(round(step * share, 6) for step in self.steps),
        )

    def with_batch(self, videos_per_step: int, *, scale_rate: bool = False) -> Recipe:
        """The recipe with another batch over all processes; scale_rate: scale the learning rate in
        proportion (Goyal et al., 2017)."""
        if videos_per_step < 1:
            raise LensError(f"a batch of {videos_per_step}", "at least 1", "Choose a larger one.")
        factor = videos_per_step / self.videos_per_step if scale_rate else 1.0
        return replace(
            self, videos_per_step=videos_per_step, learning_rate=self.learning_rate * factor
        )

    def rate_factor(self, step: int, steps_per_epoch: int) -> float:
        """Factor of the learning rate at a step, counted from 0."""
        rise = max(1, int(self.warmup * steps_per_epoch))
        if step < rise:
            return (step + 1) / rise
        if self.schedule == "cosine":
            total = self.epochs * steps_per_epoch
            return 0.5 * (1 + cos(pi * (step - rise) / max(1, total - rise)))
        return 0.1 ** sum(step >= epoch * steps_per_epoch for epoch in self.steps)


class PaperDataset(NamedTuple):
    """A dataset of the papers. description: as of `open_dataset`."""

    title: str
    categories: int
    description: str


DATASETS: dict[str, PaperDataset] = {
    "synth": PaperDataset("the embedded benchmark", 25, "synth:seed=1,n=5000"),
    "minikinetics200": PaperDataset("Mini-Kinetics-200", 200, "minikinetics200:FOLDER"),
    "kinetics400": PaperDataset("Kinetics-400", 400, "kinetics400:FOLDER"),
    "ssv1": PaperDataset("Something-Something V1", 174, "ssv1:FOLDER"),
    "ssv2": PaperDataset("Something-Something V2", 174, "ssv2:FOLDER"),
    "activitynet": PaperDataset("ActivityNet v1.3", 200, "activitynet:FOLDER"),
    "diving48": PaperDataset("Diving48 V2", 48, "diving48:FOLDER"),
    "epic55_verb": PaperDataset("EPIC-KITCHENS-55, verbs", 125, "epic55:FOLDER,task=verb"),
    "epic55_noun": PaperDataset("EPIC-KITCHENS-55, nouns", 352, "epic55:FOLDER,task=noun"),
}
"""Datasets of the recipes."""
