"""Compare: two models on the same video."""

import streamlit as st

from app.ui import (
    choosers,
    page_frame,
)
from app.ui.state import Key
from dsanet_core.figures import compare_snippets, disagreement
from dsanet_core.figures.style import snippet_word
from dsanet_core.report import captions
from dsanet_core.report.text import compute_cost

with page_frame.page(
    "Compare", "Two models on one video: predictions per snippet and for the whole video."
):
    source = choosers.choose_video()
    film, left, right = st.columns([2, 3, 3], gap="medium")
    with left:
        first = choosers.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    with right:
        second = choosers.choose_model(Key.OTHER, "Compare with", "i3d_synth")
    a, b = page_frame.wait_for(source, [first, second])

    with film:
        page_frame.player(source, a.video)
    with left:
        page_frame.prediction(a, source)
    with right:
        page_frame.prediction(b, source)
    page_frame.warn_if_unfamiliar(a)

    word = snippet_word([a, b])
    st.subheader(f"Scores per {word}")
    page_frame.chart(compare_snippets(a, b, source.category), f"Top class of each {word}")
    st.caption(captions.comparison_of(a, b))

    st.subheader("Where the models disagree")
    page_frame.chart(disagreement(a, b), "Differences in probability")
    st.caption(captions.disagreement_of(a, b))

    st.subheader("Compute cost")
    st.markdown(compute_cost([a, b]))

    page_frame.model_details([a, b], [first, second])
    page_frame.export([a, b])
    page_frame.report([a, b], source)
