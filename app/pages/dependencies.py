"""Dependencies: what the SDA blocks select for a video (SDA, Eqs. 2 to 8, Figure 5)."""

import streamlit as st

from app.ui import (
    choosers,
    page_frame,
)
from app.ui.state import Key
from dsanet_core.figures import (
    dependency_response,
    dependency_weights,
    gate_maps,
    gate_over_time,
)
from dsanet_core.report import captions, text

ACROSS = 4  # responses side by side

with page_frame.page(
    "Dependencies", "Dependency weights per SDA block, and the gates they lead to, for this video."
):
    source = choosers.choose_video()
    name = choosers.choose_model(Key.MODEL, "Model", "sda_tsn_synth")
    analysis = page_frame.wait_for(source, [name])[0]
    selection, view = choosers.choose_selection(analysis)
    page_frame.warn_if_unfamiliar(analysis)

    st.subheader("Weights in all blocks")
    st.markdown(text.dependencies_summary(analysis, view))
    page_frame.chart(
        dependency_weights(analysis, view, selection.block),
        "Weight of each dependency in each block: stacked, and relative to equal shares",
    )
    st.caption(captions.DEPENDENCY_WEIGHTS)

    st.subheader(f"Gate of {text.block_name(selection.block)}")
    st.markdown(text.selection_summary(selection, view))
    page_frame.chart(gate_maps(analysis, selection, view), "Gate map of each frame")
    st.caption(captions.GATE_MAPS)
    page_frame.chart(gate_over_time(analysis, selection, view), "Mean gate of each frame")
    st.caption(captions.GATE_OVER_TIME)

    st.subheader("Response per dependency")
    for start in range(0, len(selection.dependencies), ACROSS):
        shown = selection.dependencies[start : start + ACROSS]
        for cell, each in zip(st.columns(ACROSS, gap="medium"), shown, strict=False):
            with cell, st.container(height="stretch", vertical_alignment="distribute"):
                st.markdown(text.dependency_heading(selection, each, view))
                figure = dependency_response(analysis, selection, each, view)
                page_frame.chart(figure, f"Response of {each}")
    st.caption(captions.RESPONSES)

    page_frame.model_details([analysis], [name])
    page_frame.export([analysis], table="dependencies")
