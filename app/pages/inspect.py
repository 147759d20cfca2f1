"""Inspect: a model's prediction for a video, and the scores of its snippets."""

import streamlit as st

from app.ui import (
    choosers,
    page_frame,
)
from app.ui.state import Key
from dsanet_core.figures import snippet_timeline, top_bars
from dsanet_core.figures.style import snippet_word
from dsanet_core.report import captions

with page_frame.page(
    "Inspect", "What the model predicts, and which snippets drive the prediction."
):
    source = choosers.choose_video()
    name = choosers.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    analysis = page_frame.wait_for(source, [name])[0]

    left, right = st.columns([2, 3], gap="large")
    with left:
        page_frame.player(source, analysis.video)
    with right:
        page_frame.prediction(analysis, source)
        page_frame.chart(top_bars(analysis, 5), "Bars: the five most probable classes")
    page_frame.familiarity(analysis)

    st.subheader(f"Scores per {snippet_word([analysis])}")
    classes = choosers.choose_classes(analysis, source)
    page_frame.chart(snippet_timeline(analysis, classes), "Scores of each snippet over time")
    st.caption(captions.timeline_of(analysis))

    page_frame.model_details([analysis], [name])
    page_frame.export([analysis])
    page_frame.report([analysis], source)
