"""Block importance per class over a run: a section of the page Layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st

from app.server import runs
from app.ui import exports, run_widgets
from dsanet_core.csv_text import csv_text
from dsanet_core.figures.block_ablation import effects_of_blocks, effects_of_categories
from dsanet_core.figures.style import block_label
from dsanet_core.records import Run, RunEffects
from dsanet_core.report.text import escape
from dsanet_core.text_format import percent, points

READING = (
    "How to read it: each block alone is made neutral (DSA: identity kernel; SDA: gate off). Bars: "
    "all videos; map: one row per class. The value is the mean loss of the true class's "
    "probability, in points. Blue: the block supports the class; orange: it works against it. The "
    "hover text gives the accuracy without the block."
)


def section(run: Run, categories: Sequence[str], *, chosen: str = "") -> None:
    """Figures of a run whose blocks have been ablated; for another one, how to ablate them.

    categories: class names in the order to draw. chosen: the class that is marked.
    """
    st.subheader("Block importance per class")
    effects = runs.effects_of(run.id)
    if effects is None:
        st.info(missing(run), icon=":material/info:")
        return
    st.markdown(lead(effects, run.classes))
    run_widgets.figure(
        effects_of_blocks(effects), "Points of probability lost without each block",
        name=f"effects_{run.id}",
    )
    rows = [run.classes.index(name) for name in categories]
    run_widgets.figure(
        effects_of_categories(effects, run.classes, rows, chosen=chosen),
        "Points of probability that each class loses without each block",
        name=f"effects_{run.id}_map",
    )
    st.caption(READING)
    exports.download(
        "Block importance", "CSV", partial(to_csv, effects, run.classes), f"effects_{run.id}",
        "effects_csv",
    )


def missing(run: Run) -> str:
    """Reason why a run has no block importance, and the command that computes it."""
    if run.made_up:
        return "This run is made up: it has no model whose blocks could be ablated."
    return (
        "Block importance has not been computed for this run. It takes one more pass over the "
        f"dataset per block: `python -m dsanet_core effects {run.id}`"
    )


def lead(effects: RunEffects, classes: Sequence[str]) -> str:
    """The most important block, and the classes for which it matters most and least."""
    known = np.flatnonzero(effects.videos)
    before, after, drop = map(
        effects.over_videos, (effects.before, effects.after, effects.drop)
    )
    block = int(drop.argmax())
    lost = effects.drop[known, block]
    most, least = known[int(lost.argmax())], known[int(lost.argmin())]
    return (
        f"**Most important block: {escape(block_label(effects.blocks[block]))}.** Without it, "
        f"accuracy over {int(effects.videos.sum())} videos changes from {percent(float(before))} "
        f"to {percent(float(after[block]))}. It matters most for “{escape(classes[most])}” "
        f"({points(-lost.max())}) and least for “{escape(classes[least])}” "
        f"({points(-lost.min())})."
    )


def to_csv(effects: RunEffects, classes: Sequence[str]) -> str:
    """One row per class with videos and block."""
    header = [
        "category", "videos", "block", "change", "accuracy", "accuracy_without",
        "probability_lost",
    ]
    return csv_text(header, (
        [
            classes[row], int(effects.videos[row]), block, effects.changes[index],
            f"{effects.before[row]:.6g}", f"{effects.after[row, index]:.6g}",
            f"{effects.drop[row, index]:.6g}",
        ]
        for row in np.flatnonzero(effects.videos).tolist()
        for index, block in enumerate(effects.blocks)
    ))
