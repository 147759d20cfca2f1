"""What networks are asked about a video, as functions that another process can be given.

Each takes the clips, the network and a place to report progress to; what else it needs is bound
with `functools.partial`. Knows no Streamlit, and imports networks where they run: who asks needs
none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dsanet_core.records import Analysis, Attribution, Clips, Effects, Faithfulness, Method

if TYPE_CHECKING:
    from dsanet_core.analysis import Progress
    from dsanet_core.models.base import VideoNetwork
    from dsanet_core.whatif import Change

Answer = Callable[[Clips, "VideoNetwork", "Progress"], Any]


def analysis(clips: Clips, network: VideoNetwork, report: Progress) -> Analysis:
    from dsanet_core.analysis import analyze

    return analyze(clips, network, progress=report)


def attribution(
    clips: Clips, network: VideoNetwork, report: Progress, *,
    method: Method, category: int, snippet: int | None,
) -> Attribution:
    from dsanet_core.attribution import attribute

    return attribute(clips, network, method, category=category, snippet=snippet, progress=report)


def curves(
    clips: Clips, network: VideoNetwork, report: Progress, *, shown: Attribution
) -> Faithfulness:
    from dsanet_core.attribution import faithfulness

    return faithfulness(clips, network, shown, progress=report)


def changed(
    clips: Clips, network: VideoNetwork, report: Progress, *, changes: Sequence[Change]
) -> Analysis:
    from dsanet_core.whatif import what_if

    return what_if(clips, network, changes, progress=report)


def ranking(clips: Clips, network: VideoNetwork, report: Progress, *, category: int) -> Effects:
    from dsanet_core.whatif import rank_blocks

    return rank_blocks(clips, network, category=category, progress=report)
