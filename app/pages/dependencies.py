"""Dependencies: what every SDA block selected for this video (SDA, Eqs. 2 to 8, Figure 5)."""

import streamlit as st

from app import widgets, words
from app.state import Key
from dsanet_core.figures import dependency_weights, gate_maps, gate_over_time
from dsanet_core.report import readings

with widgets.page(
    "Dependencies",
    "What each SDA block leaned on for this video: all of it, its places, its frames, or patches.",
):
    source = widgets.choose_video()
    name = widgets.choose_model(Key.MODEL, "Model", "sda_tsn_synth")
    analysis = widgets.wait_for(source, [name])[0]
    selection, view = widgets.choose_selection(analysis)
    widgets.warn_if_unfamiliar(analysis)

    st.subheader("Through the network")
    st.markdown(words.selection_lead(analysis, view))
    widgets.chart(
        dependency_weights(analysis, view, selection.block),
        "Weight of every dependency in each block, stacked and centred",
    )
    st.caption(readings.DEPENDENCY_WEIGHTS)

    st.subheader(f"The gate of {words.block_name(selection.block)}")
    st.markdown(words.selection_reading(selection, view))
    widgets.chart(gate_maps(analysis, selection, view), "Gate of every frame, in space")
    st.caption(readings.GATE_MAPS)
    widgets.chart(gate_over_time(analysis, selection, view), "Mean gate of every frame")
    st.caption(readings.GATE_OVER_TIME)

    st.subheader("What each dependency answered")
    widgets.responses(analysis, selection, view)
    st.caption(readings.RESPONSES)

    st.subheader("On what grounds")
    widgets.grounds(analysis, name)
    widgets.export([analysis], table="dependencies")
