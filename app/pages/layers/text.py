"""Sentences and exports of the page Layers. Pure functions of a run's layers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from app.ui.run_text import run_facts
from dsanet_core.figures.layer_table import LayerTable, stages_of
from dsanet_core.figures.layers import colour_span
from dsanet_core.figures.style import block_label
from dsanet_core.records import Layers, Run
from dsanet_core.report.text import escape
from dsanet_core.runs.order import SIMILARITY
from dsanet_core.serialize import CsvTable
from dsanet_core.text_format import signed

WEIGHTS, KERNELS = "SDA weights", "DSA kernels"
BLOCKS, STAGES = "Every block", "Averaged per stage"
AS_THEY_COME, BY_GROUP, BY_SIMILARITY = "As they come", "By group", "By similarity"
SIDE_BY_SIDE = "All"
PAPERS_STAGES = ("res2", "res3", "res4", "res5")
"""Residual Blocks 1 to 4 of the paper."""
NEAR = ("S122", "S144", "S222")
"""Dependencies that the paper calls short-range; LST, LT and LS it calls long-range."""

Shares = Sequence[float]
"""Weights of one dependency in the four stages."""


class Claim(NamedTuple):
    """What the paper says of a dependency over the stages (SDA, section 4.5 on Figure 5)."""

    dependency: str
    says: str
    holds: Callable[[Shares], bool]


def _most_in(stage: int) -> Callable[[Shares], bool]:
    return lambda shares: all(shares[stage] > s for i, s in enumerate(shares) if i != stage)


def _least_in(stage: int) -> Callable[[Shares], bool]:
    return lambda shares: all(shares[stage] < s for i, s in enumerate(shares) if i != stage)


CLAIMS = (
    Claim("LST", "LST weighs most in the first stage, res2", _most_in(0)),
    Claim("LST", "LST weighs less from each stage to the next",
          lambda shares: all(np.diff(shares) < 0)),
    Claim("S122", "S122 weighs most in res3", _most_in(1)),
    Claim("S122", "S122 weighs least in res5", _least_in(3)),
    Claim("LT", "LT weighs most in res4", _most_in(2)),
    Claim("LT", "LT weighs less in res5 than in res4", lambda shares: shares[3] < shares[2]),
    Claim("LS", "LS weighs most in res5", _most_in(3)),
)


def kinds(run: Run) -> dict[str, Layers]:
    """What a run can show, by the name of the choice."""
    found = {WEIGHTS: run.selections, KERNELS: run.kernels}
    return {name: layers for name, layers in found.items() if layers is not None}


def matches(table: LayerTable, search: str) -> list[int]:
    """Rows whose name or group has every word of the search."""
    wanted = search.lower().split()
    texts = [f"{n} {g}".lower() for n, g in zip(table.categories, table.groups, strict=True)]
    return [row for row, text in enumerate(texts) if all(word in text for word in wanted)]


def nothing_selected(run: Run, layers: Layers) -> str:
    """Why there is nothing to draw for weights that are the same everywhere."""
    name, count = escape(run.model.name), len(layers.quantities)
    if count == 1:
        return (
            f"{name} has {escape(layers.quantities[0])} as its only dependency: it weighs 100% in "
            "every block and for every video. There is nothing to compare."
        )
    return (
        f"{name} averages its dependencies (AVG, Eq. 5 of the paper): each of "
        f"{escape(', '.join(layers.quantities))} weighs {100 / count:.0f}% in every block and "
        "for every video, by construction. It selects nothing, so there is nothing to draw."
    )


def lead(whole: LayerTable) -> str:
    """What the numbers over all videos say. whole: of `all_videos`."""
    if whole.is_difference:
        return _difference_lead(whole)
    return _weights_lead(whole) if whole.is_share else _kernels_lead(whole)


def _weights_lead(whole: LayerTable) -> str:
    stages = whole.by_stage()
    equal = f"{100 / len(whole.quantities):.0f}%"
    parts = []
    for stage, weights in zip(stages.columns, stages.value[0], strict=True):
        best = int(weights.argmax())
        name = escape(whole.quantities[best])
        parts.append(f"in {escape(stage)} {name} ({_share(weights[best])})")
    found = [f"**The largest weight is, on average, that of:** {', '.join(parts)}. Equal shares "
             f"would be {equal} each."]
    far = [place for place, name in enumerate(whole.quantities) if name not in NEAR]
    if 0 < len(far) < len(whole.quantities):
        together = stages.value[0][:, far].sum(-1)
        most, least = int(together.argmax()), int(together.argmin())
        names = escape(", ".join(whole.quantities[place] for place in far))
        found.append(
            f"**How far they look:** the long-range dependencies ({names}) together weigh most in "
            f"{escape(stages.columns[most])} ({_share(together[most])}) and least in "
            f"{escape(stages.columns[least])} ({_share(together[least])}); the rest looks near. "
            f"Equal shares would be {_share(len(far) / len(whole.quantities))}."
        )
    return "  \n".join(found)


def _kernels_lead(whole: LayerTable) -> str:
    parts = []
    for place, name in enumerate(whole.quantities):
        values = whole.value[0, :, place]
        most, least = int(values.argmax()), int(values.argmin())
        origin = escape(name.removeprefix("distance from "))
        parts.append(
            f"**{origin.capitalize()}:** the kernels lie farthest from {origin} in "
            f"{_column(whole, most)} ({values[most]:.2f}), nearest to it in "
            f"{_column(whole, least)} ({values[least]:.2f})."
        )
    return "  \n".join(parts)


def _difference_lead(whole: LayerTable) -> str:
    terms = whole.terms
    assert terms is not None
    change = whole.value[0]
    parts = []
    for place in np.argsort(-np.abs(change), axis=None, kind="stable")[:3]:
        block, quantity = np.unravel_index(place, change.shape)
        first, second = (term[0, block, quantity] for term in terms)
        name = f"{escape(whole.quantities[quantity])} in {_column(whole, int(block))}"
        if whole.is_share:
            said = f"{signed(100 * (first - second), 1)} points ({_share(first)} against " \
                   f"{_share(second)})"
        else:
            said = f"{signed(first - second, 3)} ({first:.3f} against {second:.3f})"
        parts.append(f"{name} {said}")
    return f"**Over all videos they differ most in:** {', '.join(parts)}."


def stage_table(whole: LayerTable) -> str:
    """Weights per stage over all videos as a Markdown table, each stage's largest in bold."""
    stages = whole.by_stage()
    heads = "| Stage | " + " | ".join(map(escape, whole.quantities)) + " |"
    lines = []
    for stage, weights in zip(stages.columns, stages.value[0], strict=True):
        cells = [_share(weight) for weight in weights]
        best = int(weights.argmax())
        cells[best] = f"**{cells[best]}**"
        lines.append(f"| {escape(stage)} | " + " | ".join(cells) + " |")
    return "\n".join([heads, "|---" * (len(whole.quantities) + 1) + "|", *lines])


def claims(whole: LayerTable) -> list[tuple[Claim, bool, Shares]]:
    """Each claim of the paper that this network can be asked: does it hold, and its numbers."""
    stages = whole.by_stage()
    comparable = set(stages.columns) == set(PAPERS_STAGES) and len(whole.quantities) > 1
    if not comparable or not whole.is_share or whole.is_difference:
        return []
    order = [stages.columns.index(stage) for stage in PAPERS_STAGES]
    found = []
    for claim in CLAIMS:
        if claim.dependency in whole.quantities:
            place = whole.quantities.index(claim.dependency)
            shares = stages.value[0, order, place].tolist()
            found.append((claim, claim.holds(shares), shares))
    return found


def verdict(found: Sequence[tuple[Claim, bool, Shares]]) -> str:
    """The claims of the paper against these numbers, as Markdown."""
    lines = []
    for claim, holds, shares in found:
        numbers = ", ".join(
            f"{stage} {_share(share)}" for stage, share in zip(PAPERS_STAGES, shares, strict=True)
        )
        word = "As the paper says" if holds else "Not as the paper says"
        lines.append(f"- {'✓' if holds else '✗'} **{word}** ({claim.says}): {numbers}.")
    held = sum(holds for _, holds, _ in found)
    head = f"**{held} of {len(found)} statements of the paper hold here:**"
    return "\n".join([head, "", *lines])


def widest(table: LayerTable) -> str:
    """Where the categories differ most, and which ones."""
    reach = np.ptp(table.value, axis=0)
    block, quantity = np.unravel_index(int(reach.argmax()), reach.shape)
    values = table.value[:, block, quantity]
    low, high = int(values.argmin()), int(values.argmax())
    return (
        f"**Where the categories differ most:** {escape(table.quantities[quantity])} in "
        f"{_column(table, int(block))}, from {said(table, values[low])} "
        f"(“{escape(table.categories[low])}”) to {said(table, values[high])} "
        f"(“{escape(table.categories[high])}”)."
    )


def said(table: LayerTable, value: float) -> str:
    """One value of a table with its unit."""
    if table.is_difference:
        return f"{signed(100 * value, 1)} points" if table.is_share else signed(value, 3)
    return _share(value) if table.is_share else f"{value:.2f}"


def order_reading(order: str, categories: int, all_categories: int) -> str:
    ways = {
        AS_THEY_COME: "as the classes of the network come",
        BY_GROUP: "group by group, lines between two",
        BY_SIMILARITY: f"so that neighbours resemble each other in what all blocks show "
                       f"(hierarchical clustering: {SIMILARITY})",
    }
    return f"{categories} of {all_categories} categories, {ways[order]}."


def spread_reading(table: LayerTable, by_stage: bool) -> str:
    """What bands and ± stand for."""
    if table.is_difference:
        return "Differences have no band; the hover text has the values of both runs."
    stage = " In a stage it is the mean of its blocks' deviations." if by_stage else ""
    return (
        "Bands and ± are one standard deviation over the videos (each averaged over its views): "
        f"how much single videos differ, not how sure the mean is.{stage}"
    )


def quantity_reading(table: LayerTable) -> str:
    """What the numbers are."""
    if table.is_difference:
        unit = "in points of weight (hundredths)" if table.is_share else "in units of the distance"
        return f"The first run minus the second, {unit}: above 0 the first one has more."
    if table.is_share:
        return "The weights of a block sum to 100%; the dashed line is equal shares."
    return (
        "Distances are total-variation distances, mean over channels. From identity: 0 is a kernel "
        "that takes every snippet as it is, 1 one that takes nothing of it. From averaging: 0 is "
        "equal taps, 1 − 1/L a kernel of L taps that takes one snippet alone (two thirds for "
        "L = 3)."
    )


def colour_reading(table: LayerTable) -> str:
    """The colour scale in words."""
    low, high = (said(table, end) for end in colour_span(table))
    if table.is_difference:
        return f"Blue: more in the first run (to {high}); orange: less (to {low}); pale: equal."
    return f"Dark blue is {low}, yellow {high}; all panels share the scale."


def to_csv(table: LayerTable) -> str:
    """One row per category, block or stage, and quantity, in the order shown."""
    terms = ("first", "second", "difference") if table.is_difference else (
        "mean", "standard_deviation")
    out = io.StringIO()
    writer = CsvTable(out)
    writer.writerow(["category", "group", "videos", "block", "quantity", *terms])
    columns = _columns(table)
    for row, name in enumerate(table.categories):
        for column, block in enumerate(table.columns):
            for place, quantity in enumerate(table.quantities):
                numbers = [f"{values[row, column, place]:.6g}" for values in columns]
                writer.writerow([name, table.groups[row], int(table.videos[row]), block, quantity,
                                 *numbers])
    return out.getvalue()


def to_json(table: LayerTable, runs: Sequence[Run], order: str) -> str:
    """The table with where it comes from; numbers as lists (categories, columns, quantities)."""
    names = ("first", "second", "difference") if table.is_difference else (
        "mean", "standard_deviation")
    values = zip(names, _columns(table), strict=True)
    document: dict[str, Any] = {
        "runs": [dict(run_facts(run)) for run in runs],
        "order": order,
        "categories": list(table.categories),
        "groups": list(table.groups),
        "videos": table.videos.tolist(),
        "columns": list(table.columns),
        "stages": {s: [table.columns[i] for i in p] for s, p in stages_of(table.columns).items()},
        "quantities": list(table.quantities),
        **{name: numbers.round(6).tolist() for name, numbers in values},
    }
    return json.dumps(document, allow_nan=False, indent=1)


def _columns(table: LayerTable) -> list[Any]:
    if table.terms is not None:
        return [*table.terms, table.value]
    return [table.value, table.spread]


def _column(table: LayerTable, place: int) -> str:
    return escape(block_label(table.columns[place]))


def _share(value: float) -> str:
    return f"{100 * value:.1f}%"


