"""Which block matters for which category, over a run: the section of the page Layers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st

from app.server import runs
from app.ui import run_widgets
from dsanet_core.figures.block_ablation import effects_of_blocks, effects_of_categories
from dsanet_core.figures.style import block_label
from dsanet_core.records import Run, RunEffects
from dsanet_core.report.text import escape
from dsanet_core.serialize import CsvTable
from dsanet_core.text_format import percent, points

READING = (
    "How to read it: each block alone is made neutral (a DSA block with the identity kernel, an "
    "SDA block with its gate off). Above, over all videos, below per category: how many points of "
    "probability the true category loses on average. Blue: the block carries the category; orange: "
    "it stands against it. The hover text has how often the network is then still right."
)


def section(run: Run, categories: Sequence[str], *, chosen: str = "") -> None:
    """The figures of a run that has been asked, a sentence on how to ask it for another one.

    categories: their names in the order to draw. chosen: the category that is marked.
    """
    st.subheader("Which block matters for which category")
    effects = runs.effects_of(run.id)
    if effects is None:
        st.info(how_to_make(run), icon=":material/info:")
        return
    st.markdown(lead(effects, run.classes))
    run_widgets.figure(
        effects_of_blocks(effects), "Points of probability lost without each block",
        name=f"effects_{run.id}",
    )
    rows = [run.classes.index(name) for name in categories]
    run_widgets.figure(
        effects_of_categories(effects, run.classes, rows, chosen=chosen),
        "Points of probability that each category loses without each block",
        name=f"effects_{run.id}_map",
    )
    st.caption(READING)
    st.download_button(
        "Which block matters (CSV)", partial(to_csv, effects, run.classes),
        f"effects_{run.id}.csv", "text/csv", icon=":material/download:", on_click="ignore",
    )


def how_to_make(run: Run) -> str:
    """What to do for a run whose blocks have not been tried one by one."""
    if run.made_up:
        return "This run is made up: it has no network whose blocks could be tried one by one."
    return (
        "For this run the blocks have not been tried one by one yet. That runs the network once "
        f"more for each of them: `python -m dsanet_core effects {run.id}`"
    )


def lead(effects: RunEffects, classes: Sequence[str]) -> str:
    """Which block the network hangs on most, and for which category most of all."""
    known = np.flatnonzero(effects.videos)
    before, after, drop = map(
        effects.over_videos, (effects.before, effects.after, effects.drop)
    )
    most = int(drop.argmax())
    own = effects.drop[known, most]
    first, last = known[int(own.argmax())], known[int(own.argmin())]
    return (
        f"**The network hangs most on {escape(block_label(effects.blocks[most]))}:** without it "
        f"{percent(float(before))} right answers become "
        f"{percent(float(after[most]))}, over {int(effects.videos.sum())} videos. It matters most "
        f"for “{escape(classes[first])}” ({points(-own.max())}) and least for "
        f"“{escape(classes[last])}” ({points(-own.min())})."
    )


def to_csv(effects: RunEffects, classes: Sequence[str]) -> str:
    """One row per category with videos and block."""
    out = io.StringIO()
    table = CsvTable(out)
    table.writerow([
        "category", "videos", "block", "change", "accuracy", "accuracy_without",
        "probability_lost",
    ])
    for row in np.flatnonzero(effects.videos).tolist():
        for place, block in enumerate(effects.blocks):
            numbers = (effects.before[row], effects.after[row, place], effects.drop[row, place])
            table.writerow([
                classes[row], int(effects.videos[row]), block, effects.changes[place],
                *(f"{number:.6g}" for number in numbers),
            ])
    return out.getvalue()
