"""Points, rows and sentences of the page Zoo. Pure functions of the catalogue's records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dsanet_core.catalogue import TOLERANCE, Comparison, Network
from dsanet_core.figures import CostPoint
from dsanet_core.report.text import escape
from dsanet_core.zoo.paper_tables import KINETICS, V1, V2, Published

CHARTS = {
    f"{KINETICS} (DSANet, Figure 3 and Table 4)": ("DSANet", "4", KINETICS),
    f"{V1} (SDA, Table 3)": ("SDA", "3", V1),
    f"{V2} (SDA, Table 3)": ("SDA", "3", V2),
}
"""What the papers' chart can show: name -> paper, table, data set."""
PROTOCOLS = {"DSANet": "frames x snippets x crops", "SDA": "frames x crops x clips"}
ALL_TABLES = "All tables"
NETWORK_FORMATS = {
    "Parameters (M)": "%.2f",
    "MACs/view (G)": "%.2f",
    "Views": "plain",
    "MACs/video (G)": "%.2f",
    "Top-1 (%)": "%.1f",
}
COMPARISON_FORMATS = {
    "Parameters: paper (M)": "plain",
    "here (M)": "%.2f",
    "MACs: paper (G)": "plain",
    "here (G)": "%.2f",
    "Off by (%)": "%.1f",
}


def paper_points(rows: Sequence[Published], chart: str) -> dict[str, list[CostPoint]]:
    """The printed points of a chart, what the paper proposes apart from what it compares with."""
    paper, table, data = CHARTS[chart]
    own = "DSA networks" if paper == "DSANet" else "SDA networks"
    groups: dict[str, list[CostPoint]] = {
        f"{own}, as the paper prints them": [],
        "Other networks, as the paper prints them": [],
    }
    proposed, others = groups.values()
    for row in rows:
        if (row.paper, row.table) == (paper, table) and data in row.top1 and row.video_gmacs:
            detail = (
                f"{row.protocol} ({PROTOCOLS[paper]}), {row.macs} G a view; printed in {paper}, "
                f"Table {table}"
            )
            point = CostPoint(row.label, row.video_gmacs, row.top1[data], detail)
            (proposed if row.is_proposed else others).append(point)
    return groups


def measured_points(networks: Sequence[Network]) -> dict[str, list[CostPoint]]:
    """Data set -> the networks with weights here that were measured on it."""
    found: dict[str, list[CostPoint]] = {}
    for network in networks:
        if "top1" in network.accuracy:
            detail = f"{network.macs / 1e9:.3g} G a view, {_count(network.views, 'view')}"
            top1 = 100 * float(network.accuracy["top1"])
            point = CostPoint(network.name, network.video_macs / 1e9, top1, detail)
            data = str(network.accuracy.get("dataset", "its validation data"))
            found.setdefault(data, []).append(point)
    return found


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def network_rows(networks: Sequence[Network], search: str) -> list[dict[str, Any]]:
    """The table of the zoo: networks of which every word of the search is said somewhere."""
    rows = [
        {
            "Network": network.name,
            "Parameters (M)": network.params / 1e6,
            "MACs/view (G)": network.macs / 1e9,
            "Views": network.views,
            "MACs/video (G)": network.video_macs / 1e9,
            "Top-1 (%)": _percent(network.accuracy),
            "Measured on": str(network.accuracy.get("dataset", "")),
            "Weights here": ", ".join(network.weights) or "none",
            "What it is": network.description,
            "Protocol": network.protocol,
            "Reference": network.reference,
        }
        for network in networks
    ]
    wanted = search.lower().split()
    return [row for row in rows if all(word in _text(row) for word in wanted)]


def _percent(accuracy: Mapping[str, Any]) -> float | None:
    return 100 * float(accuracy["top1"]) if "top1" in accuracy else None


def _text(row: Mapping[str, Any]) -> str:
    return " ".join(value for value in row.values() if isinstance(value, str)).lower()


def table_name(row: Published) -> str:
    return f"{row.paper}, Table {row.table}"


def tables(comparisons: Sequence[Comparison]) -> list[str]:
    """What the choice of a table offers, in the order of the papers."""
    return [ALL_TABLES, *dict.fromkeys(table_name(c.row) for c in comparisons)]


def comparison_rows(comparisons: Sequence[Comparison], table: str) -> list[dict[str, Any]]:
    """The papers' figures beside ours, of one table or of all."""
    verdicts = {True: "yes", False: "no", None: ""}
    return [
        {
            "Table": table_name(c.row),
            "Row": c.row.label,
            "Protocol": c.row.protocol,
            "Parameters: paper (M)": _number(c.row.params),
            "here (M)": None if c.params is None else c.params / 1e6,
            "MACs: paper (G)": _number(c.row.macs),
            "here (G)": None if c.macs is None else c.macs / 1e9,
            "Off by (%)": None if c.macs_error is None else 100 * c.macs_error,
            "Matches": verdicts[c.is_matched],
            "Remark": c.row.remark or ("" if c.row.networks else "not built here"),
        }
        for c in comparisons
        if table in (ALL_TABLES, table_name(c.row))
    ]


def _number(printed: str) -> float | None:
    return float(printed) if printed else None


def verdict(comparisons: Sequence[Comparison]) -> str:
    """How many rows match, and each that does not with its reason, as Markdown."""
    matched = sum(c.is_matched is True for c in comparisons)
    reasons: dict[str, list[str]] = {}
    for c in comparisons:
        if c.is_matched is False:
            name = f"{table_name(c.row)}, {c.row.label}, {c.row.protocol}"
            reasons.setdefault(c.row.remark, []).append(name)
    sentence = (
        f"**{matched} rows match**: parameters to the printed digit, multiply-adds within "
        f"{100 * TOLERANCE:g}%."
    )
    if not reasons:
        return sentence
    lines = [
        f"- {escape(' and '.join(names))}: {escape(reason)}." for reason, names in reasons.items()
    ]
    unmatched = sum(map(len, reasons.values()))
    return "\n".join([f"{sentence} **{unmatched} do not:**", "", *lines])
