"""Networks over a dataset: every video through the same path as a single one, then the summary."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from dsanet_core.analysis import describe_model, protocol_of, run_network
from dsanet_core.datasets import Dataset
from dsanet_core.ensemble import Ensemble, mean_scores
from dsanet_core.errors import DatasetError, VideoError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array, Clips, Model, Protocol, Sampling
from dsanet_core.untrimmed import describe_untrimmed, score_untrimmed, untrimmed_protocol
from dsanet_core.video import to_tensor

Progress = Callable[[int, int], None]
"""Called with (videos done, videos in all)."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How often answers to one dataset were right, as fractions of the readable videos.

    videos: how many were scored. per_group, per_category: top-1, by name, where the dataset has
    such videos. mean_average_precision: over the categories with videos; categories_left_out: the
    number of the others. failed: (name, reason) of the videos that could not be read.
    """

    dataset: str
    videos: int
    top1: float
    top5: float
    mean_average_precision: float
    categories_left_out: int
    per_group: dict[str, float]
    per_category: dict[str, float]
    failed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Summary(Accuracy):
    """Accuracy of one network. untrimmed: scored by M-TWI (see the room `untrimmed`), one snippet
    per second; the protocol's snippets are then those of one forward."""

    model: Model
    protocol: Protocol
    untrimmed: bool = False

    def describe(self) -> str:
        """The protocol in words."""
        if self.untrimmed:
            return describe_untrimmed(self.protocol, "1 snippet per second")
        return self.protocol.describe()

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the protocol also in words."""
        values = asdict(self)
        values["protocol"]["in_words"] = self.describe()
        values["model"].pop("classes")
        return values


@dataclass(frozen=True, kw_only=True)
class EnsembleSummary(Accuracy):
    """Accuracy of the averaged scores of an ensemble, and that of each member alone."""

    members: tuple[Summary, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values; members as they alone would be."""
        return asdict(self) | {"members": [member.to_dict() for member in self.members]}


@dataclass(frozen=True)
class Scores:
    """What one network said of every readable video of a dataset.

    kept: (videos,) their rows. labels: (videos,) class indices. scores: (videos, classes)
    probabilities. appearance: (videos, values), see NetworkOutput; no values for untrimmed videos.
    failed: (name, reason) of the others. untrimmed: scored by M-TWI.
    """

    dataset: Dataset
    network: VideoNetwork
    kept: Array
    labels: Array
    scores: Array
    appearance: Array
    failed: tuple[tuple[str, str], ...] = ()
    untrimmed: bool = False


def score_dataset(
    dataset: Dataset,
    network: VideoNetwork,
    *,
    untrimmed: bool = False,
    progress: Progress | None = None,
) -> Scores:
    """Run every video of a dataset by the network's own protocol, or as untrimmed video.

    Videos that cannot be read are reported and left out. Raises DatasetError if a category is not
    among the network's, or no video could be read.
    """
    return score_networks(dataset, [network], untrimmed=untrimmed, progress=progress)[0]


def score_networks(
    dataset: Dataset,
    networks: Sequence[VideoNetwork],
    *,
    untrimmed: bool = False,
    progress: Progress | None = None,
) -> list[Scores]:
    """`score_dataset` of several networks; videos are decoded once per distinct sampling."""
    labels = [match_categories(dataset.categories, network.spec.classes) for network in networks]
    answers = _untrimmed(dataset, networks) if untrimmed else _trimmed(dataset, networks)
    said: list[list[_Answer]] = []
    kept: list[int] = []
    failed: list[tuple[str, str]] = []
    for index, answer in enumerate(answers):
        if isinstance(answer, VideoError):
            failed.append((dataset.video_name(index), str(answer)))
        else:
            said.append(answer)
            kept.append(index)
        if progress is not None:
            progress(index + 1, len(dataset))
    if not kept:
        raise DatasetError(
            f"none of the {len(dataset)} videos of {dataset.name} could be read",
            "at least one",
            f"The first: {failed[0][1]}",
        )
    return [
        Scores(
            dataset=dataset,
            network=network,
            kept=np.array(kept),
            labels=labels[place][kept],
            scores=np.stack([answer[place].scores for answer in said]),
            appearance=np.stack([answer[place].appearance for answer in said]),
            failed=tuple(failed),
            untrimmed=untrimmed,
        )
        for place, network in enumerate(networks)
    ]


def summarise(scored: Scores) -> Summary:
    """Accuracy over all videos, per group and per category."""
    network, protocol = scored.network, protocol_of(scored.network)
    if scored.untrimmed:
        protocol = untrimmed_protocol(network, protocol.group_size)
    return Summary(
        **_figures(scored, scored.scores),
        model=describe_model(network),
        protocol=protocol,
        untrimmed=scored.untrimmed,
    )


def run_dataset(
    dataset: Dataset,
    network: VideoNetwork,
    *,
    untrimmed: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Score every video of a dataset, then summarise; errors as `score_dataset`."""
    return summarise(score_dataset(dataset, network, untrimmed=untrimmed, progress=progress))


def run_ensemble(
    dataset: Dataset,
    ensemble: Ensemble,
    *,
    untrimmed: bool = False,
    progress: Progress | None = None,
) -> EnsembleSummary:
    """Score every video by every member, then by the mean of their scores; errors as
    `score_dataset`."""
    members = score_networks(dataset, ensemble.members, untrimmed=untrimmed, progress=progress)
    together = mean_scores([scored.scores for scored in members])
    return EnsembleSummary(
        **_figures(members[0], together),
        members=tuple(summarise(scored) for scored in members),
    )


def _figures(scored: Scores, scores: Array) -> dict[str, Any]:
    """The fields of `Accuracy` for scores (videos, classes) of the videos of a run."""
    dataset, labels = scored.dataset, scored.labels
    top1, top5 = (top_k_hits(scores, labels, k) for k in (1, 5))
    precision = mean_average_precision(scores, labels[:, None] == np.arange(scores.shape[1]))
    names = [dataset.categories[index] for index in scored.kept]
    return {
        "dataset": dataset.name,
        "videos": len(names),
        "top1": float(top1.mean()),
        "top5": float(top5.mean()),
        "mean_average_precision": precision.mean,
        "categories_left_out": precision.left_out,
        "per_group": {
            group: float(top1[rows].mean())
            for group, members in dataset.groups.items()
            if (rows := [row for row, name in enumerate(names) if name in members])
        },
        "per_category": {
            name: float(top1[[row for row, other in enumerate(names) if other == name]].mean())
            for name in sorted(set(names))
        },
        "failed": scored.failed,
    }


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


class MeanAveragePrecision(NamedTuple):
    """mean: of the average precisions of the categories that have videos, 0 to 1.
    left_out: how many categories have none."""

    mean: float
    left_out: int


def mean_average_precision(scores: Array, labels: Array) -> MeanAveragePrecision:
    """How well scores (videos, categories) rank the videos of each category: bool labels of the
    same shape, any number of categories a video.

    As ActivityNet's evaluation: the interpolated average precision of Pascal VOC 2011, that is the
    mean over a category's videos of the best precision at their rank or any later one. Of equal
    scores the earlier video ranks higher. Raises ValueError for other shapes or no label at all.
    """
    if scores.ndim != 2 or scores.shape != labels.shape or not labels.any():
        raise ValueError(
            f"scores {scores.shape}, labels {labels.shape} with {int(labels.sum())} true; expected "
            "equal shapes (videos, categories) and a label"
        )
    has_videos = labels.any(0)
    precisions = []
    for column in np.flatnonzero(has_videos):
        order = np.argsort(-scores[:, column], kind="stable")
        hits = labels[order, column].astype(bool)
        precision = hits.cumsum() / np.arange(1, len(hits) + 1)
        best_from_here_on = np.maximum.accumulate(precision[::-1])[::-1]
        precisions.append(best_from_here_on[hits].mean())
    return MeanAveragePrecision(float(np.mean(precisions)), int((~has_videos).sum()))


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


class _Answer(NamedTuple):
    """What one network says of one video: probabilities and appearance values."""

    scores: Array
    appearance: Array


def _trimmed(
    dataset: Dataset, networks: Sequence[VideoNetwork]
) -> Iterator[list[_Answer] | VideoError]:
    protocols = [protocol_of(network) for network in networks]
    for views in _prefetched(dataset, protocols):
        if isinstance(views, VideoError):
            yield views
            continue
        outputs = [run_network(*pair) for pair in zip(networks, views, strict=True)]
        yield [_Answer(output.video_scores, output.appearance) for output in outputs]


def _untrimmed(
    dataset: Dataset, networks: Sequence[VideoNetwork]
) -> Iterator[list[_Answer] | VideoError]:
    for index in range(len(dataset)):

        def read(sampling: Sampling, part: tuple[int, int] | None, index: int = index) -> Clips:
            return dataset.clips(index, sampling, part)

        try:
            analyses = [score_untrimmed(read, network) for network in networks]
        except VideoError as error:
            yield error
            continue
        yield [_Answer(analysis.video_scores, np.empty(0)) for analysis in analyses]


def _prefetched(
    dataset: Dataset, protocols: Sequence[Protocol]
) -> Iterator[list[Tensor] | VideoError]:
    """Network inputs of every row in order, made by threads a few rows ahead of the networks."""
    workers = min(8, max(2, os.cpu_count() or 1))  # inputs of large networks take 0.1 GB each

    def load(index: int) -> list[Tensor] | VideoError:
        try:
            clips = {
                sampling: dataset.clips(index, sampling)
                for sampling in dict.fromkeys(protocol.sampling for protocol in protocols)
            }
            return [to_tensor(clips[protocol.sampling], protocol) for protocol in protocols]
        except VideoError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[list[Tensor] | VideoError]] = deque()
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
