"""How the numbers of a run's layers are named, scaled and said in their figures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dsanet_core.figures.layer_table import LayerTable, stages_of
from dsanet_core.figures.style import plain, stage_and_place
from dsanet_core.records import Array

LEAST_CHANGE, LEAST_SPAN = 0.01, 0.02
"""Scales reach at least so far: what is small shall look so."""


def column_name(column: str) -> str:
    """layer2.1.sda -> "res3, block 2"; a stage and any other name as it is."""
    stage = stage_and_place(column)
    return column if stage is None else f"{stage[0]}, block {stage[1]}"


def stage_spans(columns: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    """Stage, its first and its last column."""
    for stage, places in stages_of(columns).items():
        yield stage, places[0], places[-1]


def axis_title(table: LayerTable) -> str:
    if table.is_difference:
        return "Difference (points)" if table.is_share else "Difference"
    return "Weight" if table.is_share else "Distance"


def tick_format(table: LayerTable) -> str:
    return ".0%" if table.is_share and not table.is_difference else ""


def drawn_values(table: LayerTable) -> Array:
    """The values on the axes: differences of shares in points, all else as it is."""
    return table.value * unit(table)


def unit(table: LayerTable) -> float:
    return 100.0 if table.is_share and table.is_difference else 1.0


def hover_detail(table: LayerTable, place: int) -> Array:
    """(categories, columns, 1 or 2): what a hover text adds, in points where weights are: the
    standard deviation, or the values of both runs."""
    terms = (table.spread,) if table.terms is None else table.terms
    scale = 100 if table.is_share else 1
    parts = [scale * term[:, :, place] for term in terms if term is not None]
    return np.stack(parts, -1).astype(np.float32)


def hover_text(table: LayerTable, name: str, axis: str) -> str:
    """The hover text of one value."""
    name = plain(name)
    if not table.is_difference:
        if table.is_share:
            return f"{name}: %{{{axis}:.1%}} ± %{{customdata[0]:.1f}} points"
        return f"{name}: %{{{axis}:.3f}} ± %{{customdata[0]:.3f}}"
    if table.is_share:
        both = "%{customdata[0]:.1f} % against %{customdata[1]:.1f} %"
        return f"{name}: %{{{axis}:+.1f}} points, {both}"
    both = "%{customdata[0]:.3f} against %{customdata[1]:.3f}"
    return f"{name}: %{{{axis}:+.3f}}, {both}"
