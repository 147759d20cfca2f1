"""Download buttons of pages: data of each record as JSON and CSV, and the page as a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from app.server import services
from app.server.run_videos import Source
from dsanet_core.records import Analysis, Attribution, Effects
from dsanet_core.report import report_name, report_to_html
from dsanet_core.report.text import escape
from dsanet_core.serialize import (
    analysis_to_csv,
    analysis_to_json,
    dependencies_to_csv,
    kernels_to_csv,
)

TABLES: dict[str, Callable[[Analysis], str]] = {
    "scores": analysis_to_csv,
    "kernels": kernels_to_csv,
    "dependencies": dependencies_to_csv,
}
MIME_TYPES = {"JSON": "application/json", "CSV": "text/csv"}


def export(analyses: Sequence[Analysis], *, table: str = "scores") -> None:
    """The data of the page as files. table: key of `TABLES`."""
    with st.container(horizontal=True):
        for place, analysis in enumerate(analyses):
            stem = file_stem(analysis)
            download(
                f"{escape(analysis.model.name)}: all data", "JSON",
                partial(analysis_to_json, analysis), stem, f"json_{place}",
            )
            download(
                f"{escape(analysis.model.name)}: {table}", "CSV", partial(TABLES[table], analysis),
                f"{stem}_{table}", f"csv_{place}",
            )


def file_stem(analysis: Analysis) -> str:
    return f"{analysis.model.name}_{analysis.video.sha256[:8] or analysis.video.name}"


def download(label: str, kind: str, make: Callable[[], str], stem: str, key: str) -> None:
    """A button for one file, which is made on the click. label: Markdown.

    kind: key of `MIME_TYPES`."""
    st.download_button(
        f"{label} ({kind})", make, f"{stem}.{kind.lower()}", MIME_TYPES[kind], key=key,
        icon=":material/download:", on_click="ignore",
    )


def report(
    analyses: Sequence[Analysis],
    source: Source,
    *,
    attributions: Sequence[Attribution] = (),
    effects: Effects | None = None,
) -> None:
    """The page as one HTML file that works offline, made on the click."""
    names = [services.model_of(analysis.model.weights_sha256) for analysis in analyses]
    measured = {
        analysis.model.weights_sha256: services.model_card(name).accuracy
        for analysis, name in zip(analyses, names, strict=True)
        if name is not None
    }
    st.download_button(
        "Report (HTML)",
        partial(
            report_to_html, analyses, attributions=attributions, effects=effects,
            truth=source.category, accuracies=measured,
        ),
        report_name(analyses),
        "text/html",
        key="report",
        icon=":material/description:",
        on_click="ignore",
        help="One file with figures, tables and data that works offline. To share this view "
        "instead, copy the address of the page.",
    )
