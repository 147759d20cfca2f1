"""Runs: what has been run, by which weights and protocol; start, watch, stop, resume, delete."""

import streamlit as st

from app import readings
from app.dataset import run_desk, run_table
from app.page_end import PageEnd
from app.widgets import page

with page(
    "Runs",
    "A network over a whole dataset: what has been run, by which weights and protocol.",
):
    entries = run_table.entries()
    run_desk.form(expanded=not entries)
    run_desk.watch(entries)

    st.subheader("All runs")
    if not entries:
        st.info("Nothing has been run here. Start a run above.", icon=":material/arrow_upward:")
        raise PageEnd
    chosen = run_desk.choose(entries)
    st.caption(readings.RUNS)
    run_desk.export(entries)

    st.subheader("One run")
    run_desk.details(chosen)
