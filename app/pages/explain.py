"""Explain: which moments and places spoke for an answer, and how far that can be trusted."""

import streamlit as st

from app import widgets
from app.state import Key
from app.why import explain_widgets, explain_words

with widgets.page(
    "Explain",
    "Which moment and which places of a video spoke for an answer, and how far to trust that.",
):
    source = widgets.choose_video()
    film, left, right = st.columns([2, 3, 3], gap="medium")
    with left:
        first = widgets.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    with right:
        second = explain_widgets.choose_beside(first)
    names = [first] if second is None else [first, second]
    analyses = widgets.wait_for(source, names)
    with film:
        widgets.player(source, analyses[0].video)
    for cell, analysis in zip((left, right), analyses, strict=False):
        with cell:
            widgets.verdict(analysis, source)
    widgets.warn_if_unfamiliar(analyses[0])

    method, category, snippet = explain_widgets.choose(analyses)
    attributions = explain_widgets.wait_for(source, names, analyses, method, category, snippet)
    for attribution in attributions:
        st.markdown(explain_words.lead(attribution))

    st.subheader("When")
    explain_widgets.timelines(analyses, attributions)
    st.caption(explain_words.timeline_reading(analyses))

    st.subheader("Where")
    crop = explain_widgets.choose_crop(analyses[0].protocol)
    explain_widgets.scrubber(analyses, attributions, crop)
    explain_widgets.strips(analyses, attributions, crop)
    st.caption(explain_words.heat_reading(attributions))

    st.subheader("How far to trust it")
    explain_widgets.trust(attributions)
    explain_widgets.curves(source, names, attributions)

    st.subheader("On what grounds")
    for cell, analysis, name in zip(
        st.columns(len(names), gap="large"), analyses, names, strict=True
    ):
        with cell:
            widgets.grounds(analysis, name)
    explain_widgets.export(analyses, attributions)
    widgets.report(analyses, source, attributions=attributions)
