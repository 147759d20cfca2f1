"""Sections of the page Zoo about models and the figures of the papers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.pages.zoo import text
from app.ui import choices, page_frame, state
from app.ui.page_frame import table
from dsanet_core import catalogue, checkpoints
from dsanet_core.catalogue import CatalogueRow, PaperComparison
from dsanet_core.figures import accuracy_against_cost
from dsanet_core.report import captions
from dsanet_core.zoo.paper_tables import paper_rows


def models() -> list[CatalogueRow]:
    """Every row of the zoo with its cost, counted once for all sessions, and its weights."""
    return _models(checkpoints.read_manifest())


@st.cache_data(max_entries=2, show_spinner="Counting operations of the zoo's models …")
def _models(manifest: dict[str, dict[str, Any]]) -> list[CatalogueRow]:
    return catalogue.catalogue_rows(manifest)


@st.cache_data(max_entries=1, show_spinner="Counting operations of the papers' models …")
def comparisons() -> list[PaperComparison]:
    """The figures printed in the papers beside ours, counted once for all sessions."""
    return catalogue.compare_with_papers()


def paper_chart() -> None:
    """Accuracy against cost, as printed in the papers."""
    st.subheader("Accuracy against cost")
    chart = choices.select("Dataset of the papers", list(text.CHARTS), state.ZOO_CHART)
    points = text.paper_points(paper_rows(), chart)
    page_frame.chart(
        accuracy_against_cost(points, measured_here=False),
        "Accuracy against cost per video, as printed in the papers",
    )
    st.caption(captions.ACCURACY_AGAINST_COST)


def measured_charts(shown: Sequence[CatalogueRow]) -> None:
    """Accuracy against cost of the embedded models, a chart per dataset."""
    st.subheader("Embedded models, measured here")
    measured = text.measured_points(shown)
    for dataset, points in measured.items():
        page_frame.chart(
            accuracy_against_cost(
                {f"Measured here on {dataset}": points}, measured_here=True, height=340
            ),
            "Measured accuracy of the embedded models against cost per video",
        )
    if measured:
        st.caption(text.MEASURED_READING)
    else:
        st.info(
            "There are no weights with a measured accuracy. Run `make train-embedded`.",
            icon=":material/info:",
        )


def model_table(shown: Sequence[CatalogueRow]) -> None:
    """All models that a search finds."""
    st.subheader("All models")
    search = choices.search_box(
        "Search", state.ZOO_SEARCH, "name, module, paper, protocol: e.g. SDA 16"
    )
    found = text.model_rows(shown, search)
    if found:
        table(found, formats=text.MODEL_FORMATS)
    else:
        choices.report_no_match(len(shown), "models", search, hint=", for example SDA")
    st.caption(f"{len(found)} of {len(shown)} models. {text.MODELS_READING}")


def paper_comparison() -> None:
    """Parameters and multiply-adds printed in the papers, beside ours."""
    st.subheader("Paper figures and ours")
    found = comparisons()
    st.markdown(text.verdict(found))
    chosen = choices.select("Table", text.tables(found), state.ZOO_TABLE)
    table(text.comparison_rows(found, chosen), formats=text.COMPARISON_FORMATS)
    st.caption(text.COMPARISON_READING)
