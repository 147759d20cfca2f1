"""What the pages of why ask of networks: attributions, their curves, what-ifs, rankings."""

from __future__ import annotations

from collections.abc import Sequence

from app.services import Question
from dsanet_core.analysis import Progress
from dsanet_core.attribution import attribute, faithfulness
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import (
    METHOD_NAMES,
    Analysis,
    Attribution,
    Clips,
    Effects,
    Faithfulness,
    Method,
)
from dsanet_core.whatif import Change, rank_blocks, what_if


def attribution(model: str, method: Method, category: int, snippet: int | None) -> Question:
    """An `Attribution`. category, snippet: indices; None: of the whole video."""

    def answer(clips: Clips, network: VideoNetwork, report: Progress) -> Attribution:
        return attribute(
            clips, network, method, category=category, snippet=snippet, progress=report
        )

    key = ("attribution", method, category, snippet)
    return Question(model, key, answer, METHOD_NAMES[method].lower())


def curves(model: str, shown: Attribution) -> Question:
    """The `Faithfulness` of an attribution by the same model."""

    def answer(clips: Clips, network: VideoNetwork, report: Progress) -> Faithfulness:
        return faithfulness(clips, network, shown, progress=report)

    key = ("curves", shown.method, shown.category, shown.snippet)
    return Question(model, key, answer, "insertion and deletion")


def changed(model: str, texts: Sequence[str], changes: Sequence[Change]) -> Question:
    """The `Analysis` after changes. texts: what tells these changes from others."""

    def answer(clips: Clips, network: VideoNetwork, report: Progress) -> Analysis:
        return what_if(clips, network, changes, progress=report)

    return Question(model, ("changed", *texts), answer, "running with the changes")


def ranking(model: str, category: int) -> Question:
    """The `Effects` of every block on a category."""

    def answer(clips: Clips, network: VideoNetwork, report: Progress) -> Effects:
        return rank_blocks(clips, network, category=category, progress=report)

    return Question(model, ("ranking", category), answer, "one block after the other")
