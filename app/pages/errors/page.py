"""Errors: what a network takes for what, how sure it is, and where two networks part ways."""

from functools import partial

import streamlit as st

from app.pages.errors import selection, text, widgets
from app.ui import page_frame, run_widgets
from app.ui.state import Key
from dsanet_core.figures.errors import reliability_diagram

with page_frame.page(
    "Errors", "What a network takes for what, how sure it is, and where two networks part ways."
):
    left, right = st.columns(2, gap="medium")
    with left:
        run = run_widgets.choose_run(Key.RUN, "Run")
    with right:
        other = widgets.choose_other(run)
    seen = selection.view(run, other, widgets.side(1 if other is None else 2))
    choice = widgets.choose_videos(seen)
    places = selection.select(seen, choice)
    confusion = seen.run.confusion()
    st.markdown(text.lead(seen))

    if seen.pair is not None:
        st.subheader("Two networks on the same videos")
        st.markdown(text.verdict(seen, seen.pair.difference()))
        widgets.outcomes(seen, choice)
        st.caption(text.outcomes_reading(seen))
        widgets.groups(seen)

    st.subheader("Most confused pairs")
    widgets.pairs(seen, choice, confusion)

    st.subheader("What is taken for what")
    widgets.matrix(seen, choice, confusion)
    st.markdown(text.chosen_cell(seen, choice, len(places)))

    st.subheader("Videos")
    widgets.filters(seen)
    widgets.videos(seen, choice, places)

    st.subheader("Is it as right as it is sure?")
    known = text.reliability(seen)
    st.markdown(text.calibration_reading(seen, known))
    run_widgets.figure(
        reliability_diagram(known), "Accuracy against confidence", name=f"reliability_{run.id}"
    )
    st.caption(text.RELIABILITY)

    st.subheader("On what grounds")
    run_widgets.grounds(seen.runs)
    run_widgets.export(
        f"errors_{run.id}",
        csv=partial(text.to_csv, seen, places),
        json=partial(text.to_json, seen, choice, places),
    )
