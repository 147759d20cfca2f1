"""Inspect: what one network says of one video, and which snippet said what."""

import streamlit as st

from app import widgets, words
from app.state import Key
from dsanet_core.figures import snippet_timeline, top_bars

with widgets.page("Inspect", "What a network says of a video, and which part of it said what."):
    source = widgets.choose_video()
    name = widgets.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    analysis = widgets.wait_for(source, [name])[0]

    left, right = st.columns([2, 3], gap="large")
    with left:
        widgets.player(source, analysis.video)
    with right:
        widgets.verdict(analysis, source)
        widgets.chart(top_bars(analysis, 5), "Bars: the five most probable categories")
    widgets.familiarity(analysis)

    word = words.snippet_word([analysis])
    st.subheader(f"{word.capitalize()} by {word}")
    classes = widgets.choose_categories(analysis, source)
    widgets.chart(snippet_timeline(analysis, classes), "Scores of each snippet over time")
    st.caption(words.timeline_reading(analysis))

    st.subheader("On what grounds")
    widgets.grounds(analysis, name)
    widgets.export([analysis])
    widgets.report([analysis], source)
