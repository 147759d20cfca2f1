"""Explain: which moments and places spoke for an answer, and how far that can be trusted."""

import streamlit as st

from app.pages.explain import text, widgets
from app.ui import page_frame
from app.ui.state import Key

with page_frame.page(
    "Explain",
    "Which moment and which places of a video spoke for an answer, and how far to trust that.",
):
    source = page_frame.choose_video()
    film, left, right = st.columns([2, 3, 3], gap="medium")
    with left:
        first = page_frame.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    with right:
        second = widgets.choose_beside(first)
    names = [first] if second is None else [first, second]
    analyses = page_frame.wait_for(source, names)
    with film:
        page_frame.player(source, analyses[0].video)
    for cell, analysis in zip((left, right), analyses, strict=False):
        with cell:
            page_frame.verdict(analysis, source)
    page_frame.warn_if_unfamiliar(analyses[0])

    method, category, snippet = widgets.choose(analyses)
    attributions = widgets.wait_for(source, names, analyses, method, category, snippet)
    for attribution in attributions:
        st.markdown(text.lead(attribution))

    st.subheader("When")
    widgets.timelines(analyses, attributions)
    st.caption(text.timeline_reading(analyses))

    st.subheader("Where")
    crop = widgets.choose_crop(analyses[0].protocol)
    widgets.scrubber(analyses, attributions, crop)
    widgets.strips(analyses, attributions, crop)
    st.caption(text.heat_reading(attributions))

    st.subheader("How far to trust it")
    widgets.trust(attributions)
    widgets.curves(source, names, attributions)

    st.subheader("On what grounds")
    for cell, analysis, name in zip(
        st.columns(len(names), gap="large"), analyses, names, strict=True
    ):
        with cell:
            page_frame.grounds(analysis, name)
    widgets.export(analyses, attributions)
    page_frame.report(analyses, source, attributions=attributions)
