"""Compare: two networks on the same frames of the same video."""

import streamlit as st

from app.ui import page_frame, text
from app.ui.state import Key
from dsanet_core.figures import compare_snippets, disagreement

with page_frame.page(
    "Compare", "Two networks on one video: what each says of its parts and of the whole."
):
    source = page_frame.choose_video()
    film, left, right = st.columns([2, 3, 3], gap="medium")
    with left:
        first = page_frame.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    with right:
        second = page_frame.choose_model(Key.OTHER, "Against", "i3d_synth")
    a, b = page_frame.wait_for(source, [first, second])

    with film:
        page_frame.player(source, a.video)
    with left:
        page_frame.verdict(a, source)
    with right:
        page_frame.verdict(b, source)
    page_frame.warn_if_unfamiliar(a)

    word = text.snippet_word([a, b])
    st.subheader(f"{word.capitalize()} by {word}")
    page_frame.chart(compare_snippets(a, b, source.category), f"Best category of each {word}")
    st.caption(text.compare_reading(a, b))

    st.subheader("Where they part ways")
    page_frame.chart(disagreement(a, b), "Differences of probability")
    st.caption(text.disagreement_reading(a, b))

    st.subheader("What each costs")
    st.markdown(text.costs([a, b]))

    st.subheader("On what grounds")
    left, right = st.columns(2, gap="large")
    with left:
        page_frame.grounds(a, first)
    with right:
        page_frame.grounds(b, second)
    page_frame.export([a, b])
    page_frame.report([a, b], source)
