"""The page What if: the prediction after changes to snippets, their order, kernels and gates."""

import streamlit as st

from app.pages.whatif import text, widgets
from app.ui import (
    choosers,
    page_frame,
)
from app.ui.state import Key
from dsanet_core.figures import compare_snippets, disagreement, top_bars
from dsanet_core.figures.style import snippet_word
from dsanet_core.report import captions

with page_frame.page(
    "What if", "How the prediction changes when you edit the video or a block."
):
    source = choosers.choose_video()
    film, right = st.columns([2, 6], gap="medium")
    with right:
        name = choosers.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    before = page_frame.wait_for(source, [name])[0]
    with film:
        page_frame.player(source, before.video)
    changes = widgets.chosen_changes(before)
    with right:
        widgets.choose_input(before, changes)
    st.markdown("**Block overrides**")
    widgets.choose_blocks(before, changes)
    page_frame.warn_if_unfamiliar(before)

    st.subheader("Original and modified")
    after = None
    if changes:
        widgets.change_buttons(before, changes)
        after = widgets.wait_for(source, name, changes)
        st.markdown(text.prediction_change(before, after))
        if note := text.order_note(before, changes):
            st.markdown(note)
    else:
        st.info(
            "No changes yet. Choose one above, for example a reversed order.",
            icon=":material/arrow_upward:",
        )
    analyses = [before] if after is None else [before, after]
    titled = [
        text.renamed(analysis, f"{name} ({label})")
        for analysis, label in zip(analyses, text.LABELS, strict=False)
    ]
    for cell, analysis in zip(st.columns(2, gap="large"), titled, strict=False):
        with cell:
            page_frame.prediction(analysis, source)
            title = f"Most probable classes, {analysis.model.name}"
            page_frame.chart(top_bars(analysis, 5), title)
    if after is not None:
        # The figures are narrow: their labels leave out the model's name.
        a, b = map(text.renamed, analyses, text.LABELS)
        page_frame.chart(disagreement(a, b), "Differences in probability")
        st.caption(captions.disagreement_of(*titled))
        word = snippet_word([a, b])
        with st.expander(f"Scores per {word}", icon=":material/compare:"):
            page_frame.chart(compare_snippets(a, b, source.category), f"Top class of each {word}")
            st.caption(captions.comparison_of(*titled))

    st.subheader("Block importance")
    effects = widgets.block_importance(source, name, before)

    page_frame.model_details([before], [name])
    widgets.export(before, after)
    page_frame.report(analyses, source, effects=effects)
