"""What a recipe is: everything that decides a training besides its data and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import cos, pi
from typing import Any, Literal, NamedTuple

from dsanet_core.errors import LensError
from dsanet_core.zoo import ModelSpec, model_spec

Crop = Literal["place", "scales", "area"]
"""place: a square of the protocol's share of the short side, anywhere. scales: TSN's multi-scale
cropping. area: a random area and aspect ratio, Inception's. See `augmentation.draw_box`."""
Norm = Literal["normal", "synchronised", "partial", "frozen"]
"""How BatchNorm learns, see `norms.prepare_norms`."""
Precision = Literal["float32", "bfloat16", "float16"]
Optimizer = Literal["sgd", "adamw"]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training besides data and seed. JSON values only.

    name: of the row. model: row of the zoo; changes: arguments of its builder that are others here
    (None: left out), shown: frames_per_snippet and group_size, where they are others.
    data: key of `DATASETS`; train_on, validate_on: descriptions of what is there without asking.

    epochs: passes over the data; learning_rate: the highest, for videos_per_step, which is the
    batch over all processes (of the papers on so many gpus). optimizer: "sgd" with momentum, or
    "adamw", which takes rates a hundred times lower and knows no momentum of that kind. schedule:
    "steps" divides the rate by 10 after each of the epochs in `steps`, "cosine" lets it fall to
    zero; before that it rises in a line over the first `warmup` epochs. weight_decay is that of
    kernels, with decay_all of every parameter; biases outside of BatchNorm learn bias_rate times as
    fast, and what the initial weights have nothing for new_rate times. clip_norm: largest norm of a
    gradient.

    snippets: of a video and step, in interleaved clips of group_size as at test time, with a loss
    for each: a network that looks at one snippet at a time has one for each of them. crop, flip,
    light: see `augmentation`; side: of the network's input in pixels, None: as the test protocol
    has it. init: "random", "imagenet", or the weights of a video network it
    starts from; lean: DSA that is new beside those begins as a shift (`DSA.init_as_shift`).
    validate_every: epochs, 0: only after the last.

    tables: of the paper. sources: which fields are said where; what the paper leaves open is marked
    as the authors' code or as chosen here.
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
    lean: bool = True
    momentum: float = 0.9
    nesterov: bool = False
    clip_norm: float | None = None
    dropout: float = 0.5
    norm: Norm = "normal"
    precision: Precision = "float32"
    crop: Crop = "place"
    flip: bool = False
    light: float = 0.0
    side: int | None = None
    init: str = "random"
    changes: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, int] = field(default_factory=dict)
    train_on: str | None = None
    validate_on: str | None = None
    validate_every: int = 1
    tables: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()

    @property
    def videos_per_gpu(self) -> int:
        """Batch of one GPU, as the papers count it."""
        return self.videos_per_step // self.gpus

    def spec(self, classes: Sequence[str]) -> ModelSpec:
        """The network that is trained, for these classes; called as the row of the zoo unless it
        is another network."""
        row = model_spec(self.model)
        args = row.args | {"dropout": self.dropout} | dict(self.changes)
        protocol, shown = row.protocol, dict(self.shown)
        frames = shown.get("frames_per_snippet", protocol.sampling.frames_per_snippet)
        return replace(
            row,
            name=self.name if self.changes or shown else row.name,
            args={key: value for key, value in args.items() if value is not None},
            classes=tuple(classes),
            protocol=replace(
                protocol,
                sampling=replace(protocol.sampling, frames_per_snippet=frames),
                group_size=shown.get("group_size", protocol.group_size),
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """The values that decide numbers, as a checkpoint and a training state keep them."""
        told = ("tables", "sources")
        return {key: value for key, value in asdict(self).items() if key not in told}

    def lasting(self, epochs: int) -> Recipe:
        """The same schedule, stretched or shortened to another number of epochs."""
        share = epochs / self.epochs
        return replace(
            self, epochs=epochs, warmup=self.warmup * share,
            steps=tuple(round(step * share, 6) for step in self.steps),
        )

    def with_batch(self, videos_per_step: int, *, scale_rate: bool = False) -> Recipe:
        """Another batch over all processes; scale_rate: with a learning rate in proportion to it
        (Goyal et al., 2017), which is otherwise left as it is."""
        if videos_per_step < 1:
            raise LensError(f"a batch of {videos_per_step}", "at least 1", "Choose a larger one.")
        factor = videos_per_step / self.videos_per_step if scale_rate else 1.0
        return replace(
            self, videos_per_step=videos_per_step, learning_rate=self.learning_rate * factor
        )

    def rate_factor(self, step: int, steps_per_epoch: int) -> float:
        """Share of the learning rate at a step, counted from 0."""
        rise = max(1, int(self.warmup * steps_per_epoch))
        if step < rise:
            return (step + 1) / rise
        if self.schedule == "cosine":
            total = self.epochs * steps_per_epoch
            return 0.5 * (1 + cos(pi * (step - rise) / max(1, total - rise)))
        return 0.1 ** sum(step >= epoch * steps_per_epoch for epoch in self.steps)


class PublishedData(NamedTuple):
    """A data set of the papers. description: as `open_dataset` takes it."""

    title: str
    categories: int
    description: str


DATASETS: dict[str, PublishedData] = {
    "synth": PublishedData("the embedded benchmark", 25, "synth:seed=1,n=5000"),
    "minikinetics200": PublishedData("Mini-Kinetics-200", 200, "minikinetics200:FOLDER"),
    "kinetics400": PublishedData("Kinetics-400", 400, "kinetics400:FOLDER"),
    "ssv1": PublishedData("Something-Something V1", 174, "ssv1:FOLDER"),
    "ssv2": PublishedData("Something-Something V2", 174, "ssv2:FOLDER"),
    "activitynet": PublishedData("ActivityNet v1.3", 200, "activitynet:FOLDER"),
    "diving48": PublishedData("Diving48 V2", 48, "diving48:FOLDER"),
    "epic55_verb": PublishedData("EPIC-KITCHENS-55, verbs", 125, "epic55:FOLDER,task=verb"),
    "epic55_noun": PublishedData("EPIC-KITCHENS-55, nouns", 352, "epic55:FOLDER,task=noun"),
}
"""What recipes were made for."""
