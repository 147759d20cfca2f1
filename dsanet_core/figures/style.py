"""Shared by all figures: a transparent background, light grids, and text that fits.

Colours with a meaning, the same in all figures, for light and dark pages.

Each has at least 3:1 contrast against both page backgrounds (WCAG 2.2, graphical objects), and
neighbouring ones remain distinguishable under the three dichromacies; tests check both. Correct
and incorrect also differ by symbol, so that nothing depends on colour alone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from textwrap import wrap as wrap_lines

import numpy as np
import plotly.graph_objects as go

from dsanet_core.records import Analysis, Run


def blank(height: int) -> go.Figure:
    """An empty figure of `height` pixels; fonts and text colour come from the page."""
    axis = {
        "gridcolor": GRID,
        "zerolinecolor": GRID,
        "linecolor": GRID,
        "automargin": True,
    }
    return go.Figure(
        layout={
            "height": height,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "paper_bgcolor": TRANSPARENT,
            "plot_bgcolor": TRANSPARENT,
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


LIGHT_PAGE = "#FFFFFF"
DARK_PAGE = "#0F1419"

CATEGORICAL = ("#0072B2", "#D97706", "#9429FF", "#815931", "#949494")
"""For chosen classes, in order of choice; marker symbols repeat the distinction."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross")

_NAMED = ("LST", "LT", "LS", "S122", "S144", "S222")
_MARKS = [*zip(CATEGORICAL, SYMBOLS, strict=True), ("#DD55FF", "x")]


def dependency_marks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and symbol of each dependency of an SDA block, the same for a name in all figures.

    Dependencies that the paper does not name get the unused ones, which repeat after 6.
    """
    marks = dict(zip(_NAMED, _MARKS, strict=True))
    free = [mark for name, mark in marks.items() if name not in names] or _MARKS
    unnamed = [name for name in names if name not in marks]
    marks |= {name: free[place % len(free)] for place, name in enumerate(unnamed)}
    return {name: marks[name] for name in names}


MODEL_A, MODEL_B = CATEGORICAL[:2]

RIGHT, WRONG, NEUTRAL = "#009E73", "#CC3311", "#7F7F7F"
RIGHT_SYMBOL, WRONG_SYMBOL = "✓", "✗"

GRID = "rgba(127,127,127,0.28)"
TRANSPARENT = "rgba(0,0,0,0)"

SEQUENTIAL = "Cividis"
"""Plotly scale for magnitudes: perceptually uniform, suitable for colour-blind readers."""
DIVERGING = ((0, CATEGORICAL[1]), (0.5, "rgba(127,127,127,0.10)"), (1, CATEGORICAL[0]))
"""Scale for differences: orange below 0, blue above, 0 nearly transparent."""


def faded(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


AGAINST, FOR = CATEGORICAL[1], CATEGORICAL[0]
"""Evidence against and for a class: the ends of `DIVERGING`."""
HEAT = (
    (0, faded(AGAINST, 0.9)), (0.5, faded(AGAINST, 0)),
    (0.5, faded(FOR, 0)), (1, faded(FOR, 0.9)),
)
"""`DIVERGING` as an overlay on images: 0 is transparent."""
