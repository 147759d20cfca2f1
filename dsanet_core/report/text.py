"""What a record says, in sentences: Markdown, with everything that came from outside inert in it.

Pages show them as they are; a report turns them into HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dsanet_core.figures.style import stage_and_place
from dsanet_core.records import SNIPPET_MIXING, Analysis, Kernel, Protocol, Selection, Video
from dsanet_core.text_format import decimal, percent, si_number

_DEPENDENCIES = {
    "LST": "the whole video at once",
    "LT": "every place, over all of the time",
    "LS": "every frame, as a whole",
    "S122": "patches of 2 x 2 places, from frame to frame",
    "S144": "patches of 4 x 4 places, from frame to frame",
    "S222": "patches of 2 x 2 places in 2 frames",
}
"""What each dependency looks at (SDA, section 3.1)."""
EVEN = 0.03
"""Weights that are no farther apart than this are called equal."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$:~&@])")
_LATER = re.compile(
    r"(?<=:)(?=//|material/|streamlit:)|(?<=www)(?=\.)|(?=@)"
    r"|(?<!\S[<~>-])(?<=[<~>-])(?=[=>-](?!\S))",
    re.IGNORECASE,
)
"""Where pages find links, icons, the logo and arrows in text that Markdown has let pass."""
_JOINER = "\u2060"
"""Invisible, and no part of any of these."""


def escape(text: str) -> str:
    """Text that came from outside, on one line and inert inside Markdown and on a page."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return _MARKDOWN.sub(r"\\\1", _LATER.sub(_JOINER, " ".join(printable.split())))


def video_facts(video: Video) -> str:
    claimed = video.num_frames_claimed
    off = claimed is not None and claimed != video.num_frames
    frames = f"{video.num_frames}{f' of {claimed} claimed' if off else ''} frames"
    turned = f", turned by {video.rotation}°" if video.rotation else ""
    return (
        f"{video.width} x {video.height} px{turned}, {video.duration_seconds:.1f} s, {frames}, "
        f"{video.fps:.4g} frames/s, {video.codec} in {video.container}"
    )


def seen(analysis: Analysis) -> str:
    """Which part of the video reached the network."""
    count = len(np.unique(analysis.frame_index))
    return f"The network saw {count} of the video's {analysis.video.num_frames} frames."


def tap_name(tap: int, taps: int) -> str:
    """In words: the snippet that a tap weighs, seen from the snippet that is being made."""
    offset = tap - taps // 2
    if offset == 0:
        return "the snippet itself"
    distance = "" if abs(offset) == 1 else f"{abs(offset)} places "
    return f"the snippet {distance}{'before' if offset < 0 else 'after'}"


def kernel_reading(kernel: Kernel, view: int) -> str:
    """What a block looks at, for one view."""
    values = kernel.values[view]
    channels, taps = values.shape
    strongest = np.bincount(values.argmax(-1), minlength=taps)
    names = [tap_name(tap, taps) for tap in range(taps)]
    order = [tap for tap in np.argsort(-strongest, kind="stable") if strongest[tap]]
    counts = ", ".join(f"on {names[tap]} in {strongest[tap]}" for tap in order)
    means = ", ".join(
        f"{percent(mean, 0)} {name}" for mean, name in zip(values.mean(0), names, strict=True)
    )
    return (
        f"**What this block looks at:** it aggregates {channels} of {kernel.channels_total} "
        f"channels. The largest weight lies {counts} of them. On average it takes {means}."
    )


def view_name(protocol: Protocol, view: int) -> str:
    """The snippets, counted from 1, that one forward pass aggregated."""
    snippets = ", ".join(str(index + 1) for index in protocol.snippet_of_view[view])
    order = f"View {view + 1} of {protocol.num_views}"
    crops = ("left or top", "middle", "right or bottom")
    crop = crops[view // protocol.num_groups] if protocol.num_crops == 3 else ""
    return f"{order}: {protocol.snippet_word}s {snippets}{f', {crop} crop' if crop else ''}"


def block_name(block: str) -> str:
    """layer2.1.dsa -> "res3, block 2 (layer2.1.dsa)", as the papers count."""
    stage = stage_and_place(block)
    return block if stage is None else f"{stage[0]}, block {stage[1]} ({block})"


def dependency_meaning(name: str) -> str:
    """What a dependency looks at; for one without a name in the paper, its kernels."""
    return _DEPENDENCIES.get(name, f"pooling and convolution kernels {name}")


def selection_lead(analysis: Analysis, view: int) -> str:
    """Which dependency leads where in a network, and where selecting matters, for one view."""
    selections = analysis.selections
    if all(selection.aggregation == "avg" for selection in selections):
        return (
            "**Every dependency counts the same in every block:** this network was built to "
            "average them (Eq. 5 of the paper) and selects nothing."
        )
    led: dict[str, list[tuple[float, str]]] = {}
    for selection in selections:
        weights = selection.weights[view]
        best = int(weights.argmax())
        place = (float(weights[best]), _short_name(selection.block))
        led.setdefault(selection.dependencies[best], []).append(place)
    order = sorted(led.items(), key=lambda item: (-len(item[1]), -max(item[1])[0]))
    parts = []
    for name, places in order:
        weight, most_in = max(places)
        where = f"{most_in} ({percent(weight, 0)})"
        many = f"{len(places)} of {len(selections)} blocks, most in " if len(places) > 1 else ""
        parts.append(f"{escape(name)} in {many}{where}")
    changes = [float(selection.gate_change[view]) for selection in selections]
    most, least = int(np.argmax(changes)), int(np.argmin(changes))
    return (
        f"**Which dependency leads:** {'; '.join(parts)}. Selecting, instead of plain averaging, "
        f"changes the gate most in {_short_name(selections[most].block)}, by {changes[most]:.3f} "
        f"on average, and least in {_short_name(selections[least].block)}, by {changes[least]:.3f}."
    )


def selection_reading(selection: Selection, view: int) -> str:
    """What one block leans on, and what selecting changes, for one view."""
    weights = selection.weights[view]
    order = np.argsort(-weights, kind="stable")
    names = [escape(selection.dependencies[place]) for place in order]
    shares = [percent(weights[place], 0) for place in order]
    equal = percent(1 / len(weights), 0)
    if selection.aggregation == "avg":
        leaning = f"**This block averages:** each dependency counts {equal}, whatever the video."
    elif weights.max() - weights.min() <= EVEN:
        leaning = (
            f"**This block weighs its dependencies almost equally:** {shares[-1]} to {shares[0]}, "
            f"where equal shares are {equal}."
        )
    else:
        hardly = "hardly" if weights.min() < 0.6 / len(weights) else "least"
        leaning = (
            f"**This block leans on {names[0]} ({shares[0]})**, {hardly} on {names[-1]} "
            f"({shares[-1]}); equal shares are {equal} each."
        )
    difference = selection.gate[view].astype(float) - selection.average_gate[view]
    change = float(selection.gate_change[view])
    if not difference.any():
        return f"{leaning} Under equal weights its gate is the same."
    signed_mean = float(difference.mean())
    direction = "opens" if signed_mean > 0 else "closes"
    return (
        f"{leaning} Selecting changes its gate by {change:.3f} on average and by "
        f"{np.abs(difference).max():.3f} where it changes most; as a whole it {direction} the gate "
        f"by {abs(signed_mean):.3f}, from {selection.average_gate[view].mean(dtype=float):.3f} to "
        f"{selection.gate[view].mean(dtype=float):.3f}."
    )


def dependency_heading(selection: Selection, dependency: str, view: int) -> str:
    """A dependency, what it looks at, its weight in the block and the energy of its response."""
    place = selection.dependencies.index(dependency)
    weight, energy = selection.weights[view, place], selection.energy[view, place]
    return (
        f"**{escape(dependency)}:** {escape(dependency_meaning(dependency))}. Weight "
        f"{percent(weight, 0)}, energy {energy:.2f}."
    )


def _short_name(block: str) -> str:
    stage = stage_and_place(block)
    return escape(block) if stage is None else f"{stage[0]}, block {stage[1]}"


def familiarity(analysis: Analysis) -> str:
    """What the familiarity score says, with the numbers behind it."""
    always = (
        f"The network was trained on {escape(analysis.model.trained_on)}: it knows its "
        f"{len(analysis.model.classes)} categories and names one of them whatever it is shown."
    )
    measured = analysis.familiarity
    if measured is None:
        return f"{always} How familiar this video is to it was not measured."
    if measured.is_familiar:
        verdict, side = "This video looks like its training data", "at or above"
    else:
        verdict = "**This video does not look like its training data: do not rely on the answer**"
        side = "below"
    return (
        f"{verdict}: its score {decimal(measured.score)} is {side} the threshold "
        f"{decimal(measured.threshold)} that {percent(measured.true_rate)} of the validation "
        f"videos reach ({measured.method}). {always}"
    )


def costs(analyses: Sequence[Analysis]) -> str:
    """A Markdown table of what each network costs on this video."""
    heads = "|  | " + " | ".join(escape(a.model.name) for a in analyses) + " |"
    rows: list[tuple[str, Callable[[Analysis], str]]] = [
        ("Parameters", lambda a: si_number(a.model.params)),
        ("Multiply-adds of one view", lambda a: si_number(a.model.macs)),
        ("Views of the video", lambda a: str(a.protocol.num_views)),
        ("Multiply-adds of the video", lambda a: si_number(a.model.macs * a.protocol.num_views)),
        ("Network, seconds here", lambda a: _spent(a, "network")),
        ("Preprocessing, seconds here", lambda a: _spent(a, "transform")),
        ("How a view is scored", lambda a: SNIPPET_MIXING[a.model.consensus]),
    ]
    lines = [f"| {title} | " + " | ".join(map(cell, analyses)) + " |" for title, cell in rows]
    return "\n".join([heads, "|---" * (len(analyses) + 1) + "|", *lines])


def _spent(analysis: Analysis, step: str) -> str:
    return f"{analysis.seconds[step]:.2f}" if step in analysis.seconds else "–"


def measured(accuracy: Mapping[str, Any]) -> str:
    """How often the network was right where that was measured, over all and per group."""
    if "top1" not in accuracy:
        return "How often it is right was not measured."
    groups = ", ".join(
        f"{group} {percent(share)}" for group, share in accuracy.get("per_group", {}).items()
    )
    where = escape(str(accuracy.get("dataset", "its validation data")))
    parts = f" ({groups})" if groups else ""
    return f"Measured on {where}: {percent(accuracy['top1'])} top-1{parts}."


def grounds(
    analysis: Analysis, description: str = "", accuracy: Mapping[str, Any] | None = None
) -> str:
    """On what grounds the answer stands: protocol, weights, video and time, as a list.

    accuracy: what was measured of these weights, {} if nothing was; None says nothing of it.
    """
    model, protocol, video = analysis.model, analysis.protocol, analysis.video
    spent = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in analysis.seconds.items())
    shared = "" if "decode" in analysis.seconds else " The frames had been read already."
    right = "" if accuracy is None else f" {measured(accuracy)}"
    lines = [
        f"**Network:** {escape(model.name)}{f', {escape(description)}' if description else ''}.",
        f"**Input:** {protocol.describe()}. {seen(analysis)}",
        f"**Answer:** {_answer(analysis)}",
        f"**Weights:** {escape(model.weights)} (sha256 {model.weights_sha256[:12]}), trained on "
        f"{escape(model.trained_on)}.{right}",
        f"**Video:** {video_facts(video)}"
        f"{f' (sha256 {video.sha256[:12]})' if video.sha256 else ''}.",
        *(f"**Note:** {escape(note)}." for note in video.notes),
        f"**Time here:** {spent}.{shared}",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _answer(analysis: Analysis) -> str:
    views, how = analysis.protocol.num_views, SNIPPET_MIXING[analysis.model.consensus]
    if views == 1:
        return f"one view: {how}; then their softmax."
    return (
        f"in each of {views} views {how}; then the softmax of every view, averaged over the views."
    )
