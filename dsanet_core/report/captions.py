"""Captions of the figures of pages and reports, in Markdown: reading instructions."""

from __future__ import annotations

from collections.abc import Sequence

from dsanet_core.figures.style import same_frames, snippet_word
from dsanet_core.records import Analysis
from dsanet_core.report.text import escape

PREFIX = "How to read it: "

KERNEL = (
    f"{PREFIX}in the map, each column is a channel whose three weights sum to 1. In the triangle, "
    "each point is a channel: near the top corner it keeps its own snippet, near a lower corner it "
    "takes the neighbouring snippet, and in the centre it averages all three. Neighbours belong to "
    "the same view."
)
KERNEL_DISTANCES = (
    f"{PREFIX}a block at 0 on the first bar leaves snippets unchanged; a block at 0 on the second "
    "averages them; far from both: a learned mixture."
)
DEPENDENCY_WEIGHTS = (
    f"{PREFIX}the upper chart shows the weights of the dependencies in each block, which sum to 1. "
    "The lower chart shows the same weights in points above or below equal shares, so 0 is plain "
    "averaging. The dotted frame marks the chosen block. Stages res2 to res5 are Residual Blocks 1 "
    "to 4 of the paper; blocks are counted within each stage."
)
GATE_MAPS = (
    f"{PREFIX}the block multiplies its features by its gate, so more passes where the map is "
    "bright. Each map, averaged over channels, covers the image above it. Both gates share one "
    "colour scale. In the last row, blue is more than under equal weights and orange is less."
)
GATE_OVER_TIME = (
    f"{PREFIX}mean gate of each frame over time, as the block computed it and as it would be with "
    "equal weights on the same input."
)
RESPONSES = (
    f"{PREFIX}each dependency pools the block's features differently, so each response has its own "
    "grid. The gate is computed from their weighted sum. All responses share one scale, from 0 to "
    "the largest. Energy is the mean square of a response over its channels: a dependency with a "
    "large weight but low energy contributes little."
)
HEAT = (
    f"{PREFIX}blue regions support the class, orange regions count against it, and uncoloured "
    "regions have no effect. Images below the heat map are grey so that their own colours are not "
    "mistaken for it. Values are logits per 1% of the image area, which makes models with "
    "different grids comparable; colours clipped at the 99.5th percentile."
)
INSERTION_DELETION = (
    f"{PREFIX}insertion starts from an empty video and adds the most important parts first; "
    "deletion starts from the full video and removes them first. For a good map, the insertion "
    "curve rises at once and the deletion curve falls at once. The bands show random orders. All "
    "curves are measured on this video only."
)
BLOCK_IMPORTANCE = (
    f"{PREFIX}each block in turn is made neutral (identity kernel for a DSA block, gate off for an "
    "SDA block) while all others stay unchanged. A bar shows how many points of probability the "
    "class loses; a bar to the left means that the block counts against the class. If the "
    "prediction changes, the new one is written beside the bar."
)
RUNS = (
    f"{PREFIX}your runs come first, newest at the top, followed by the runs that ship with the "
    "project. Select a row with its checkbox. A run continues in its own process even when no page "
    "is open, and completed results are kept if it stops."
)
CLASS_ACCURACY = (
    f"{PREFIX}each bar is the share of the class's videos that a run predicts correctly."
)
LAYERS_SUMMARY = (
    f"{PREFIX}one line per quantity across the blocks, from input to output; every video counts "
    "once."
)
LAYERS_CURVES = f"{PREFIX}classes run from left to right, in the same order in every row."
CONFUSION_MATRIX = (
    f"{PREFIX}rows are true classes, columns are predicted classes. Green cells on the diagonal "
    "from the top left are correct and red cells are incorrect; each has its own scale. "
    "Percentages are shares of a row."
)
ACCURACY_AGAINST_COST = (
    f"{PREFIX}higher is more accurate, further left is cheaper; the cost axis is logarithmic. "
    "Hollow marks are numbers printed in the papers, not measured here. The cost of a video is the "
    "cost of one view times the number of views in the model's own test protocol, which the hover "
    "text states. A line joins the protocols of one model; its name stands at the most accurate "
    "one, or only in the hover text where space is short."
)

_MIXED = {
    "dsa": "neighbouring {}s",
    "4d": "neighbouring {}s",
    "sda": "all {}s of a view",
    "shift": "adjacent {}s",
    "3d": "adjacent {}s",
}
"""The snippets whose features each `Model.consensus` mixes."""


def layers_map(column: str = "block or stage") -> str:
    return f"{PREFIX}one row per class, one column per {column}, one panel per quantity."


def snippet_independence(analyses: Sequence[Analysis]) -> str:
    """A sentence on whether a snippet's score depends on that snippet alone."""
    word = snippet_word(analyses)
    mixing: dict[str, list[str]] = {}
    for analysis in analyses:
        if analysis.model.consensus != "average":
            mixed = _MIXED[analysis.model.consensus].format(word)
            mixing.setdefault(mixed, []).append(escape(analysis.model.name))
    if not mixing:
        return f"Every {word} is scored independently."
    sentences = []
    for mixed, names in mixing.items():
        models = list(dict.fromkeys(names))
        who = "This model mixes" if len(analyses) == 1 else (
            f"{' and '.join(models)} {'mixes' if len(models) == 1 else 'mix'}"
        )
        sentences.append(f"{who} {mixed}, so these scores are not independent.")
    return " ".join(sentences)


def timeline(word: str = "snippet") -> str:
    """Caption of the scores of snippets, or of single frames, over time."""
    if word == "frame":
        shown = (
            "the top row shows the frames given to the model; below, each point is the predicted "
            "probability at the frame's time."
        )
    else:
        shown = (
            "the images show the frames of each snippet, in order from top to bottom; below, each "
            "bar spans the snippet's duration; its height is the predicted probability."
        )
    return f"{PREFIX}{shown} The dotted line is the score of the whole video."


def timeline_of(analysis: Analysis) -> str:
    """`timeline` for one analysis, and whether its snippets are scored independently."""
    return f"{timeline(analysis.protocol.snippet_word)} {snippet_independence([analysis])}"


def importance(word: str = "snippet") -> str:
    """Caption of the contributions of snippets to a logit."""
    return (
        f"{PREFIX}each bar is a {word}'s contribution to the logit: blue and upwards supports the "
        "class, orange and downwards counts against it."
    )


def comparison(word: str = "snippet", *, same: bool = True) -> str:
    """Caption of the top classes of two models side by side; same: both saw the same frames."""
    times = (
        ""
        if same
        else f" The models saw different frames, so each {word} is drawn at its own time and "
        "extends halfway to the next."
    )
    return (
        f"{PREFIX}top class of each {word} and of the whole video.{times} If the ground truth is "
        "known, correct predictions are green with ✓ and incorrect ones red with ✗; otherwise all "
        "are grey."
    )


def comparison_of(a: Analysis, b: Analysis) -> str:
    """`comparison` for two analyses, and whether their snippets are scored independently."""
    shown = comparison(snippet_word([a, b]), same=same_frames(a, b))
    return f"{shown} {snippet_independence([a, b])}"


def disagreement(first: str, second: str) -> str:
    """Caption of the differences between two models of these names."""
    return (
        f"{PREFIX}an upward bar means that {first} gives the class a higher probability, a "
        f"downward bar that {second} does."
    )


def disagreement_of(a: Analysis, b: Analysis) -> str:
    """`disagreement` for two analyses, and what could not be compared."""
    only_video = (
        ""
        if same_frames(a, b)
        else " The models saw different frames, so only their predictions for the whole video are "
        "compared."
    )
    return f"{disagreement(escape(a.model.name), escape(b.model.name))}{only_video}"
