"""What networks are asked about a video, as functions that another process can be given.

Each takes the clips, the network and a place to report progress to; what else it needs is bound
with `functools.partial`. Knows no Streamlit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dsanet_core.analysis import Progress, analyze
from dsanet_core.attribution import attribute, faithfulness
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Analysis, Attribution, Clips, Effects, Faithfulness, Method
from dsanet_core.whatif import Change, rank_blocks, what_if

Answer = Callable[[Clips, VideoNetwork, Progress], Any]


def analysis(clips: Clips, network: VideoNetwork, report: Progress) -> Analysis:
    return analyze(clips, network, progress=report)


def attribution(
    clips: Clips, network: VideoNetwork, report: Progress, *,
    method: Method, category: int, snippet: int | None,
) -> Attribution:
    return attribute(clips, network, method, category=category, snippet=snippet, progress=report)


def curves(
    clips: Clips, network: VideoNetwork, report: Progress, *, shown: Attribution
) -> Faithfulness:
    return faithfulness(clips, network, shown, progress=report)


def changed(
    clips: Clips, network: VideoNetwork, report: Progress, *, changes: Sequence[Change]
) -> Analysis:
    return what_if(clips, network, changes, progress=report)


def ranking(clips: Clips, network: VideoNetwork, report: Progress, *, category: int) -> Effects:
    return rank_blocks(clips, network, category=category, progress=report)
