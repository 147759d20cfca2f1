"""Sentences and tables about a record, for pages and exports: the core's own, and those of pages
alone. Pure functions of L0 records."""

from __future__ import annotations

import io
import math

from dsanet_core.figures.style import shorten as shorten
from dsanet_core.figures.style import snippet_word as snippet_word
from dsanet_core.records import Analysis, Video
from dsanet_core.report.readings import compare_reading as compare_reading
from dsanet_core.report.readings import disagreement_reading as disagreement_reading
from dsanet_core.report.readings import snippet_scores as snippet_scores
from dsanet_core.report.readings import timeline_reading as timeline_reading
from dsanet_core.report.text import block_name as block_name
from dsanet_core.report.text import costs as costs
from dsanet_core.report.text import dependency_heading as dependency_heading
from dsanet_core.report.text import dependency_meaning as dependency_meaning
from dsanet_core.report.text import escape as escape
from dsanet_core.report.text import familiarity as familiarity
from dsanet_core.report.text import grounds as grounds
from dsanet_core.report.text import kernel_reading as kernel_reading
from dsanet_core.report.text import measured as measured
from dsanet_core.report.text import seen as seen
from dsanet_core.report.text import selection_lead as selection_lead
from dsanet_core.report.text import selection_reading as selection_reading
from dsanet_core.report.text import tap_name as tap_name
from dsanet_core.report.text import video_facts as video_facts
from dsanet_core.report.text import view_name as view_name
from dsanet_core.serialize import CsvTable
from dsanet_core.text_format import percent as percent
from dsanet_core.video.frame_folder import PICTURES


def copy(video: Video, seconds: float | None) -> str:
    """What is played instead of the file; seconds: how much of it, None if all."""
    part = "" if seconds is None else f" of the first {seconds:.0f} s"
    original = escape(f"{video.codec} in {video.container}")
    return f"A small copy in H.264{part}, without sound; the original is {original}."


def film(video: Video) -> str:
    """What is played of a video that was drawn for the network, or lies there as pictures."""
    if video.container == PICTURES:
        return (
            f"Put together to be watched; the network saw the pictures themselves, {video.width} x "
            f"{video.height} px."
        )
    return (
        f"Drawn again at a size to watch; the network saw the same video at {video.width} x "
        f"{video.height} px."
    )


def played(window: tuple[float, float] | None) -> tuple[float, float | None]:
    """From and to which second a part of a video is played; None: to its end."""
    start, end = window or (0.0, math.inf)
    return start, None if math.isinf(end) else end


def kernels_to_csv(analysis: Analysis) -> str:
    """One row per block, view and channel; a column per tap, named by its offset."""
    out = io.StringIO()
    table = CsvTable(out)
    taps = max((kernel.values.shape[-1] for kernel in analysis.kernels), default=0)
    offsets = [f"offset_{tap - taps // 2:+d}" for tap in range(taps)]
    table.writerow(["block", "view", "channel", *offsets])
    for kernel in analysis.kernels:
        for view, channels in enumerate(kernel.values):
            for channel, weights in enumerate(channels):
                table.writerow([kernel.block, view, channel, *map(str, weights)])
    return out.getvalue()


def in_line(before: int) -> str:
    """Where an analysis stands that waits: how many have their turn before it."""
    if not before:
        return "Waiting for its turn: it is the next"
    many = "analyses" if before > 1 else "analysis"
    return f"Waiting for its turn: {before} {many} of this server before it"
