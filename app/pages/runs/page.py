"""Runs: start, watch, stop, resume and delete runs of models over datasets."""

import streamlit as st

from app.pages.runs import entries, panel
from app.ui.page_frame import PageEnd, page
from dsanet_core.report import captions

with page("Runs", "Run a model over a whole dataset, and see all runs on this server."):
    runs = entries.all_entries()
    panel.form(expanded=not runs)
    panel.in_progress(runs)

    st.subheader("All runs")
    if not runs:
        st.info("There are no runs yet. Start a run above.", icon=":material/arrow_upward:")
        raise PageEnd
    chosen = panel.choose(runs)
    st.caption(captions.RUNS)
    panel.export(runs)

    st.subheader("Run details")
    panel.details(chosen)
