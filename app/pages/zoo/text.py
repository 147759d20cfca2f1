"""Points, rows and sentences of the page Zoo. Pure functions of the catalogue's records."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.ui.run_text import has_words
from dsanet_core.catalogue import TOLERANCE, CatalogueRow, PaperComparison
from dsanet_core.checkpoints.registry import WeightsEntry
from dsanet_core.figures import CostPoint
from dsanet_core.report.text import escape
from dsanet_core.text_format import percent, plural
from dsanet_core.zoo import ModelSpec
from dsanet_core.zoo.paper_tables import KINETICS, V1, V2, PaperRow

CHARTS = {
    f"{KINETICS} (DSANet, Figure 3 and Table 4)": ("DSANet", "4", KINETICS),
    f"{V1} (SDA, Table 3)": ("SDA", "3", V1),
    f"{V2} (SDA, Table 3)": ("SDA", "3", V2),
}
"""Charts of the papers: name -> paper, table, dataset."""
PROTOCOLS = {"DSANet": "frames x snippets x crops", "SDA": "frames x crops x clips"}
ALL_TABLES = "All tables"
MODEL_FORMATS = {
    "Parameters (M)": "%.2f",
    "MACs/view (G)": "%.2f",
    "Views": "plain",
    "MACs/video (G)": "%.2f",
    "Top-1 (%)": "%.1f",
}
COMPARISON_FORMATS = {
    "Parameters: paper (M)": "plain",
    "Parameters: ours (M)": "%.2f",
    "MACs: paper (G)": "plain",
    "MACs: ours (G)": "%.2f",
    "MACs: difference (%)": "%.1f",
}
WEIGHTS_FORMATS = {"Classes": "plain", "Size (MB)": "%.1f"}
MEASURED_READING = (
    "How to read it: as above, for the small models whose weights are shipped with this tool, on "
    "videos of the embedded benchmark. Models, videos and classes differ from those above, so the "
    "two charts cannot be compared."
)
MODELS_READING = (
    "How to read it: click a heading to sort. MACs are multiply-adds, counted for convolutions, "
    "linear layers, DSA, SDA and SE at the frame size of the model's own test protocol; a view is "
    "one clip and crop of it. Models without weights can be built with random weights."
)
COMPARISON_READING = (
    "How to read it: MACs are multiply-adds (the papers' FLOPs) of one view at 224 x 224. Ours are "
    "about 0.5% lower, since the papers' counters include normalisation and pooling. An ensemble "
    "counts as the sum of its members. A dash marks a number that the paper does not print, or a "
    "model that is not built here."
)


def paper_points(rows: Sequence[PaperRow], chart: str) -> dict[str, list[CostPoint]]:
    """The printed points of a chart: models proposed in the paper, and those it compares with."""
    paper, table, dataset = CHARTS[chart]
    own = "DSA models" if paper == "DSANet" else "SDA models"
    groups: dict[str, list[CostPoint]] = {
        f"{own}, as printed in the paper": [],
        "Other models, as printed in the paper": [],
    }
    proposed, others = groups.values()
    for row in rows:
        if (row.paper, row.table) == (paper, table) and dataset in row.top1 and row.video_gmacs:
            detail = (
                f"{row.protocol} ({PROTOCOLS[paper]}), {row.macs} G per view; printed in {paper}, "
                f"Table {table}"
            )
            point = CostPoint(row.label, row.video_gmacs, row.top1[dataset], detail)
            (proposed if row.is_proposed else others).append(point)
    return groups


def measured_points(networks: Sequence[CatalogueRow]) -> dict[str, list[CostPoint]]:
    """Dataset -> points of the models with weights that were measured on it."""
    found: dict[str, list[CostPoint]] = {}
    for network in networks:
        if "top1" in network.accuracy:
            detail = f"{network.macs / 1e9:.3g} G per view, {plural(network.views, 'view')}"
            top1 = 100 * float(network.accuracy["top1"])
            point = CostPoint(network.name, network.video_macs / 1e9, top1, detail)
            dataset = str(network.accuracy.get("dataset", "its validation data"))
            found.setdefault(dataset, []).append(point)
    return found


def model_rows(networks: Sequence[CatalogueRow], search: str) -> list[dict[str, Any]]:
    """The table of models: those that have every word of the search in one of their cells."""
    rows = [
        {
            "Model": network.name,
            "Parameters (M)": network.params / 1e6,
            "MACs/view (G)": network.macs / 1e9,
            "Views": network.views,
            "MACs/video (G)": network.video_macs / 1e9,
            "Top-1 (%)": _top1_percent(network.accuracy),
            "Measured on": str(network.accuracy.get("dataset", "")),
            "Weights": ", ".join(network.weights) or "none",
            "Description": network.description,
            "Protocol": network.protocol,
            "Reference": network.reference,
        }
        for network in networks
    ]
    return [row for row in rows if has_words(search, *(
        value for value in row.values() if isinstance(value, str)
    ))]


def _top1_percent(accuracy: Mapping[str, Any]) -> float | None:
    return 100 * float(accuracy["top1"]) if "top1" in accuracy else None


def table_name(row: PaperRow) -> str:
    return f"{row.paper}, Table {row.table}"


def tables(comparisons: Sequence[PaperComparison]) -> list[str]:
    """Options of the choice of a table, in the order of the papers."""
    return [ALL_TABLES, *dict.fromkeys(table_name(c.row) for c in comparisons)]


def comparison_rows(comparisons: Sequence[PaperComparison], table: str) -> list[dict[str, Any]]:
    """The figures printed in the papers beside ours, of one table or of all."""
    matches = {True: "yes", False: "no", None: ""}
    return [
        {
            "Table": table_name(c.row),
            "Row": c.row.label,
            "Protocol": c.row.protocol,
            "Parameters: paper (M)": _number(c.row.params),
            "Parameters: ours (M)": None if c.params is None else c.params / 1e6,
            "MACs: paper (G)": _number(c.row.macs),
            "MACs: ours (G)": None if c.macs is None else c.macs / 1e9,
            "MACs: difference (%)": None if c.macs_error is None else 100 * c.macs_error,
            "Matches": matches[c.is_matched],
            "Remark": c.row.remark or ("" if c.row.networks else "not built here"),
        }
        for c in comparisons
        if table in (ALL_TABLES, table_name(c.row))
    ]


def _number(printed: str) -> float | None:
    return float(printed) if printed else None


def verdict(comparisons: Sequence[PaperComparison]) -> str:
    """Number of rows that match, and every other row with its reason, as Markdown."""
    matched = sum(c.is_matched is True for c in comparisons)
    reasons: dict[str, list[str]] = {}
    for c in comparisons:
        if c.is_matched is False:
            name = f"{table_name(c.row)}, {c.row.label}, {c.row.protocol}"
            reasons.setdefault(c.row.remark, []).append(name)
    sentence = (
        f"**{matched} rows match**: parameters to the printed digit, multiply-adds within "
        f"{percent(TOLERANCE)}."
    )
    if not reasons:
        return sentence
    lines = [f"{escape(' and '.join(names))}: {escape(reason)}."
             for reason, names in reasons.items()]
    unmatched = sum(map(len, reasons.values()))
    return f"{sentence} **{unmatched} do not:**\n\n{bullets(lines)}"


# Users' weights

FORM_FIELDS = {
    "--frames": "Frames", "--stride": "Stride", "--shift": "Temporal shift",
    "--no-shift": "Temporal shift", "--beta": "DSA beta", "--classes": "Class names",
}
"""Fields of the form for options of the command line."""
_OPTIONS = re.compile(r"\((--[a-z-]+(?:, --[a-z-]+)*)\)")
ASSUMED, WARNING = "assumed", "warning"


class Account(NamedTuple):
    """Detected configuration of a checkpoint, as Markdown: rows of a table, assumptions and
    warnings."""

    rows: dict[str, str]
    assumed: list[str]
    warnings: list[str]


def account(entry: WeightsEntry, spec: ModelSpec | None) -> Account:
    """Configuration detected when a checkpoint was added. spec: None where its file is no longer
    readable."""
    detected = {
        what: how for what, how in entry["account"] if what not in (ASSUMED, WARNING)
    }
    rows = {"model": entry["model"], "trained on": entry["trained_on"] or "unknown"}
    if spec is not None:
        classes = spec.classes
        rows["model"] = f"{spec.name}: {spec.description}" if spec.description else spec.name
        rows |= {
            "input": spec.protocol.describe(),
            "classes": f"{len(classes)}, first “{classes[0]}”, last “{classes[-1]}”",
        }
    # What was detected has more detail on what both have.
    rows |= detected | {"SHA-256": entry["sha256"]}
    return Account(
        {f"{what[:1].upper()}{what[1:]}": escape(how) for what, how in rows.items()},
        [_with_form_fields(how) for what, how in entry["account"] if what == ASSUMED],
        [escape(how) for what, how in entry["account"] if what == WARNING],
    )


def _with_form_fields(text: str) -> str:
    """The text with options of the command line replaced by the fields of the form."""

    def fields(match: re.Match[str]) -> str:
        names = dict.fromkeys(FORM_FIELDS.get(each, each) for each in match[1].split(", "))
        return f"(in the form: {', '.join(names)})"

    return escape(_OPTIONS.sub(fields, text))


def weights_rows(
    entries: Mapping[str, WeightsEntry], specs: Mapping[str, ModelSpec | None],
    added: Mapping[str, float],
) -> list[dict[str, Any]]:
    """The table of users' weights. added: time of each, seconds of the epoch."""
    return [
        {
            "Name": name,
            "Model": entry["model"],
            "Classes": None if (spec := specs[name]) is None else len(spec.classes),
            "Size (MB)": entry["bytes"] / 1e6,
            "SHA-256": entry["sha256"][:12],
            "Added (UTC)": f"{datetime.fromtimestamp(added[name], UTC):%Y-%m-%d %H:%M}",
            "Format": _format(entry),
        }
        for name, entry in entries.items()
    ]


def _format(entry: WeightsEntry) -> str:
    detected = str(dict(entry["account"]).get("format", "a checkpoint of this project"))
    return detected.partition(" (")[0]


def bullets(lines: Sequence[str]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {line}" for line in lines)
