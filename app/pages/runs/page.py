"""Runs: what has been run, by which weights and protocol; start, watch, stop, resume, delete."""

import streamlit as st

from app.pages.runs import panel, table
from app.ui.page_frame import PageEnd, page
from dsanet_core.report import captions

with page(
    "Runs",
    "A network over a whole dataset: what has been run, by which weights and protocol.",
):
    entries = table.entries()
    panel.form(expanded=not entries)
    panel.watch(entries)

    st.subheader("All runs")
    if not entries:
        st.info("Nothing has been run here. Start a run above.", icon=":material/arrow_upward:")
        raise PageEnd
    chosen = panel.choose(entries)
    st.caption(captions.RUNS)
    panel.export(entries)

    st.subheader("One run")
    panel.details(chosen)
