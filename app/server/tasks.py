"""Tasks for a network on a video: functions that another process can be given, and the requests of
pages for them.

A task takes the clips, the network and a place to report progress to; what else it needs is bound
with `functools.partial`. Networks are imported where they run: who requests needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from dsanet_core.records import (
    METHOD_NAMES,
    Analysis,
    Attribution,
    Clips,
    Effects,
    Faithfulness,
    Method,
)

if TYPE_CHECKING:
    from dsanet_core.analysis import StepProgress
    from dsanet_core.models.base import VideoNetwork
    from dsanet_core.whatif import Change

Task = Callable[[Clips, "VideoNetwork", "StepProgress"], Any]


def analysis(clips: Clips, network: VideoNetwork, report: StepProgress) -> Analysis:
    from dsanet_core.analysis import analyze

    return analyze(clips, network, progress=report)


def attribution(
    clips: Clips, network: VideoNetwork, report: StepProgress, *,
    method: Method, category: int, snippet: int | None,
) -> Attribution:
    from dsanet_core.attribution import attribute

    return attribute(clips, network, method, category=category, snippet=snippet, progress=report)


def curves(
    clips: Clips, network: VideoNetwork, report: StepProgress, *, shown: Attribution
) -> Faithfulness:
    from dsanet_core.attribution import faithfulness

    return faithfulness(clips, network, shown, progress=report)


def changed(
    clips: Clips, network: VideoNetwork, report: StepProgress, *, changes: Sequence[Change]
) -> Analysis:
    from dsanet_core.whatif import what_if

    return what_if(clips, network, changes, progress=report)


def ranking(clips: Clips, network: VideoNetwork, report: StepProgress, *, category: int) -> Effects:
    from dsanet_core.whatif import rank_blocks

    return rank_blocks(clips, network, category=category, progress=report)


@dataclass(frozen=True)
class Request:
    """A page's request for one result about a video.

    key: distinguishes requests to the same model about the same video; () is the analysis.
    running: text on the page meanwhile.
    """

    model: str
    key: tuple[Hashable, ...] = ()
    task: Task = field(default=analysis, compare=False)
    running: str = "running"


def request_attribution(
    model: str, method: Method, category: int, snippet: int | None
) -> Request:
    """For an `Attribution`. category, snippet: indices; None: of the whole video."""
    task = partial(attribution, method=method, category=category, snippet=snippet)
    key = ("attribution", method, category, snippet)
    return Request(model, key, task, METHOD_NAMES[method].lower())


def request_curves(model: str, shown: Attribution) -> Request:
    """For the `Faithfulness` of an attribution by the same model."""
    key = ("curves", shown.method, shown.category, shown.snippet)
    return Request(model, key, partial(curves, shown=shown), "insertion and deletion")


def request_changed(model: str, texts: Sequence[str], changes: Sequence[Change]) -> Request:
    """For the `Analysis` after changes. texts: identify these changes."""
    task = partial(changed, changes=tuple(changes))
    return Request(model, ("changed", *texts), task, "running with the changes")


def request_ranking(model: str, category: int) -> Request:
    """For the `Effects` of every block on a category."""
    task = partial(ranking, category=category)
    return Request(model, ("ranking", category), task, "one block after the other")
