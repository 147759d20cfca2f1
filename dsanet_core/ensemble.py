"""Ensembles: the averaged video scores of networks with different inputs.

Both papers report it: 8 and 16 frames (SDA, Table 3, "En"), 4x8 and 8x8 (DSANet, Table 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dsanet_core.analysis import StepProgress, analyze, protocol_of
from dsanet_core.checkpoints import load_model
from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Analysis, Array, Clips, Sampling, best_of
from dsanet_core.untrimmed import UntrimmedAnalysis, analyze_untrimmed
from dsanet_core.video import read_clips
from dsanet_core.zoo import ENSEMBLES, with_protocol


@dataclass(frozen=True)
class EnsembleAnalysis:
    """Prediction of an ensemble for one video. members: the analysis by each of its networks.
    video_scores: (classes,) the mean of theirs."""

    members: tuple[Analysis, ...] | tuple[UntrimmedAnalysis, ...]
    video_scores: Array

    @property
    def name(self) -> str:
        """Names of the members, joined by "+"."""
        return "+".join(member.model.name for member in self.members)

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k best (category, probability) of the video, best first."""
        return best_of(self.members[0].model.classes, self.video_scores, k)


class Ensemble:
    """Networks that analyze the same video, each by its own protocol.

    members: networks, or names or files for `load_model` onto `device`; or one text: "A+B", or a
    name of `zoo.ENSEMBLES`, whose members come under the protocols of their paper.
    Raises ModelError for no members, or members that do not name the same classes in the same
    order; CheckpointError if there are no weights of a member.
    """

    def __init__(
        self, members: str | Sequence[str | Path | VideoNetwork], *, device: str = "auto"
    ) -> None:
        if isinstance(members, str):
            self.members = tuple(
                with_protocol(load_model(name, device), protocol)
                for name, protocol in member_names(members)
            )
        else:
            self.members = tuple(
                member if isinstance(member, VideoNetwork) else load_model(member, device)
                for member in members
            )
        if not self.members:
            raise ModelError("an ensemble without members", "networks or their names", "Name some.")
        for network in self.members:
            protocol_of(network)  # refuses a network without a spec
        first = self.members[0].spec
        for network in self.members[1:]:
            if network.spec.classes != first.classes:
                raise ModelError(
                    f"{network.spec.name} with {_difference(network.spec.classes, first.classes)}",
                    f"the {len(first.classes)} classes of {first.name}",
                    "Put networks together that were trained on the same categories.",
                )

    @property
    def name(self) -> str:
        """Names of the members, joined by "+"."""
        return "+".join(network.spec.name for network in self.members)

    def analyze(
        self, video: str | Path, *, progress: StepProgress | None = None
    ) -> EnsembleAnalysis:
        """Run every member; the video is decoded once for each distinct sampling.

        Errors as `dsanet_core.analyze`.
        """
        answers = analyze_each(video, self.members, progress=progress)
        scores = mean_scores([answer.video_scores for answer in answers])
        return EnsembleAnalysis(tuple(answers), scores)

    def analyze_untrimmed(
        self, video: str | Path, *, progress: StepProgress | None = None
    ) -> EnsembleAnalysis:
        """As `analyze`, every member as `dsanet_core.analyze_untrimmed`."""
        answers = [analyze_untrimmed(video, member, progress=progress) for member in self.members]
        scores = mean_scores([answer.video_scores for answer in answers])
        return EnsembleAnalysis(tuple(answers), scores)


def analyze_each(
    video: str | Path, networks: Sequence[VideoNetwork], *, progress: StepProgress | None = None
) -> list[Analysis]:
    """`analyze` of one video by several networks, decoded once for each distinct sampling."""
    clips = read_each(video, networks, progress=progress)
    return [
        analyze(own, network, progress=progress)
        for own, network in zip(clips, networks, strict=True)
    ]


def read_each(
    video: str | Path, networks: Sequence[VideoNetwork], *, progress: StepProgress | None = None
) -> list[Clips]:
    """The clips of a video for each network, decoded once for each distinct sampling."""
    clips: dict[Sampling, Clips] = {}
    for network in networks:
        sampling = protocol_of(network).sampling
        if sampling not in clips:
            if progress is not None:
                progress("decode", len(clips) / len(networks))
            clips[sampling] = read_clips(video, sampling)
    return [clips[protocol_of(network).sampling] for network in networks]


def mean_scores(members: Sequence[Array]) -> Array:
    """The mean of arrays of equal shape, one per member."""
    return np.asarray(np.mean(np.stack(members), axis=0))


def member_names(text: str) -> list[tuple[str, str | None]]:
    """Members of "A+B" or of a name of `zoo.ENSEMBLES`: names or files, and the test protocol
    where the ensemble has one of its own. Anything else is one member, as is a file."""
    if text in ENSEMBLES:
        return list(ENSEMBLES[text].items())
    names = [text] if Path(text).is_file() else text.split("+")
    return [(name, None) for name in names]


def _difference(classes: Sequence[str], expected: Sequence[str]) -> str:
    if len(classes) != len(expected):
        return f"{len(classes)} classes"
    index = next(i for i, (a, b) in enumerate(zip(classes, expected, strict=True)) if a != b)
    return f"{classes[index]!r} in place of {expected[index]!r}"
