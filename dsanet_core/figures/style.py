"""Shared by all figures: a transparent background, light grids, and text that fits."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from textwrap import wrap as wrap_lines

import numpy as np
import plotly.graph_objects as go

from dsanet_core.figures import palette
from dsanet_core.records import Analysis, Run


def blank(height: int) -> go.Figure:
    """An empty figure of `height` pixels; fonts and text colour come from the page."""
    axis = {
        "gridcolor": palette.GRID,
        "zerolinecolor": palette.GRID,
        "linecolor": palette.GRID,
        "automargin": True,
    }
    return go.Figure(
        layout={
            "height": height,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "paper_bgcolor": palette.TRANSPARENT,
            "plot_bgcolor": palette.TRANSPARENT,
            "xaxis": axis,
            "yaxis": axis,
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        }
    )


def plain(text: str) -> str:
    """Escaped text on one line: Plotly reads `<b>` as markup and `%{x}` as a field; control
    characters could reverse the direction of the text that follows."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return html.escape(printable, quote=False).replace("%{", "%&#123;")


def wrap(text: str, width: int) -> str:
    """Text in lines of at most `width` characters."""
    return "<br>".join(plain(line) for line in wrap_lines(text, width))


def shorten(name: str, length: int = 60) -> str:
    """A long name with its middle replaced by an ellipsis."""
    if len(name) <= length:
        return name
    half = (length - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def stage_and_place(block: str) -> tuple[str, int] | None:
    """layer2.1.sda -> ("res3", 2), as the papers count; None for a block of another name."""
    match = re.search(r"layer(\d+)\.(\d+)", block)
    return None if match is None else (f"res{int(match[1]) + 1}", int(match[2]) + 1)


def block_label(block: str) -> str:
    """layer2.1.sda -> "res3, block 2"; a stage, or any other name, is returned unchanged."""
    stage = stage_and_place(block)
    return block if stage is None else f"{stage[0]}, block {stage[1]}"


def snippet_word(analyses: Sequence[Analysis]) -> str:
    """"snippet" or "frame": the scored parts of the video; "snippet" if the models differ."""
    words = {analysis.protocol.snippet_word for analysis in analyses}
    return words.pop() if len(words) == 1 else "snippet"


def same_frames(a: Analysis, b: Analysis) -> bool:
    """True if the snippets of both analyses are made of the same frames of the video."""
    return np.array_equal(a.frame_index, b.frame_index)


def run_names(runs: Sequence[Run]) -> list[str]:
    """Labels of the runs: the model's name where it is unique among them, else the run's id."""
    names = [run.model.name for run in runs]
    return [
        name if names.count(name) == 1 else run.id for name, run in zip(names, runs, strict=True)
    ]
