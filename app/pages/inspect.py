"""Inspect: what one network says of one video, and which snippet said what."""

import streamlit as st

from app.ui import page_frame, text
from app.ui.state import Key
from dsanet_core.figures import snippet_timeline, top_bars

with page_frame.page("Inspect", "What a network says of a video, and which part of it said what."):
    source = page_frame.choose_video()
    name = page_frame.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    analysis = page_frame.wait_for(source, [name])[0]

    left, right = st.columns([2, 3], gap="large")
    with left:
        page_frame.player(source, analysis.video)
    with right:
        page_frame.verdict(analysis, source)
        page_frame.chart(top_bars(analysis, 5), "Bars: the five most probable categories")
    page_frame.familiarity(analysis)

    word = text.snippet_word([analysis])
    st.subheader(f"{word.capitalize()} by {word}")
    classes = page_frame.choose_categories(analysis, source)
    page_frame.chart(snippet_timeline(analysis, classes), "Scores of each snippet over time")
    st.caption(text.timeline_reading(analysis))

    st.subheader("On what grounds")
    page_frame.grounds(analysis, name)
    page_frame.export([analysis])
    page_frame.report([analysis], source)
