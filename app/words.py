"""Sentences and tables about a record, for pages and exports. Pure functions of L0 records."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dsanet_core.figures.style import percent as percent
from dsanet_core.records import Analysis, Kernel, Protocol, Video

CONSENSUS = {
    "average": "scores averaged",
    "dsa": "features joined by DSA, scores averaged",
}

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$:~&])")


def escape(text: str) -> str:
    """Text that came from outside, on one line and inert inside Markdown."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return _MARKDOWN.sub(r"\\\1", " ".join(printable.split()))


def shorten(name: str, length: int = 60) -> str:
    """The middle of an overlong name left out, so that both its ends can be read."""
    if len(name) <= length:
        return name
    half = (length - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def amount(number: float) -> str:
    """A count with three digits and its SI prefix: 2.01 M, 83.8 G."""
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * size:
            return f"{number / size:#.3g}".rstrip(".") + f" {prefix}"
    return f"{number:.0f}"


def signed(number: float) -> str:
    """One decimal, with a real minus sign."""
    return f"{number:.1f}".replace("-", "−")


def video_facts(video: Video) -> str:
    claimed = video.num_frames_claimed
    off = claimed is not None and claimed != video.num_frames
    frames = f"{video.num_frames}{f' of {claimed} claimed' if off else ''} frames"
    turned = f", turned by {video.rotation}°" if video.rotation else ""
    return (
        f"{video.width} x {video.height} px{turned}, {video.duration_seconds:.1f} s, {frames}, "
        f"{video.fps:.4g} frames/s, {video.codec} in {video.container}"
    )


def copy(video: Video, seconds: float | None) -> str:
    """What is played instead of the file; seconds: how much of it, None if all."""
    part = "" if seconds is None else f" of the first {seconds:.0f} s"
    original = escape(f"{video.codec} in {video.container}")
    return f"A small copy in H.264{part}, without sound; the original is {original}."


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
        f"{100 * mean:.0f} % {name}" for mean, name in zip(values.mean(0), names, strict=True)
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
    return f"{order}: snippets {snippets}{f', {crop} crop' if crop else ''}"


def block_name(block: str) -> str:
    """layer2.1.dsa -> "res3, block 2 (layer2.1.dsa)", as the papers count."""
    match = re.search(r"layer(\d+)\.(\d+)", block)
    if match is None:
        return block
    return f"res{int(match[1]) + 1}, block {int(match[2]) + 1} ({block})"


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
        f"{verdict}: its score {signed(measured.score)} is {side} the threshold "
        f"{signed(measured.threshold)} that {percent(measured.true_rate)} of the validation "
        f"videos reach ({measured.method}). {always}"
    )


def snippet_scores(analyses: Sequence[Analysis]) -> str:
    """What a snippet's own score is made of: with DSA not of that snippet alone."""
    joined = [escape(a.model.name) for a in analyses if a.model.consensus == "dsa"]
    if not joined:
        return "Every snippet is scored on its own."
    return (
        f"In {' and '.join(dict.fromkeys(joined))} a snippet's score already draws on its "
        "neighbours of the same view."
    )


def costs(analyses: Sequence[Analysis]) -> str:
    """A Markdown table of what each network costs on this video."""
    heads = "|  | " + " | ".join(escape(a.model.name) for a in analyses) + " |"
    rows: list[tuple[str, Callable[[Analysis], str]]] = [
        ("Parameters", lambda a: amount(a.model.params)),
        ("Multiply-adds of one view", lambda a: amount(a.model.macs)),
        ("Views of the video", lambda a: str(a.protocol.num_views)),
        ("Multiply-adds of the video", lambda a: amount(a.model.macs * a.protocol.num_views)),
        ("Network, seconds here", lambda a: f"{a.seconds['network']:.2f}"),
        ("Preprocessing, seconds here", lambda a: f"{a.seconds['transform']:.2f}"),
        ("Snippets of a view", lambda a: CONSENSUS[a.model.consensus]),
    ]
    lines = [f"| {title} | " + " | ".join(map(cell, analyses)) + " |" for title, cell in rows]
    return "\n".join([heads, "|---" * (len(analyses) + 1) + "|", *lines])


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


def grounds(analysis: Analysis, description: str, accuracy: Mapping[str, Any]) -> str:
    """On what grounds the answer stands: protocol, weights, video and time, as a list."""
    model, protocol, video = analysis.model, analysis.protocol, analysis.video
    spent = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in analysis.seconds.items())
    shared = "" if "decode" in analysis.seconds else " The frames had been read already."
    lines = [
        f"**Network:** {escape(model.name)}{f', {escape(description)}' if description else ''}.",
        f"**Input:** {protocol.describe()}. {seen(analysis)}",
        f"**Answer:** in each of {protocol.num_views} views {CONSENSUS[model.consensus]}; then "
        "the softmax of every view, averaged over the views.",
        f"**Weights:** {escape(model.weights)} (sha256 {model.weights_sha256[:12]}), trained on "
        f"{escape(model.trained_on)}. {measured(accuracy)}",
        f"**Video:** {video_facts(video)} (sha256 {video.sha256[:12]}).",
        *(f"**Note:** {escape(note)}." for note in video.notes),
        f"**Time here:** {spent}.{shared}",
    ]
    return "\n".join(f"- {line}" for line in lines)


def kernels_to_csv(analysis: Analysis) -> str:
    """One row per block, view and channel; a column per tap, named by its offset."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    taps = max((kernel.values.shape[-1] for kernel in analysis.kernels), default=0)
    offsets = [f"offset_{tap - taps // 2:+d}" for tap in range(taps)]
    table.writerow(["block", "view", "channel", *offsets])
    for kernel in analysis.kernels:
        for view, channels in enumerate(kernel.values):
            for channel, weights in enumerate(channels):
                table.writerow([kernel.block, view, channel, *map(str, weights)])
    return out.getvalue()
