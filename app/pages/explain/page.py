"""Explain: the moments and regions that support a prediction, and the reliability of that map."""

import streamlit as st

from app.pages.explain import text, widgets
from app.ui import (
    choosers,
    page_frame,
)
from app.ui.state import Key
from dsanet_core.report.attribution_text import attribution_summary

with page_frame.page(
    "Explain",
    "Which moments and regions support the prediction, and how reliable this explanation is.",
):
    source = choosers.choose_video()
    film, left, right = st.columns([2, 3, 3], gap="medium")
    with left:
        first = choosers.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    with right:
        second = widgets.choose_second_model(first)
    names = [first] if second is None else [first, second]
    analyses = page_frame.wait_for(source, names)
    with film:
        page_frame.player(source, analyses[0].video)
    for cell, analysis in zip((left, right), analyses, strict=False):
        with cell:
            page_frame.prediction(analysis, source)
    page_frame.warn_if_unfamiliar(analyses[0])

    method, category, snippet = widgets.choose(analyses)
    attributions = widgets.wait_for(source, names, analyses, method, category, snippet)
    for attribution in attributions:
        st.markdown(attribution_summary(attribution))

    st.subheader("Contributions over time")
    widgets.timelines(analyses, attributions)
    st.caption(text.timeline_caption(analyses))

    st.subheader("Heat maps")
    crop = widgets.choose_crop(analyses[0].protocol)
    widgets.frame_viewer(analyses, attributions, crop)
    widgets.strips(analyses, attributions, crop)
    st.caption(text.heat_caption(attributions))

    st.subheader("Reliability of this explanation")
    widgets.reliability(attributions)
    widgets.curves(source, names, attributions)

    page_frame.model_details(analyses, names)
    widgets.export(analyses, attributions)
    page_frame.report(analyses, source, attributions=attributions)
