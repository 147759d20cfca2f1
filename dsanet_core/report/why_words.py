"""What an attribution and the effects of blocks say, in sentences: Markdown, as `words`."""

from __future__ import annotations

from collections.abc import Sequence

from dsanet_core.figures.layer_style import column_name
from dsanet_core.figures.style import percent, span_text
from dsanet_core.records import Analysis, Attribution, Effects
from dsanet_core.report.words import escape


def lead(attribution: Attribution) -> str:
    """What is explained, and how much there is to explain."""
    what = "the video" if attribution.snippet is None else f"snippet {attribution.snippet + 1}"
    category = escape(attribution.model.classes[attribution.category])
    name = escape(attribution.model.name)
    score, empty = map(signed_logit, (attribution.score, attribution.baseline_score))
    return (
        f"**{name}** gives “{category}” a logit of {score} for {what}; with everything absent "
        f"({escape(attribution.baseline)}) it gives {empty}. {_adds_up(attribution)}"
    )


def _adds_up(attribution: Attribution) -> str:
    difference = attribution.score - attribution.baseline_score
    total = float(attribution.per_frame.sum())
    exact = attribution.method == "integrated_gradients"
    promise = "completeness: 100 % is exact" if exact else "this method does not promise 100 %"
    if abs(difference) < 1e-6:
        return f"The shares add up to {signed_logit(total)}; there is no difference to explain."
    return (
        f"The shares of all places add up to {100 * total / difference:.1f} % of that difference "
        f"of {signed_logit(difference)} ({promise})."
    )


def strongest(analysis: Analysis, attribution: Attribution) -> str:
    """Which part speaks most for the category, and which most against it."""
    shares = attribution.per_snippet
    word = analysis.protocol.snippet_word
    best, worst = int(shares.argmax()), int(shares.argmin())
    seconds = analysis.pts_seconds
    said = (
        f"**Most for it:** {word} {best + 1} "
        f"({span_text(float(seconds[best].min()), float(seconds[best].max()))}) with "
        f"{signed_logit(shares[best])} logit."
    )
    if shares[worst] < 0:
        said += (
            f" **Most against it:** {word} {worst + 1} "
            f"({span_text(float(seconds[worst].min()), float(seconds[worst].max()))}) with "
            f"{signed_logit(shares[worst])} logit."
        )
    return said


def hanging(effects: Effects, classes: Sequence[str]) -> str:
    """Which block the answer hangs on most."""
    drop = effects.drop
    most = int(drop.argmax())
    name = escape(classes[effects.category])
    turned = [place for place, found in enumerate(effects.answers) if found != effects.category]
    if drop[most] <= 0.01:
        return (
            f"**No single block matters for “{name}”:** without any one of them it loses "
            f"{100 * max(0.0, float(drop[most])):.1f} points at the most."
        )
    said = (
        f"**“{name}” hangs most on {escape(column_name(effects.blocks[most]))}:** without it "
        f"{percent(effects.before)} become {percent(float(effects.after[most]))}."
    )
    if turned:
        said += (
            f" Without {_one_of(len(turned), len(effects.blocks))} the answer is another one."
        )
    return said


def _one_of(some: int, all_of_them: int) -> str:
    if some == all_of_them:
        return "any one of the blocks" if some > 1 else "it"
    return "one of them" if some == 1 else f"any of {some} of the {all_of_them} blocks"


def signed_logit(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")
