"""Errors: what a network takes for what, how sure it is, and where two networks part ways."""

from functools import partial

import streamlit as st

from app import widgets
from app.dataset import error_choice, error_widgets, error_words, run_widgets
from app.state import Key
from dsanet_core.figures.errors import reliability_diagram

with widgets.page(
    "Errors", "What a network takes for what, how sure it is, and where two networks part ways."
):
    left, right = st.columns(2, gap="medium")
    with left:
        run = run_widgets.choose_run(Key.RUN, "Run")
    with right:
        other = error_widgets.choose_other(run)
    seen = error_choice.view(run, other, error_widgets.side(1 if other is None else 2))
    choice = error_widgets.choose_videos(seen)
    places = error_choice.select(seen, choice)
    confusion = seen.run.confusion()
    st.markdown(error_words.lead(seen))

    if seen.pair is not None:
        st.subheader("Two networks on the same videos")
        st.markdown(error_words.verdict(seen, seen.pair.difference()))
        error_widgets.outcomes(seen, choice)
        st.caption(error_words.outcomes_reading(seen))
        error_widgets.groups(seen)

    st.subheader("Most confused pairs")
    error_widgets.pairs(seen, choice, confusion)

    st.subheader("What is taken for what")
    error_widgets.matrix(seen, choice, confusion)
    st.markdown(error_words.chosen_cell(seen, choice, len(places)))

    st.subheader("Videos")
    error_widgets.filters(seen)
    error_widgets.videos(seen, choice, places)

    st.subheader("Is it as right as it is sure?")
    known = error_words.reliability(seen)
    st.markdown(error_words.calibration_reading(seen, known))
    run_widgets.figure(
        reliability_diagram(known), "Accuracy against confidence", name=f"reliability_{run.id}"
    )
    st.caption(error_words.RELIABILITY)

    st.subheader("On what grounds")
    run_widgets.grounds(seen.runs)
    run_widgets.export(
        f"errors_{run.id}",
        csv=partial(error_words.to_csv, seen, places),
        json=partial(error_words.to_json, seen, choice, places),
    )
