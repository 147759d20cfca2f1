"""A network over a dataset: every video through the same path as a single one, then the summary."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from dsanet_core.analysis import NetworkOutput, describe_model, protocol_of, run_network
from dsanet_core.datasets import Dataset
from dsanet_core.errors import DatasetError, VideoError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array, Model, Protocol
from dsanet_core.video import to_tensor

Progress = Callable[[int, int], None]
"""Called with (videos done, videos in all)."""


@dataclass(frozen=True)
class Summary:
    """Accuracy of one network on one dataset; all figures are fractions of the readable videos.

    videos: how many were scored. failed: (name, reason) of those that could not be read.
    per_group, per_category: top-1, by name, where the dataset has such videos.
    """

    dataset: str
    model: Model
    protocol: Protocol
    videos: int
    top1: float
    top5: float
    per_group: dict[str, float]
    per_category: dict[str, float]
    failed: tuple[tuple[str, str], ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the protocol also in words."""
        values = asdict(self)
        values["protocol"]["in_words"] = self.protocol.describe()
        values["model"].pop("classes")
        return values


@dataclass(frozen=True)
class Scores:
    """What one network said of every readable video of a dataset.

    kept: (videos,) their rows. labels: (videos,) class indices. scores: (videos, classes)
    probabilities. appearance: (videos, values), see NetworkOutput.
    failed: (name, reason) of the others.
    """

    dataset: Dataset
    network: VideoNetwork
    kept: Array
    labels: Array
    scores: Array
    appearance: Array
    failed: tuple[tuple[str, str], ...] = ()


def score_dataset(
    dataset: Dataset, network: VideoNetwork, *, progress: Progress | None = None
) -> Scores:
    """Run every video of a dataset by the network's own protocol.

    Videos that cannot be read are reported and left out. Raises DatasetError if a category is not
    among the network's, or no video could be read.
    """
    labels = match_categories(dataset.categories, network.spec.classes)
    outputs: list[NetworkOutput] = []
    kept: list[int] = []
    failed: list[tuple[str, str]] = []
    for index, views in enumerate(_prefetched(dataset, protocol_of(network))):
        if isinstance(views, VideoError):
            failed.append((dataset.video_name(index), str(views)))
        else:
            outputs.append(run_network(network, views))
            kept.append(index)
        if progress is not None:
            progress(index + 1, len(dataset))
    if not kept:
        raise DatasetError(
            f"none of the {len(dataset)} videos of {dataset.name} could be read",
            "at least one",
            f"The first: {failed[0][1]}",
        )
    return Scores(
        dataset=dataset,
        network=network,
        kept=np.array(kept),
        labels=labels[kept],
        scores=np.stack([output.video_scores for output in outputs]),
        appearance=np.stack([output.appearance for output in outputs]),
        failed=tuple(failed),
    )


def summarise(scored: Scores) -> Summary:
    """Accuracy over all videos, per group and per category."""
    dataset = scored.dataset
    top1, top5 = (top_k_hits(scored.scores, scored.labels, k) for k in (1, 5))
    names = [dataset.categories[index] for index in scored.kept]
    return Summary(
        dataset=dataset.name,
        model=describe_model(scored.network),
        protocol=protocol_of(scored.network),
        videos=len(names),
        top1=float(top1.mean()),
        top5=float(top5.mean()),
        per_group={
            group: float(top1[rows].mean())
            for group, members in dataset.groups.items()
            if (rows := [row for row, name in enumerate(names) if name in members])
        },
        per_category={
            name: float(top1[[row for row, other in enumerate(names) if other == name]].mean())
            for name in sorted(set(names))
        },
        failed=scored.failed,
    )


def run_dataset(
    dataset: Dataset, network: VideoNetwork, *, progress: Progress | None = None
) -> Summary:
    """Score every video of a dataset, then summarise; errors as `score_dataset`."""
    return summarise(score_dataset(dataset, network, progress=progress))


def match_categories(categories: Sequence[str], classes: Sequence[str]) -> Array:
    """(rows,) index of each row's category among the network's classes.

    Case and underscores do not count, as folder names often differ in them. Raises DatasetError
    that names the first category without a class.
    """
    known = {_folded(name): index for index, name in enumerate(classes)}
    missing = [name for name in dict.fromkeys(categories) if _folded(name) not in known]
    if missing:
        raise DatasetError(
            f"{len(missing)} categories are unknown to this model, first {missing[0]!r}",
            f"some of its {len(classes)} categories, such as {classes[0]!r}",
            "Rename the folders, or choose a model trained on these categories.",
        )
    return np.array([known[_folded(name)] for name in categories])


def top_k_hits(scores: Array, labels: Array, k: int) -> Array:
    """(videos,) bool: is the label (videos,) among the k best of scores (videos, classes)?

    Of equal scores the lower class index is better.
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.asarray((best == labels[:, None]).any(1))


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _prefetched(dataset: Dataset, protocol: Protocol) -> Iterator[Tensor | VideoError]:
    """Network input of every row in order, made by threads a few rows ahead of the network."""
    workers = min(8, max(2, os.cpu_count() or 1))  # inputs of large networks take 0.1 GB each

    def load(index: int) -> Tensor | VideoError:
        try:
            return to_tensor(dataset.clips(index, protocol.sampling), protocol)
        except VideoError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[Tensor | VideoError]] = deque()
        try:
            for index in range(len(dataset)):
                ahead.append(pool.submit(load, index))
                if len(ahead) > workers + 2:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()
