"""Rows and sentences about checkpoints that users brought. Pure functions of entries and specs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dsanet_core.checkpoints.registry import Entry
from dsanet_core.report.text import escape
from dsanet_core.zoo import ModelSpec

FORMATS = {"Classes": "plain", "Size (MB)": "%.1f"}
FIELDS = {
    "--frames": "Frames", "--stride": "Stride", "--shift": "Temporal shift",
    "--no-shift": "Temporal shift", "--beta": "Beta of DSA", "--classes": "Names of the outputs",
}
"""What the form calls the options of the command line."""
_OPTIONS = re.compile(r"\((--[a-z-]+(?:, --[a-z-]+)*)\)")
ASSUMED, WARNING = "assumed", "warning"


class Account(NamedTuple):
    """What is known of a checkpoint, as Markdown: rows of a table, and what stands apart."""

    rows: dict[str, str]
    assumed: list[str]
    warnings: list[str]


def account(entry: Entry, spec: ModelSpec | None) -> Account:
    """What was understood of a checkpoint when it was brought. spec: None where its file cannot be
    read any more."""
    said = {what: how for what, how in entry["account"] if what not in (ASSUMED, WARNING)}
    rows = {"model": entry["model"], "trained on": entry["trained_on"] or "not said"}
    if spec is not None:
        classes = spec.classes
        rows["model"] = f"{spec.name}: {spec.description}" if spec.description else spec.name
        rows |= {
            "sees": spec.protocol.describe(),
            "classes": f"{len(classes)}, the first “{classes[0]}”, the last “{classes[-1]}”",
        }
    # The account says more of what both have.
    rows |= said | {"SHA-256": entry["sha256"]}
    return Account(
        {f"{what[:1].upper()}{what[1:]}": escape(how) for what, how in rows.items()},
        [_in_the_form(how) for what, how in entry["account"] if what == ASSUMED],
        [escape(how) for what, how in entry["account"] if what == WARNING],
    )


def _in_the_form(text: str) -> str:
    """Options of the command line become fields of the page."""

    def name(match: re.Match[str]) -> str:
        fields = dict.fromkeys(FIELDS.get(each, each) for each in match[1].split(", "))
        return f"(in the form: {', '.join(fields)})"

    return escape(_OPTIONS.sub(name, text))


def rows(
    kept: Mapping[str, Entry], specs: Mapping[str, ModelSpec | None], begun: Mapping[str, float]
) -> list[dict[str, Any]]:
    """The table of the users' checkpoints. begun: when each was brought, in seconds of the epoch.
    """
    return [
        {
            "Name": name,
            "Network": entry["model"],
            "Classes": None if (spec := specs[name]) is None else len(spec.classes),
            "Size (MB)": entry["bytes"] / 1e6,
            "SHA-256": entry["sha256"][:12],
            "Brought (UTC)": f"{datetime.fromtimestamp(begun[name], UTC):%Y-%m-%d %H:%M}",
            "Understood as": _format(entry),
        }
        for name, entry in kept.items()
    ]


def _format(entry: Entry) -> str:
    said = str(dict(entry["account"]).get("format", "a checkpoint of this project"))
    return said.partition(" (")[0]


def bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
