"""How to read each figure, in Markdown: what stands below it on a page and in a report."""

from __future__ import annotations

from collections.abc import Sequence

from dsanet_core.figures.style import same_frames, snippet_word
from dsanet_core.records import Analysis
from dsanet_core.report.text import escape

KERNEL = (
    "How to read it: in the map, a column is a channel and its three weights sum to 1. In the "
    "triangle, each channel is a point: near the top it keeps its own snippet, near a lower corner "
    "it looks at a neighbour, in the centre it averages. Neighbours are those of the same view."
)
KERNEL_DISTANCES = (
    "How to read it: 0 on the first bar is a block that leaves snippets alone, 0 on the second is "
    "one that averages them; a block far from both chose its own mixture."
)
DEPENDENCY_WEIGHTS = (
    "How to read it: above, the weights of a block's dependencies, which sum to 1; below, the same "
    "weights as points above or below equal shares, so that 0 is plain averaging. The dotted frame "
    "is the chosen block. Residual Blocks 1 to 4 of the paper are the stages res2 to res5 here; "
    "their blocks are counted within each."
)
GATE_MAPS = (
    "How to read it: the block multiplies its features by its gate: where the map is bright more "
    "passes. Every map covers the picture above it, mean over channels. Both kinds of gate share "
    "one scale; in the last line blue is more than under equal weights, orange less."
)
GATE_OVER_TIME = (
    "How to read it: the mean of each frame's map over time, as the block selected and as the same "
    "block on the same input would have it with equal weights."
)
RESPONSES = (
    "How to read it: each dependency sees the block's features pooled in its own way, so each "
    "answers on its own grid; the gate is made of these answers, weighted. All share one scale, "
    "from 0 to the largest. Energy is the mean square of an answer over its channels: a dependency "
    "with much weight and little energy adds little."
)

HEAT = (
    "How to read it: blue places speak for the category, orange ones against it, and where there "
    "is no colour nothing does. Under the heat a picture is grey, so that its own colours are not "
    "taken for heat. The number is the logit that 1% of the picture's area adds, so that networks "
    "with other grids can be compared; the colours end where 99.5% of all places lie below."
)
BLOCK_EFFECTS = (
    "How to read it: each block alone is made neutral (a DSA block with the identity kernel, an "
    "SDA block with its gate off), everything else stays; the bar is how many points of "
    "probability the category loses. Bars to the left: the block stood against the category. "
    "Where the answer becomes another one, it stands beside the bar."
)
CURVES = (
    "How to read it: insertion starts from nothing and puts in first the parts that the map calls "
    "most important, deletion takes them away first; the line of insertion should rise at once and "
    "that of deletion fall at once. The bands are random orders. All on this one video."
)

_DRAWS_ON = {
    "dsa": "its neighbours",
    "4d": "its neighbours",
    "sda": "all others",
    "shift": "those before and after it",
    "3d": "those before and after it",
}


def snippet_scores(analyses: Sequence[Analysis]) -> str:
    """What a snippet's own score is made of: not of that snippet alone where they are joined."""
    word = snippet_word(analyses)
    joined: dict[str, list[str]] = {}
    for analysis in analyses:
        if analysis.model.consensus != "average":
            others = _DRAWS_ON[analysis.model.consensus]
            joined.setdefault(others, []).append(escape(analysis.model.name))
    if not joined:
        return f"Every {word} is scored on its own."
    return " ".join(
        f"In {' and '.join(dict.fromkeys(names))} a {word}'s score already draws on {others} of "
        "the same view."
        for others, names in joined.items()
    )


def timeline(word: str = "snippet") -> str:
    """How to read the scores of snippets, or of single frames, over time."""
    if word == "frame":
        shown = (
            "above, the single frames the network saw; below them, at the time of each, how "
            "probable its score makes each category."
        )
    else:
        shown = (
            "above, the frames each snippet saw, in order from top to bottom; below them, how "
            "probable its score makes each category, the bar as long as what it saw."
        )
    return f"How to read it: {shown} The dotted line is the whole video's score."


def timeline_reading(analysis: Analysis) -> str:
    """The same of one analysis, and what its snippets' scores are made of."""
    return f"{timeline(analysis.protocol.snippet_word)} {snippet_scores([analysis])}"


def importance(word: str = "snippet") -> str:
    """How to read the shares of snippets in a logit."""
    return (
        f"How to read it: a bar is the share of a {word} in the logit, blue upwards for the "
        "category, orange downwards against it."
    )


def compared(word: str = "snippet", *, same_frames: bool = True) -> str:
    """How to read the best categories of two networks beside each other."""
    apart = (
        ""
        if same_frames
        else f" The two saw different frames, so each {word} stands at its own time and reaches "
        "halfway to the next."
    )
    return (
        f"How to read it: the best category of each {word}, and of the whole video.{apart} With a "
        "known label, ✓ on green is right and ✗ on red is wrong; without, all is grey."
    )


def compare_reading(a: Analysis, b: Analysis) -> str:
    """The same of two analyses, and what their snippets' scores are made of."""
    shown = compared(snippet_word([a, b]), same_frames=same_frames(a, b))
    return f"{shown} {snippet_scores([a, b])}"


def differences(first: str, second: str) -> str:
    """How to read the differences of two networks of these names."""
    return (
        f"How to read it: bars upwards, {first} finds the category more probable; downwards, "
        f"{second} does."
    )


def disagreement_reading(a: Analysis, b: Analysis) -> str:
    """The same of two analyses, and what could not be compared."""
    apart = (
        ""
        if same_frames(a, b)
        else " The two saw different frames, so only their answers for the whole video are set "
        "against each other."
    )
    return f"{differences(escape(a.model.name), escape(b.model.name))}{apart}"
