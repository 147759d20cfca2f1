"""Compare: two networks on the same frames of the same video."""

import streamlit as st

from app import widgets, words
from app.state import Key
from dsanet_core.figures import compare_snippets, disagreement

with widgets.page(
    "Compare", "Two networks on one video: what each says of its parts and of the whole."
):
    source = widgets.choose_video()
    film, left, right = st.columns([2, 3, 3], gap="medium")
    with left:
        first = widgets.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    with right:
        second = widgets.choose_model(Key.OTHER, "Against", "i3d_synth")
    a, b = widgets.wait_for(source, [first, second])

    with film:
        widgets.player(source, a.video)
    with left:
        widgets.verdict(a, source)
    with right:
        widgets.verdict(b, source)
    widgets.warn_if_unfamiliar(a)

    word = words.snippet_word([a, b])
    st.subheader(f"{word.capitalize()} by {word}")
    widgets.chart(compare_snippets(a, b, source.category), f"Best category of each {word}")
    st.caption(words.compare_reading(a, b))

    st.subheader("Where they part ways")
    widgets.chart(disagreement(a, b), "Differences of probability")
    st.caption(words.disagreement_reading(a, b))

    st.subheader("What each costs")
    st.markdown(words.costs([a, b]))

    st.subheader("On what grounds")
    left, right = st.columns(2, gap="large")
    with left:
        widgets.grounds(a, first)
    with right:
        widgets.grounds(b, second)
    widgets.export([a, b])
    widgets.report([a, b], source)
