"""The values of a run's SDA or DSA blocks per class, as figures, sentences and exports use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dsanet_core.errors import RecordError
from dsanet_core.figures.style import plain, stage_and_place
from dsanet_core.records import DISTANCES, Array, Layers, Run

UNIFORM = 1e-4
"""Weights within this distance of equal shares, in every video, select nothing."""


@dataclass(frozen=True, kw_only=True)
class LayerTable:
    """Quantities of blocks or stages for classes, in the order in which they are drawn.

    categories: class names; groups: the group of each, "" for none; videos: (classes,) number of
    videos. columns: dotted names of blocks, or stages ("res2"). value: (classes, columns,
    quantities) means over the videos of a class, or their difference from another run; terms: then
    the means of both runs. spread: same shape, standard deviations over videos; None for a
    difference.
    """

    categories: tuple[str, ...]
    groups: tuple[str, ...]
    videos: Array
    columns: tuple[str, ...]
    quantities: tuple[str, ...]
    value: Array
    spread: Array | None = None
    terms: tuple[Array, Array] | None = None

    @property
    def is_share(self) -> bool:
        """True for weights, which sum to 1 in a block; False for distances."""
        return not set(self.quantities) & set(DISTANCES)

    @property
    def is_difference(self) -> bool:
        return self.terms is not None

    @property
    def scale(self) -> float:
        """Factor from `value` to the values on axes: differences of weights are in points."""
        return 100.0 if self.is_share and self.is_difference else 1.0

    @property
    def scaled(self) -> Array:
        """`value` as drawn on axes."""
        return self.value * self.scale

    @property
    def axis_title(self) -> str:
        if self.is_difference:
            return "Difference (points)" if self.is_share else "Difference"
        return "Weight" if self.is_share else "Distance"

    @property
    def tick_format(self) -> str:
        return ".0%" if self.is_share and not self.is_difference else ""

    def hover_data(self, quantity_index: int) -> Array:
        """(classes, columns, 1 or 2) standard deviations, or the values of both runs, of one
        quantity; weights in points."""
        terms = (self.spread,) if self.terms is None else self.terms
        scale = 100 if self.is_share else 1
        parts = [scale * term[:, :, quantity_index] for term in terms if term is not None]
        return np.stack(parts, -1).astype(np.float32)

    def hover_template(self, quantity: str, axis: str) -> str:
        """Plotly template of one value on `axis` ("y" or "z"), with `hover_data` as custom data."""
        name = plain(quantity)
        if self.is_difference:
            value, unit, detail = (":+.1f", " points", ":.1f") if self.is_share else (
                ":+.3f", "", ":.3f")
            sign = "%" if self.is_share else ""
            both = f"%{{customdata[0]{detail}}}{sign} vs. %{{customdata[1]{detail}}}{sign}"
            return f"{name}: %{{{axis}{value}}}{unit}, {both}"
        if self.is_share:
            return f"{name}: %{{{axis}:.1%}} ± %{{customdata[0]:.1f}} points"
        return f"{name}: %{{{axis}:.3f}} ± %{{customdata[0]:.3f}}"

    def take(self, rows: Sequence[int] | Array) -> LayerTable:
        """The classes at these positions alone, in this order."""
        rows = np.asarray(rows, dtype=int)
        table = replace(
            self,
            categories=tuple(self.categories[row] for row in rows),
            groups=tuple(self.groups[row] for row in rows),
            videos=self.videos[rows],
        )
        return table._map_values(lambda values: values[rows])

    def only(self, quantity: str) -> LayerTable:
        """One quantity alone; weights stay shares of a block."""
        index = [self.quantities.index(quantity)]
        table = replace(self, quantities=(quantity,))
        return table._map_values(lambda values: values[..., index])

    def by_stage(self) -> LayerTable:
        """Averages over the blocks of each stage, of standard deviations too; the latter are an
        upper bound of the standard deviation of the averages. Stages are left as they are."""
        stages = stages_of(self.columns)
        table = replace(self, columns=tuple(stages))
        return table._map_values(lambda values: np.stack(
            [values[:, indices].mean(1) for indices in stages.values()], 1
        ))

    def _map_values(self, function: Callable[[Array], Array]) -> LayerTable:
        """The table with `function` applied to values, standard deviations and terms."""
        return replace(
            self,
            value=function(self.value),
            spread=None if self.spread is None else function(self.spread),
            terms=None if self.terms is None else (
                function(self.terms[0]), function(self.terms[1])),
        )


def stages_of(columns: Sequence[str]) -> dict[str, list[int]]:
    """Stage -> indices of its blocks; a block of another name is a stage of its own."""
    found: dict[str, list[int]] = {}
    for index, column in enumerate(columns):
        stage = stage_and_place(column)
        found.setdefault(column if stage is None else stage[0], []).append(index)
    return found


def layer_table(run: Run, layers: Layers, groups: Sequence[str]) -> LayerTable:
    """`layers` of a run for every class that has videos, in the order of the classes.

    groups: the group of every class.
    """
    table = LayerTable(
        categories=run.classes,
        groups=tuple(groups),
        videos=run.videos_per_class,
        columns=layers.blocks,
        quantities=layers.quantities,
        value=layers.mean,
        spread=layers.spread,
    )
    return table.take(np.flatnonzero(np.isfinite(layers.mean).all((1, 2))))


def all_videos(table: LayerTable) -> LayerTable:
    """All classes merged into one: mean and standard deviation over all videos."""
    share = (table.videos / table.videos.sum())[:, None, None]

    def mean(values: Array) -> Array:
        return np.asarray((share * values).sum(0, keepdims=True))

    merged = replace(
        table, categories=("all videos",), groups=("",), videos=table.videos.sum(keepdims=True)
    )._map_values(mean)
    if table.spread is None:
        return merged
    # Within the classes and between them: together the variance over all videos.
    return replace(
        merged, spread=np.sqrt(mean(table.spread**2 + (table.value - merged.value) ** 2))
    )


def difference(first: LayerTable, second: LayerTable) -> LayerTable:
    """`first` minus `second`, for the classes that both have, in the order of the first.

    Raises RecordError for other blocks, other quantities, or no class in common.
    """
    _require_same("blocks", first.columns, second.columns)
    _require_same("quantities", first.quantities, second.quantities)
    row_of = {name: row for row, name in enumerate(second.categories)}
    common = [row for row, name in enumerate(first.categories) if name in row_of]
    if not common:
        raise RecordError(
            f"the two runs have no class in common: the first has {first.categories[0]!r}, the "
            f"second {second.categories[0]!r}",
            "runs over the same classes",
            "Choose another run to compare with.",
        )
    first = first.take(common)
    other = second.take([row_of[name] for name in first.categories])
    return replace(
        first, value=first.value - other.value, spread=None, terms=(first.value, other.value)
    )


def is_uniform(layers: Layers) -> bool:
    """True where all blocks give every dependency the same weight in every video, as AVG does."""
    off = np.abs(layers.mean - 1 / len(layers.quantities)) + layers.spread
    return bool(np.nanmax(off, initial=0) < UNIFORM)


def group_spans(groups: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Group -> its first and last row; empty for a single group, or where one is scattered."""
    spans: dict[str, tuple[int, int]] = {}
    for row, group in enumerate(groups):
        first, last = spans.get(group, (row, row - 1))
        if last != row - 1:
            return {}
        spans[group] = (first, row)
    return spans if len(spans) > 1 else {}


def _require_same(what: str, first: Sequence[str], second: Sequence[str]) -> None:
    if first == second:
        return
    unshared = [name for name in (*first, *second) if (name in first) != (name in second)]
    detail = f"{unshared[0]!r} is in one of them only" if unshared else "in another order"
    raise RecordError(
        f"the two runs have {len(first)} and {len(second)} {what}, {detail}",
        f"the same {what} in both",
        "Choose another run to compare with: one of the same kind of model.",
    )
