"""What a page gives away as files: data of each analysis, and a report of what the page shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from app.server import services
from app.server.run_videos import Source
from app.ui import text
from dsanet_core.records import Analysis, Attribution, Effects
from dsanet_core.report import report_name, report_to_html
from dsanet_core.serialize import analysis_to_csv, analysis_to_json, dependencies_to_csv

TABLES: dict[str, Callable[[Analysis], str]] = {
    "scores": analysis_to_csv,
    "kernels": text.kernels_to_csv,
    "dependencies": dependencies_to_csv,
}


def export(analyses: Sequence[Analysis], *, table: str = "scores") -> None:
    """The data of the page as files, made when somebody asks for one. table: key of `TABLES`."""
    with st.container(horizontal=True):
        for place, analysis in enumerate(analyses):
            stem = f"{analysis.model.name}_{analysis.video.sha256[:8] or analysis.video.name}"
            st.download_button(
                f"{text.escape(analysis.model.name)}: all data (JSON)",
                partial(analysis_to_json, analysis),
                f"{stem}.json",
                "application/json",
                key=f"json_{place}",
                icon=":material/download:",
                on_click="ignore",
            )
            st.download_button(
                f"{text.escape(analysis.model.name)}: {table} (CSV)",
                partial(TABLES[table], analysis),
                f"{stem}_{table}.csv",
                "text/csv",
                key=f"csv_{place}",
                icon=":material/download:",
                on_click="ignore",
            )


def report(
    analyses: Sequence[Analysis],
    source: Source,
    *,
    attributions: Sequence[Attribution] = (),
    effects: Effects | None = None,
) -> None:
    """The page as one file that opens without a network, made when somebody asks for it."""
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
        help="One file with figures, tables and data; it opens without a network. The address of "
        "this page is the link to what you see.",
    )
