"""What an attribution and the effects of blocks say, in sentences: Markdown, as `words`."""

from __future__ import annotations

from collections.abc import Sequence

from dsanet_core.figures.style import block_label
from dsanet_core.records import METHOD_NAMES, Analysis, Attribution, Effects, Rate, Trust
from dsanet_core.report.text import escape
from dsanet_core.text_format import percent, seconds_range, signed


def lead(attribution: Attribution) -> str:
    """What is explained, and how much there is to explain."""
    what = "the video" if attribution.snippet is None else f"snippet {attribution.snippet + 1}"
    category = escape(attribution.model.classes[attribution.category])
    name = escape(attribution.model.name)
    score, empty = map(signed, (attribution.score, attribution.baseline_score))
    return (
        f"**{name}** gives “{category}” a logit of {score} for {what}; with everything absent "
        f"({escape(attribution.baseline)}) it gives {empty}. {_adds_up(attribution)}"
    )


def _adds_up(attribution: Attribution) -> str:
    difference = attribution.score - attribution.baseline_score
    total = float(attribution.per_frame.sum())
    exact = attribution.method == "integrated_gradients"
    promise = "completeness: 100% is exact" if exact else "this method does not promise 100%"
    if abs(difference) < 1e-6:
        return f"The shares add up to {signed(total)}; there is no difference to explain."
    return (
        f"The shares of all places add up to {percent(total / difference)} of that difference "
        f"of {signed(difference)} ({promise})."
    )


def strongest(analysis: Analysis, attribution: Attribution) -> str:
    """Which part speaks most for the category, and which most against it."""
    shares = attribution.per_snippet
    word = analysis.protocol.snippet_word
    best, worst = int(shares.argmax()), int(shares.argmin())
    seconds = analysis.pts_seconds
    said = (
        f"**Most for it:** {word} {best + 1} "
        f"({seconds_range(float(seconds[best].min()), float(seconds[best].max()))}) with "
        f"{signed(shares[best])} logit."
    )
    if shares[worst] < 0:
        said += (
            f" **Most against it:** {word} {worst + 1} "
            f"({seconds_range(float(seconds[worst].min()), float(seconds[worst].max()))}) with "
            f"{signed(shares[worst])} logit."
        )
    return said


def trusted(attribution: Attribution, trust: Trust | None) -> str:
    """What was measured of this method and these weights, beside the map."""
    name = METHOD_NAMES[attribution.method]
    if trust is None:
        return (
            f"**Not measured:** how far {name} can be trusted for {escape(attribution.model.name)} "
            "is not known. Measure it with `python -m tools.trust`, or look at the curves of "
            "insertion and deletion."
        )
    found = [
        f"**On videos with known truth** ({escape(trust.dataset)}) {name} of "
        f"{escape(trust.model)}:",
        "",
    ]
    points = _rate(trust.pointing, "a random place")
    found.append(
        f"- **points at the object in {points}**{_beats_chance(trust.pointing)}" if points
        else "- says nothing about places, so it cannot point at the object"
    )
    moments = _rate(trust.timing, "a random moment")
    if moments:
        found.append(f"- **finds the moment in {moments}**{_beats_chance(trust.timing)}")
    found.append(
        f"- insertion minus deletion: **{signed(trust.gain, 2)}**, random orders "
        f"{signed(trust.random_gain, 2)} (mean of {trust.gain_videos} videos; larger is better)"
    )
    found.append(
        f"- with random weights the map changes: rank correlation **{signed(trust.sanity, 2)}** "
        f"with these (mean of {trust.sanity_videos} videos; near 0 is sound, 1 would be a method "
        "that does not look at the network)"
    )
    return "\n".join(found)


def _rate(rate: Rate | None, chance: str) -> str:
    if rate is None:
        return ""
    return f"{percent(rate.rate)} of {rate.videos} videos ({chance}: {percent(rate.chance)})"


def _beats_chance(rate: Rate | None) -> str:
    """A warning where a rate is not above chance by two of its standard errors."""
    if rate is None:
        return ""
    error = (rate.chance * (1 - rate.chance) / rate.videos) ** 0.5
    return "" if rate.rate > rate.chance + 2 * error else ": no clear sign of more than chance"


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
        f"**“{name}” hangs most on {escape(block_label(effects.blocks[most]))}:** without it "
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
