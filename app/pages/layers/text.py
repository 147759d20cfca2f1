"""Sentences and exports of the page Layers. Pure functions of a run's layers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from app.ui import run_text
from dsanet_core.figures.layer_table import LayerTable, stages_of
from dsanet_core.figures.layers import colour_span
from dsanet_core.figures.style import block_label
from dsanet_core.records import Layers, Run
from dsanet_core.report.text import escape
from dsanet_core.runs.statistics import SIMILARITY
from dsanet_core.text_format import (
    csv_text,
    decimal,
    percent,
    points,
    signed,
)

WEIGHTS, KERNELS = "SDA weights", "DSA kernels"
BLOCKS, STAGES = "Every block", "Averaged per stage"
MODEL_ORDER, BY_GROUP, BY_SIMILARITY = "Model order", "By group", "By similarity"
ALL_QUANTITIES = "All"
PAPER_STAGES = ("res2", "res3", "res4", "res5")
"""Residual Blocks 1 to 4 of the paper."""
SHORT_RANGE = ("S122", "S144", "S222")
"""Dependencies that the paper calls short-range; LST, LT and LS it calls long-range."""
CLAIMS_READING = (
    "How to read it: weights over all videos, averaged over the blocks of a stage; the largest of "
    "each stage is bold. The paper's Residual Blocks 1 to 4 are the stages res2 to res5. Its "
    "statements are about ResNet-50 on Something-Something V1 (section 4.5); another model or "
    "other videos may differ."
)

Shares = Sequence[float]
"""Weights of one dependency in the four stages."""


class Claim(NamedTuple):
    """A statement of the paper on a dependency over the stages (SDA, section 4.5 on Figure 5)."""

    dependency: str
    statement: str
    holds: Callable[[Shares], bool]


class CheckedClaim(NamedTuple):
    """A claim, whether it holds, and the numbers it was checked with."""

    claim: Claim
    holds: bool
    shares: Shares


def _most_in(stage: int) -> Callable[[Shares], bool]:
    return lambda shares: all(shares[stage] > s for i, s in enumerate(shares) if i != stage)


def _least_in(stage: int) -> Callable[[Shares], bool]:
    return lambda shares: all(shares[stage] < s for i, s in enumerate(shares) if i != stage)


CLAIMS = (
    Claim("LST", "LST has its largest weight in the first stage, res2", _most_in(0)),
    Claim("LST", "the weight of LST decreases from stage to stage",
          lambda shares: all(np.diff(shares) < 0)),
    Claim("S122", "S122 has its largest weight in res3", _most_in(1)),
    Claim("S122", "S122 has its smallest weight in res5", _least_in(3)),
    Claim("LT", "LT has its largest weight in res4", _most_in(2)),
    Claim("LT", "LT has a smaller weight in res5 than in res4",
          lambda shares: shares[3] < shares[2]),
    Claim("LS", "LS has its largest weight in res5", _most_in(3)),
)


def kinds(run: Run) -> dict[str, Layers]:
    """The quantities that a run has, by their name in the choice."""
    found = {WEIGHTS: run.selections, KERNELS: run.kernels}
    return {name: layers for name, layers in found.items() if layers is not None}


def no_selection(run: Run, layers: Layers) -> str:
    """Reason why weights that are equal everywhere are not drawn."""
    name, count = escape(run.model.name), len(layers.quantities)
    if count == 1:
        return (
            f"{name} has a single dependency, {escape(layers.quantities[0])}: its weight is 100% "
            "in every block and video."
        )
    return (
        f"{name} averages its dependencies (AVG, Eq. 5 of the paper): the weight of each of "
        f"{escape(', '.join(layers.quantities))} is {percent(1 / count, 0)} in every block and "
        "video by construction."
    )


def lead(whole: LayerTable) -> str:
    """Summary of the values over all videos. whole: as of `all_videos`."""
    if whole.is_difference:
        return _difference_lead(whole)
    return _weights_lead(whole) if whole.is_share else _kernels_lead(whole)


def _weights_lead(whole: LayerTable) -> str:
    stages = whole.by_stage()
    parts = []
    for stage, weights in zip(stages.columns, stages.value[0], strict=True):
        best = int(weights.argmax())
        name = escape(whole.quantities[best])
        parts.append(f"{name} in {escape(stage)} ({percent(weights[best])})")
    lines = [f"**Largest mean weight per stage:** {', '.join(parts)}. Equal shares would be "
             f"{percent(1 / len(whole.quantities), 0)} each."]
    long_range = [i for i, name in enumerate(whole.quantities) if name not in SHORT_RANGE]
    if 0 < len(long_range) < len(whole.quantities):
        together = stages.value[0][:, long_range].sum(-1)
        most, least = int(together.argmax()), int(together.argmin())
        names = escape(", ".join(whole.quantities[index] for index in long_range))
        lines.append(
            f"**Long-range dependencies ({names}) together:** largest weight in "
            f"{escape(stages.columns[most])} ({percent(together[most])}), smallest in "
            f"{escape(stages.columns[least])} ({percent(together[least])}). Equal shares would be "
            f"{percent(len(long_range) / len(whole.quantities))}; the rest is short-range."
        )
    return "  \n".join(lines)


def _kernels_lead(whole: LayerTable) -> str:
    lines = []
    for index, name in enumerate(whole.quantities):
        values = whole.value[0, :, index]
        most, least = int(values.argmax()), int(values.argmin())
        lines.append(
            f"**{escape(name).capitalize()}:** largest in {_column(whole, most)} "
            f"({decimal(values[most], 2)}), smallest in {_column(whole, least)} "
            f"({decimal(values[least], 2)})."
        )
    return "  \n".join(lines)


def _difference_lead(whole: LayerTable) -> str:
    terms = whole.terms
    assert terms is not None
    change = whole.value[0]
    parts = []
    for place in np.argsort(-np.abs(change), axis=None, kind="stable")[:3]:
        block, quantity = np.unravel_index(place, change.shape)
        first, second = (term[0, block, quantity] for term in terms)
        value = percent if whole.is_share else _distance
        parts.append(
            f"{escape(whole.quantities[quantity])} in {_column(whole, int(block))} "
            f"{with_unit(whole, first - second)} ({value(first)} vs. {value(second)})"
        )
    return f"**Largest differences over all videos:** {', '.join(parts)}."


def _distance(value: float) -> str:
    return decimal(value, 3)


def stage_table(whole: LayerTable) -> str:
    """Weights per stage over all videos as a Markdown table, each stage's largest in bold."""
    stages = whole.by_stage()
    header = "| Stage | " + " | ".join(map(escape, whole.quantities)) + " |"
    lines = []
    for stage, weights in zip(stages.columns, stages.value[0], strict=True):
        cells = [percent(weight) for weight in weights]
        best = int(weights.argmax())
        cells[best] = f"**{cells[best]}**"
        lines.append(f"| {escape(stage)} | " + " | ".join(cells) + " |")
    return "\n".join([header, "|---" * (len(whole.quantities) + 1) + "|", *lines])


def check_claims(whole: LayerTable) -> list[CheckedClaim]:
    """The paper's claims on the dependencies of this model; none for a model without its stages."""
    stages = whole.by_stage()
    comparable = set(stages.columns) == set(PAPER_STAGES) and len(whole.quantities) > 1
    if not comparable or not whole.is_share or whole.is_difference:
        return []
    order = [stages.columns.index(stage) for stage in PAPER_STAGES]
    found = []
    for claim in CLAIMS:
        if claim.dependency in whole.quantities:
            index = whole.quantities.index(claim.dependency)
            shares = stages.value[0, order, index].tolist()
            found.append(CheckedClaim(claim, claim.holds(shares), shares))
    return found


def claims_list(found: Sequence[CheckedClaim]) -> str:
    """The checked claims as a Markdown list."""
    lines = []
    for claim, holds, shares in found:
        numbers = ", ".join(
            f"{stage} {percent(share)}" for stage, share in zip(PAPER_STAGES, shares, strict=True)
        )
        result = "Holds" if holds else "Does not hold"
        lines.append(f"- {run_text.symbol(holds)} **{result}:** {claim.statement} ({numbers}).")
    count = sum(each.holds for each in found)
    return "\n".join([f"**{count} of {len(found)} statements of the paper hold:**", "", *lines])


def largest_range(table: LayerTable) -> str:
    """The block and quantity that vary most between classes, and the classes at both ends."""
    extent = np.ptp(table.value, axis=0)
    block, quantity = np.unravel_index(int(extent.argmax()), extent.shape)
    values = table.value[:, block, quantity]
    low, high = int(values.argmin()), int(values.argmax())
    return (
        f"**Largest difference between classes:** {escape(table.quantities[quantity])} in "
        f"{_column(table, int(block))}, from {with_unit(table, values[low])} "
        f"(“{escape(table.categories[low])}”) to {with_unit(table, values[high])} "
        f"(“{escape(table.categories[high])}”)."
    )


def with_unit(table: LayerTable, value: float) -> str:
    """A value of a table with its unit."""
    if table.is_difference:
        return points(value) if table.is_share else signed(value)
    return percent(value) if table.is_share else decimal(value, 2)


def order_reading(order: str, classes: int, all_classes: int) -> str:
    """Number of classes shown, and their order."""
    orders = {
        MODEL_ORDER: "in the order of the model's outputs",
        BY_GROUP: "sorted by group, with lines between groups",
        BY_SIMILARITY: "sorted so that neighbours have similar values in all blocks (hierarchical "
                       f"clustering: {SIMILARITY})",
    }
    return f"{classes} of {all_classes} classes, {orders[order]}."


def spread_reading(table: LayerTable, by_stage: bool) -> str:
    """Meaning of the bands and of ±."""
    if table.is_difference:
        return "Differences have no band; the hover text has the values of both runs."
    stage = " For a stage it is the mean of its blocks' deviations." if by_stage else ""
    return (
        "Bands and ± show one standard deviation over videos (each averaged over its views), not "
        f"the uncertainty of the mean.{stage}"
    )


def quantity_reading(table: LayerTable) -> str:
    """Meaning of the values."""
    if table.is_difference:
        unit = "percentage points of weight" if table.is_share else "units of the distance"
        return f"Values are the first run minus the second, in {unit}."
    if table.is_share:
        return "The weights of a block sum to 100%; the dashed line marks equal shares."
    return (
        "Distances are total-variation distances, averaged over channels. From identity: 0 is a "
        "kernel that leaves each snippet unchanged, 1 a kernel that uses none of it. From "
        "averaging: 0 is equal taps, 1 − 1/L a kernel of L taps that uses a single snippet (two "
        "thirds for L = 3)."
    )


def colour_reading(table: LayerTable) -> str:
    """Meaning of the colours."""
    low, high = (with_unit(table, end) for end in colour_span(table))
    if table.is_difference:
        return f"Blue: larger in the first run (up to {high}); orange: smaller (down to {low})."
    return f"Dark blue is {low}, yellow {high}; all panels share the scale."


def to_csv(table: LayerTable) -> str:
    """One row per class, block or stage, and quantity, in the order shown."""
    values = _named_values(table)
    header = ["category", "group", "videos", "block", "quantity", *values]
    return csv_text(header, (
        [
            name, table.groups[row], int(table.videos[row]), block, quantity,
            *(f"{numbers[row, column, index]:.6g}" for numbers in values.values()),
        ]
        for row, name in enumerate(table.categories)
        for column, block in enumerate(table.columns)
        for index, quantity in enumerate(table.quantities)
    ))


def to_json(table: LayerTable, runs: Sequence[Run], order: str) -> str:
    """The table with its runs; values as lists (classes, columns, quantities)."""
    document: dict[str, Any] = {
        "runs": [dict(run_text.run_facts(run)) for run in runs],
        "order": order,
        "categories": list(table.categories),
        "groups": list(table.groups),
        "videos": table.videos.tolist(),
        "columns": list(table.columns),
        "stages": {s: [table.columns[i] for i in p] for s, p in stages_of(table.columns).items()},
        "quantities": list(table.quantities),
        **{name: values.round(6).tolist() for name, values in _named_values(table).items()},
    }
    return json.dumps(document, allow_nan=False, indent=1)


def _named_values(table: LayerTable) -> dict[str, Any]:
    if table.terms is not None:
        return {"first": table.terms[0], "second": table.terms[1], "difference": table.value}
    return {"mean": table.value, "standard_deviation": table.spread}


def _column(table: LayerTable, index: int) -> str:
    return escape(block_label(table.columns[index]))
