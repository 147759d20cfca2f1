"""Dependencies: what every SDA block selected for this video (SDA, Eqs. 2 to 8, Figure 5)."""

import streamlit as st

from app.ui import page_frame, text
from app.ui.state import Key
from dsanet_core.figures import dependency_weights, gate_maps, gate_over_time
from dsanet_core.report import readings

with page_frame.page(
    "Dependencies",
    "What each SDA block leaned on for this video: all of it, its places, its frames, or patches.",
):
    source = page_frame.choose_video()
    name = page_frame.choose_model(Key.MODEL, "Model", "sda_tsn_synth")
    analysis = page_frame.wait_for(source, [name])[0]
    selection, view = page_frame.choose_selection(analysis)
    page_frame.warn_if_unfamiliar(analysis)

    st.subheader("Through the network")
    st.markdown(text.selection_lead(analysis, view))
    page_frame.chart(
        dependency_weights(analysis, view, selection.block),
        "Weight of every dependency in each block, stacked and centred",
    )
    st.caption(readings.DEPENDENCY_WEIGHTS)

    st.subheader(f"The gate of {text.block_name(selection.block)}")
    st.markdown(text.selection_reading(selection, view))
    page_frame.chart(gate_maps(analysis, selection, view), "Gate of every frame, in space")
    st.caption(readings.GATE_MAPS)
    page_frame.chart(gate_over_time(analysis, selection, view), "Mean gate of every frame")
    st.caption(readings.GATE_OVER_TIME)

    st.subheader("What each dependency answered")
    page_frame.responses(analysis, selection, view)
    st.caption(readings.RESPONSES)

    st.subheader("On what grounds")
    page_frame.grounds(analysis, name)
    page_frame.export([analysis], table="dependencies")
