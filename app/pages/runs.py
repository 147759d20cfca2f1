"""Runs: what has been run, by which weights and protocol; start, watch, stop, resume, delete."""

import streamlit as st

from app.dataset import run_desk, run_table
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
        st.stop()
    chosen = run_desk.choose(entries)
    st.caption(
        "How to read it: runs made here stand first, the newest on top; then those that come with "
        "the project. The box before a row chooses it. A run goes on in a process of its own, "
        "whether a page is open or not, and keeps what is done whatever stops it."
    )
    run_desk.export(entries)

    st.subheader("One run")
    run_desk.details(chosen)
