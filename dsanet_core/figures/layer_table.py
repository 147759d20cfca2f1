"""The numbers of a run's layers as figures, sentences and exports take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dsanet_core.errors import RecordError
from dsanet_core.figures.style import stage_and_place
from dsanet_core.records import DISTANCES, Array, Layers, Run

UNIFORM = 1e-4
"""Weights no farther than this from equal shares, in every video, select nothing."""


@dataclass(frozen=True, kw_only=True)
class LayerTable:
    """Quantities of blocks or stages for categories in the order in which they are drawn.

    categories: their names; groups: the group of each, "" for none; videos: (categories,) how many
    each has. columns: dotted names of blocks, or stages ("res2"). value: (categories, columns,
    quantities) means over the videos of a category, or how much they are greater than those of
    another run; terms: the means of both runs then. spread: of the same shape, standard deviations
    over videos; None for a difference.
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
        """Do the quantities of a block sum to 1, as weights do and distances do not?"""
        return not set(self.quantities) & set(DISTANCES)

    @property
    def is_difference(self) -> bool:
        return self.terms is not None

    def take(self, rows: Sequence[int] | Array) -> LayerTable:
        """These categories alone, in this order."""
        rows = np.asarray(rows, dtype=int)
        return replace(
            self,
            categories=tuple(self.categories[row] for row in rows),
            groups=tuple(self.groups[row] for row in rows),
            videos=self.videos[rows],
            value=self.value[rows],
            spread=None if self.spread is None else self.spread[rows],
            terms=None if self.terms is None else (self.terms[0][rows], self.terms[1][rows]),
        )

    def only(self, quantity: str) -> LayerTable:
        """One quantity alone; a share stays a share."""
        place = [self.quantities.index(quantity)]
        return replace(
            self,
            quantities=(quantity,),
            value=self.value[..., place],
            spread=None if self.spread is None else self.spread[..., place],
            terms=None
            if self.terms is None
            else (self.terms[0][..., place], self.terms[1][..., place]),
        )

    def by_stage(self) -> LayerTable:
        """The blocks of a stage averaged; so are their standard deviations, which is no less than
        the standard deviation of the averages. Stages already are left as they are."""
        stages = stages_of(self.columns)

        def mean(values: Array) -> Array:
            return np.stack([values[:, places].mean(1) for places in stages.values()], 1)

        return replace(
            self,
            columns=tuple(stages),
            value=mean(self.value),
            spread=None if self.spread is None else mean(self.spread),
            terms=None if self.terms is None else (mean(self.terms[0]), mean(self.terms[1])),
        )


def stages_of(columns: Sequence[str]) -> dict[str, list[int]]:
    """Stage -> places of its blocks; a block of another name is a stage of its own."""
    found: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        stage = stage_and_place(column)
        found.setdefault(column if stage is None else stage[0], []).append(place)
    return found


def layer_table(run: Run, layers: Layers, groups: Sequence[str]) -> LayerTable:
    """`layers` of a run, every category that has videos, in the order of the classes.

    groups: that of every class.
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
    """Every category as one: mean and standard deviation over the videos of all."""
    share = (table.videos / table.videos.sum())[:, None, None]

    def mean(values: Array) -> Array:
        return np.asarray((share * values).sum(0, keepdims=True))

    value = mean(table.value)
    spread = None
    if table.spread is not None:
        # Within the categories and between them: together the variance over all videos.
        spread = np.sqrt(mean(table.spread**2 + (table.value - value) ** 2))
    return replace(
        table,
        categories=("all videos",),
        groups=("",),
        videos=table.videos.sum(keepdims=True),
        value=value,
        spread=spread,
        terms=None if table.terms is None else (mean(table.terms[0]), mean(table.terms[1])),
    )


def difference(first: LayerTable, second: LayerTable) -> LayerTable:
    """How much greater the first is, for the categories that both have, in the order of the first.

    Raises RecordError for other blocks, other quantities, or no category in common.
    """
    _require_same("blocks", first.columns, second.columns)
    _require_same("quantities", first.quantities, second.quantities)
    place = {name: row for row, name in enumerate(second.categories)}
    common = [row for row, name in enumerate(first.categories) if name in place]
    if not common:
        raise RecordError(
            f"the two runs have no category in common: {first.categories[0]!r} and others against "
            f"{second.categories[0]!r} and others",
            "runs over the same categories",
            "Choose another run to compare with.",
        )
    first = first.take(common)
    other = second.take([place[name] for name in first.categories])
    return replace(
        first, value=first.value - other.value, spread=None, terms=(first.value, other.value)
    )


def is_uniform(layers: Layers) -> bool:
    """Do all blocks give every dependency the same weight in every video, as AVG does?"""
    off = np.abs(layers.mean - 1 / len(layers.quantities)) + layers.spread
    return bool(np.nanmax(off, initial=0) < UNIFORM)


def group_spans(groups: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Group -> its first and last row; empty unless there are several and each stands together."""
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
    apart = [name for name in (*first, *second) if (name in first) != (name in second)]
    named = f", for example {apart[0]!r} is in one of them alone" if apart else " in another order"
    raise RecordError(
        f"the two runs have {len(first)} and {len(second)} {what}{named}",
        f"the same {what} in both",
        "Choose another run to compare with: one of the same kind of network.",
    )
