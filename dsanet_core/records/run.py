"""Summary of a network's predictions on a whole dataset, with the data that its figures need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dsanet_core.records.base import Array, Record, require
from dsanet_core.records.model import Model, Protocol

DISTANCES = ("distance from identity", "distance from averaging")
"""Quantities of the dynamic kernels of a DSA block, as of `Kernel`."""


@dataclass(frozen=True, eq=False, repr=False)
class Layers(Record):
    """One or more quantities of every block, for every category (SDA, Figure 5).

    blocks: dotted names, from the input on. quantities: the dependencies of SDA blocks, whose QSA
    weights these are, or `DISTANCES` of DSA blocks. mean, spread: (classes, blocks, quantities)
    mean and standard deviation over the videos of a category, each video averaged over its views
    first; NaN for a category without videos.
    """

    blocks: tuple[str, ...]
    quantities: tuple[str, ...]
    mean: Array
    spread: Array

    def __post_init__(self) -> None:
        shape = (len(self.mean), len(self.blocks), len(self.quantities))
        for name in ("mean", "spread"):
            actual = getattr(self, name).shape
            require(actual == shape, f"{name} is {actual}; expected {shape}")


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Record):
    """Confidence against correctness, in bins of equal width (Guo et al., 2017).

    edges: (bins + 1,) from 0 to 1. videos: (bins,) how many. confidence, accuracy: (bins,) means,
    NaN where a bin is empty. error: expected calibration error, the mean of |accuracy - confidence|
    over videos.
    """

    edges: Array
    videos: Array
    confidence: Array
    accuracy: Array
    error: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Run(Record):
    """A finished run: the predictions of one network for every readable video of a dataset.

    id: name of the run's folder. dataset: its name for people; opened_as: the arguments of
    `open_dataset` that give it; groups: named groups of categories.
    row: (videos,) index within the dataset, ascending; video: their names; label, predicted:
    (videos,) class indices; confidence: (videos,) probability of the predicted class; label_score:
    (videos,) that of the true one; label_rank: (videos,) how many classes stand above the true one.
    mean_average_precision: over the categories that have videos. failed: (video, reason) of those
    that could not be read. untrimmed: scored by M-TWI. selections, kernels: None without such
    blocks. seconds: wall time of the steps "decode" and "network", summed over videos.
    versions: of the packages that ran. made_up: numbers from no network, for measurements only.
    """

    id: str
    dataset: str
    dataset_sha256: str
    model: Model
    protocol: Protocol
    protocol_in_words: str
    row: Array
    video: Array
    label: Array
    predicted: Array
    confidence: Array
    label_score: Array
    label_rank: Array
    mean_average_precision: float
    opened_as: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failed: tuple[tuple[str, str], ...] = ()
    untrimmed: bool = False
    selections: Layers | None = None
    kernels: Layers | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    made_up: bool = False

    def __post_init__(self) -> None:
        count = len(self.row)
        require(count > 0, "a run of no videos")
        for name in ("video", "label", "predicted", "confidence", "label_score", "label_rank"):
            actual = getattr(self, name).shape
            require(actual == (count,), f"{name} is {actual}; expected {(count,)}")
        classes = len(self.classes)
        for name in ("label", "predicted", "label_rank"):
            values = getattr(self, name)
            inside = bool((values >= 0).all() and (values < classes).all())
            require(inside, f"{name} outside 0..{classes - 1}")
        for layers in (self.selections, self.kernels):
            fits = layers is None or len(layers.mean) == classes
            require(fits, f"layers of another number of classes than {classes}")

    @property
    def classes(self) -> tuple[str, ...]:
        return self.model.classes

    @property
    def correct(self) -> Array:
        """(videos,) bool: True where the best category is the true one."""
        return np.asarray(self.label_rank == 0)

    @property
    def videos_per_class(self) -> Array:
        """(classes,) how many videos have this label."""
        return np.bincount(self.label, minlength=len(self.classes))

    def accuracy(self, k: int = 1) -> float:
        """Share of the videos whose true category is among the k best."""
        return float((self.label_rank < k).mean())

    def accuracy_per_class(self, k: int = 1) -> Array:
        """(classes,) top-k accuracy, NaN for a category without videos."""
        hits = np.bincount(self.label, self.label_rank < k, len(self.classes))
        with np.errstate(invalid="ignore"):
            return np.asarray(hits / self.videos_per_class)

    def accuracy_per_group(self) -> dict[str, float]:
        """Top-1 accuracy over the videos of each group that has some."""
        of = {name: index for index, name in enumerate(self.classes)}
        found = {}
        for group, members in self.groups.items():
            inside = np.isin(self.label, [of[name] for name in members if name in of])
            if inside.any():
                found[group] = float(self.correct[inside].mean())
        return found

    def confusion(self) -> Array:
        """(classes, classes) videos by true (rows) and predicted category."""
        counts = np.zeros((len(self.classes), len(self.classes)), np.int64)
        np.add.at(counts, (self.label, self.predicted), 1)
        return counts

    def calibration(self, bins: int = 15) -> Calibration:
        """Confidence against accuracy in equal bins, of the predicted class alone."""
        edges = np.linspace(0, 1, bins + 1)
        place = np.clip(np.digitize(self.confidence, edges[1:-1], right=True), 0, bins - 1)
        videos = np.bincount(place, minlength=bins)
        with np.errstate(invalid="ignore"):
            confidence = np.bincount(place, self.confidence, bins) / videos
            accuracy = np.bincount(place, self.correct, bins) / videos
        gap = np.abs(np.nan_to_num(accuracy) - np.nan_to_num(confidence))
        error = float((gap * videos).sum() / len(self.row))
        return Calibration(edges, videos, confidence, accuracy, error)
