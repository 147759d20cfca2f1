"""Sentences about records, in Markdown, with all text from outside escaped.

Pages show them as they are; a report turns them into HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dsanet_core.figures.style import block_label, stage_and_place
from dsanet_core.records import SNIPPET_MIXING, Analysis, Kernel, Protocol, Selection, Video
from dsanet_core.text_format import decimal, percent, si_number

_DEPENDENCIES = {
    "LST": "the whole video",
    "LT": "each location, pooled over time",
    "LS": "each frame, pooled over space",
    "S122": "2 x 2 patches of each frame",
    "S144": "4 x 4 patches of each frame",
    "S222": "2 x 2 patches over 2 frames",
}
"""Pooling regions of the dependencies (SDA, section 3.1)."""
EQUAL_WITHIN = 0.03
"""Weights that differ by no more than this are called equal."""
CROP_NAMES = ("left or top", "middle", "right or bottom")
"""Of the three test crops, by their index."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$:~&@])")
_LATER = re.compile(
    r"(?<=:)(?=//|material/|streamlit:)|(?<=www)(?=\.)|(?=@)"
    r"|(?<!\S[<~>-])(?<=[<~>-])(?=[=>-](?!\S))",
    re.IGNORECASE,
)
"""Positions at which Streamlit would make links, icons, its logo and arrows of escaped text."""
_JOINER = "\u2060"
"""WORD JOINER: invisible, and no part of any of these."""


def escape(text: str) -> str:
    """Untrusted text on one line, with no effect inside Markdown or on a page."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return _MARKDOWN.sub(r"\\\1", _LATER.sub(_JOINER, " ".join(printable.split())))


def video_facts(video: Video) -> str:
    claimed = video.num_frames_claimed
    off = claimed is not None and claimed != video.num_frames
    frames = f"{video.num_frames}{f' of {claimed} claimed' if off else ''} frames"
    turned = f", rotated by {video.rotation}°" if video.rotation else ""
    return (
        f"{video.width} x {video.height} px{turned}, {video.duration_seconds:.1f} s, {frames}, "
        f"{video.fps:.4g} frames/s, {video.codec} in {video.container}"
    )


def frames_used(analysis: Analysis) -> str:
    """The number of frames that reached the model."""
    count = len(np.unique(analysis.frame_index))
    return f"The model used {count} of the video's {analysis.video.num_frames} frames."


def tap_name(tap: int, taps: int) -> str:
    """The snippet that a tap weighs, relative to the snippet that is computed."""
    offset = tap - taps // 2
    if offset == 0:
        return "the snippet itself"
    distance = "" if abs(offset) == 1 else f"{abs(offset)} positions "
    return f"the snippet {distance}{'before' if offset < 0 else 'after'}"


def kernel_summary(kernel: Kernel, view: int) -> str:
    """The snippets from which a block takes its features, for one view."""
    values = kernel.values[view]
    channels, taps = values.shape
    strongest = np.bincount(values.argmax(-1), minlength=taps)
    names = [tap_name(tap, taps) for tap in range(taps)]
    order = [tap for tap in np.argsort(-strongest, kind="stable") if strongest[tap]]
    counts = ", ".join(f"{names[tap]} in {strongest[tap]}" for tap in order)
    means = ", ".join(
        f"{name} {percent(mean, 0)}" for mean, name in zip(values.mean(0), names, strict=True)
    )
    return (
        f"**This block** aggregates {channels} of {kernel.channels_total} channels. The largest "
        f"weight is on {counts} of them. Mean weights: {means}."
    )


def view_name(protocol: Protocol, view: int) -> str:
    """The snippets, counted from 1, that one forward pass aggregated, and the crop."""
    snippets = ", ".join(str(index + 1) for index in protocol.snippet_of_view[view])
    order = f"View {view + 1} of {protocol.num_views}"
    crop = CROP_NAMES[view // protocol.num_groups] if protocol.num_crops == 3 else ""
    return f"{order}: {protocol.snippet_word}s {snippets}{f', {crop} crop' if crop else ''}"


def block_name(block: str) -> str:
    """layer2.1.dsa -> "res3, block 2 (layer2.1.dsa)", as the papers count."""
    stage = stage_and_place(block)
    return block if stage is None else f"{stage[0]}, block {stage[1]} ({block})"


def dependency_meaning(name: str) -> str:
    """The region that a dependency pools; for one that the paper does not name, its kernels."""
    return _DEPENDENCIES.get(name, f"pooling and convolution kernels {name}")


def dependencies_summary(analysis: Analysis, view: int) -> str:
    """The dependency with the largest weight in each block, and the blocks whose gate attention
    changes most and least, for one view."""
    selections = analysis.selections
    if all(selection.aggregation == "avg" for selection in selections):
        return (
            "**All dependencies have equal weights in every block:** this model averages them "
            "(Eq. 5 of the paper) instead of selecting."
        )
    largest: dict[str, list[tuple[float, str]]] = {}
    for selection in selections:
        weights = selection.weights[view]
        best = int(weights.argmax())
        place = (float(weights[best]), escape(block_label(selection.block)))
        largest.setdefault(selection.dependencies[best], []).append(place)
    order = sorted(largest.items(), key=lambda item: (-len(item[1]), -max(item[1])[0]))
    parts = []
    for name, places in order:
        weight, most_in = max(places)
        where = f"{percent(weight, 0)} in {most_in}"
        many = f"{len(places)} of {len(selections)} blocks, up to " if len(places) > 1 else ""
        parts.append(f"{escape(name)} in {many}{where}" if many else f"{escape(name)}, {where}")
    changes = [float(selection.gate_change[view]) for selection in selections]
    most, least = int(np.argmax(changes)), int(np.argmin(changes))
    return (
        f"**Largest weight per block:** {'; '.join(parts)}. Compared with plain averaging, "
        f"selection changes the gate most in {escape(block_label(selections[most].block))} (by "
        f"{changes[most]:.3f} on average) and least in "
        f"{escape(block_label(selections[least].block))} (by {changes[least]:.3f})."
    )


def selection_summary(selection: Selection, view: int) -> str:
    """A block's largest and smallest weight, and the change of its gate by selection, for one
    view."""
    weights = selection.weights[view]
    order = np.argsort(-weights, kind="stable")
    names = [escape(selection.dependencies[place]) for place in order]
    shares = [percent(weights[place], 0) for place in order]
    equal = percent(1 / len(weights), 0)
    if selection.aggregation == "avg":
        summary = f"**This block averages:** each dependency has weight {equal} for every video."
    elif weights.max() - weights.min() <= EQUAL_WITHIN:
        summary = (
            f"**Almost equal weights:** {shares[-1]} to {shares[0]}; equal shares are {equal} each."
        )
    else:
        summary = (
            f"**Largest weight: {names[0]} ({shares[0]})**; smallest: {names[-1]} ({shares[-1]}); "
            f"equal shares are {equal} each."
        )
    difference = selection.gate[view].astype(float) - selection.average_gate[view]
    change = float(selection.gate_change[view])
    if not difference.any():
        return f"{summary} With equal weights its gate is the same."
    mean = float(difference.mean())
    direction = "rises" if mean > 0 else "falls"
    return (
        f"{summary} Compared with equal weights, the gate changes by {change:.3f} on average and "
        f"by at most {np.abs(difference).max():.3f}; the mean gate {direction} by "
        f"{abs(mean):.3f}, from {selection.average_gate[view].mean(dtype=float):.3f} to "
        f"{selection.gate[view].mean(dtype=float):.3f}."
    )


def dependency_heading(selection: Selection, dependency: str, view: int) -> str:
    """A dependency, the region it pools, its weight in the block, the energy of its response."""
    place = selection.dependencies.index(dependency)
    weight, energy = selection.weights[view, place], selection.energy[view, place]
    return (
        f"**{escape(dependency)}:** {escape(dependency_meaning(dependency))}. Weight "
        f"{percent(weight, 0)}, energy {energy:.2f}."
    )


def familiarity(analysis: Analysis) -> str:
    """Similarity of the video to the training data, with the numbers behind it."""
    always = (
        f"The model was trained on {escape(analysis.model.trained_on)} and can only answer with "
        f"one of its {len(analysis.model.classes)} classes."
    )
    measured = analysis.familiarity
    if measured is None:
        return f"{always} Similarity of this video to the training data was not measured."
    if measured.is_familiar:
        result, side = "This video looks like the training data", "at or above"
    else:
        result = (
            "**This video does not look like the training data: do not rely on the prediction**"
        )
        side = "below"
    return (
        f"{result}. Its score {decimal(measured.score)} is {side} the threshold of "
        f"{decimal(measured.threshold)}, which {percent(measured.true_rate)} of the validation "
        f"videos reach ({measured.method}). {always}"
    )


def compute_cost(analyses: Sequence[Analysis]) -> str:
    """A Markdown table of each model's cost on this video."""
    heads = "|  | " + " | ".join(escape(a.model.name) for a in analyses) + " |"
    rows: list[tuple[str, Callable[[Analysis], str]]] = [
        ("Parameters", lambda a: si_number(a.model.params)),
        ("Multiply-adds per view", lambda a: si_number(a.model.macs)),
        ("Views per video", lambda a: str(a.protocol.num_views)),
        ("Multiply-adds per video", lambda a: si_number(a.model.macs * a.protocol.num_views)),
        ("Inference time (s)", lambda a: _seconds(a, "network")),
        ("Preprocessing time (s)", lambda a: _seconds(a, "transform")),
        ("Scoring of a view", lambda a: SNIPPET_MIXING[a.model.consensus]),
    ]
    lines = [f"| {title} | " + " | ".join(map(cell, analyses)) + " |" for title, cell in rows]
    return "\n".join([heads, "|---" * (len(analyses) + 1) + "|", *lines])


def _seconds(analysis: Analysis, step: str) -> str:
    return f"{analysis.seconds[step]:.2f}" if step in analysis.seconds else "–"


def measured_accuracy(accuracy: Mapping[str, Any]) -> str:
    """Measured top-1 accuracy, over all videos and per group of classes."""
    if "top1" not in accuracy:
        return "Accuracy was not measured."
    groups = ", ".join(
        f"{group} {percent(share)}" for group, share in accuracy.get("per_group", {}).items()
    )
    where = escape(str(accuracy.get("dataset", "its validation data")))
    parts = f" ({groups})" if groups else ""
    return f"Top-1 accuracy on {where}: {percent(accuracy['top1'])}{parts}."


def model_details(
    analysis: Analysis, description: str = "", accuracy: Mapping[str, Any] | None = None
) -> str:
    """Model, input, aggregation, weights, video and times as a Markdown list.

    accuracy: as measured for these weights, {} if it was not; None leaves the sentence out.
    """
    model, protocol, video = analysis.model, analysis.protocol, analysis.video
    times = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in analysis.seconds.items())
    shared = "" if "decode" in analysis.seconds else " Frames were already decoded."
    measured = "" if accuracy is None else f" {measured_accuracy(accuracy)}"
    lines = [
        f"**Model:** {escape(model.name)}{f', {escape(description)}' if description else ''}.",
        f"**Input:** {protocol.describe()}. {frames_used(analysis)}",
        f"**Prediction:** {_aggregation(analysis)}",
        f"**Weights:** {escape(model.weights)} (sha256 {model.weights_sha256[:12]}), trained on "
        f"{escape(model.trained_on)}.{measured}",
        f"**Video:** {video_facts(video)}"
        f"{f' (sha256 {video.sha256[:12]})' if video.sha256 else ''}.",
        *(f"**Note:** {escape(note)}." for note in video.notes),
        f"**Time:** {times}.{shared}",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _aggregation(analysis: Analysis) -> str:
    views, how = analysis.protocol.num_views, SNIPPET_MIXING[analysis.model.consensus]
    if views == 1:
        return f"one view: {how}, then softmax."
    return f"{views} views: {how}, then softmax; probabilities are averaged over the views."
