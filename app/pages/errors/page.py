"""Errors: confusions, calibration, and the videos behind them, of one run or two."""

from functools import partial

import streamlit as st

from app.pages.errors import selection, text, widgets
from app.ui import run_widgets
from app.ui.page_frame import page

with page(
    "Errors",
    "Which classes a model confuses, how well its confidence is calibrated, and where two models "
    "disagree.",
):
    view = widgets.choose_runs()
    choice = widgets.video_choice(view)
    indices = selection.select(view, choice)
    confusion = view.run.confusion()
    st.markdown(text.lead(view))

    if view.pair is not None:
        st.subheader("Two models on the same videos")
        widgets.outcomes(view, choice)
        widgets.groups(view)

    st.subheader("Most confused pairs")
    widgets.pairs(view, choice, confusion)

    st.subheader("Confusion matrix")
    widgets.matrix(view, choice, confusion)
    st.markdown(text.chosen_cell(view, choice, len(indices)))

    st.subheader("Videos")
    widgets.filters(view)
    widgets.videos(view, choice, indices)

    st.subheader("Calibration")
    widgets.calibration(view)

    run_widgets.sources(view.runs)
    run_widgets.export(
        f"errors_{view.run.id}",
        csv=partial(text.to_csv, view, indices),
        json=partial(text.to_json, view, choice, indices),
    )
