"""Sentences about attributions and block importance, in Markdown like those of `text`."""

from __future__ import annotations

from collections.abc import Sequence

from dsanet_core.figures.style import block_label
from dsanet_core.records import METHOD_NAMES, Analysis, Array, Attribution, Effects, Rate, Trust
from dsanet_core.report.text import escape
from dsanet_core.text_format import decimal, percent, seconds_range, signed


def attribution_summary(attribution: Attribution) -> str:
    """The explained logit, the baseline logit, and how far the contributions add up to their
    difference."""
    part = "the video" if attribution.snippet is None else f"snippet {attribution.snippet + 1}"
    category = escape(attribution.model.classes[attribution.category])
    name = escape(attribution.model.name)
    score, baseline = map(signed, (attribution.score, attribution.baseline_score))
    return (
        f"**{name}**: logit of “{category}” for {part}: {score}; baseline logit: {baseline} "
        f"({escape(attribution.baseline)}). {_completeness(attribution)}"
    )


def _completeness(attribution: Attribution) -> str:
    difference = attribution.score - attribution.baseline_score
    total = float(attribution.per_frame.sum())
    exact = attribution.method == "integrated_gradients"
    note = "completeness: 100% is exact" if exact else "this method does not guarantee 100%"
    if abs(difference) < 1e-6:
        return f"The contributions add up to {signed(total)}; there is no difference to explain."
    return (
        f"The contributions add up to {percent(total / difference)} of the difference of "
        f"{signed(difference)} ({note})."
    )


def strongest_evidence(analysis: Analysis, attribution: Attribution) -> str:
    """The snippets that support the class most and, if any does, that count most against it."""
    contributions = attribution.per_snippet
    lines = [_evidence("Strongest evidence", analysis, contributions, int(contributions.argmax()))]
    worst = int(contributions.argmin())
    if contributions[worst] < 0:
        lines.append(_evidence("Strongest evidence against", analysis, contributions, worst))
    return " ".join(lines)


def _evidence(title: str, analysis: Analysis, contributions: Array, index: int) -> str:
    seconds = analysis.pts_seconds[index]
    return (
        f"**{title}:** {analysis.protocol.snippet_word} {index + 1} "
        f"({seconds_range(float(seconds.min()), float(seconds.max()))}), "
        f"{signed(float(contributions[index]))} logit."
    )


def reliability(attribution: Attribution, trust: Trust | None) -> str:
    """Measured reliability of the method for these weights; None: it was not measured."""
    name = METHOD_NAMES[attribution.method]
    if trust is None:
        return (
            f"**Not measured:** the reliability of {name} for {escape(attribution.model.name)} is "
            "unknown. Measure it with `python -m tools.trust`, or run insertion/deletion on this "
            "video."
        )
    lines = [
        f"**On videos with known ground truth** ({escape(trust.dataset)}), {name} of "
        f"{escape(trust.model)}:",
        "",
    ]
    location = _rate(trust.pointing, "a random location")
    lines.append(
        f"- **finds the object in {location}**{_chance_note(trust.pointing)}" if location
        else "- has no spatial resolution, so it cannot locate the object"
    )
    moment = _rate(trust.timing, "a random moment")
    if moment:
        lines.append(f"- **finds the moment in {moment}**{_chance_note(trust.timing)}")
    lines.append(
        f"- insertion minus deletion: **{signed(trust.gain, 2)}**, random orders "
        f"{signed(trust.random_gain, 2)} (mean of {trust.gain_videos} videos; higher is better)"
    )
    lines.append(
        f"- rank correlation with the map of randomised weights: **{signed(trust.sanity, 2)}** "
        f"(mean of {trust.sanity_videos} videos; near 0 is good, near 1 means that the map does "
        "not depend on the model)"
    )
    return "\n".join(lines)


def _rate(rate: Rate | None, chance: str) -> str:
    if rate is None:
        return ""
    return f"{percent(rate.rate)} of {rate.videos} videos ({chance}: {percent(rate.chance)})"


def _chance_note(rate: Rate | None) -> str:
    """A warning if a rate is not above chance by two of its standard errors."""
    if rate is None:
        return ""
    error = (rate.chance * (1 - rate.chance) / rate.videos) ** 0.5
    return "" if rate.rate > rate.chance + 2 * error else ": not clearly better than chance"


def block_importance(effects: Effects, classes: Sequence[str]) -> str:
    """The block that matters most for the class, and how many blocks change the prediction."""
    drop = effects.drop
    most = int(drop.argmax())
    name = escape(classes[effects.category])
    turned = [place for place, found in enumerate(effects.answers) if found != effects.category]
    if drop[most] <= 0.01:
        return (
            f"**No single block matters for “{name}”:** removing any one block costs at most "
            f"{decimal(100 * max(0.0, float(drop[most])))} points."
        )
    summary = (
        f"**Most important block for “{name}”: {escape(block_label(effects.blocks[most]))}.** "
        f"Without it, the probability falls from {percent(effects.before)} to "
        f"{percent(float(effects.after[most]))}."
    )
    if turned:
        summary += f" {_removing(len(turned), len(effects.blocks))} changes the prediction."
    return summary


def _removing(count: int, total: int) -> str:
    if count == total:
        return "Removing any one block" if count > 1 else "Removing it"
    return f"Removing {'one' if count == 1 else f'any of {count}'} of the {total} blocks"
