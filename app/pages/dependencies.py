"""Dependencies: what every SDA block selected for this video (SDA, Eqs. 2 to 8, Figure 5)."""

import streamlit as st

from app import widgets, words
from app.state import Key
from dsanet_core.figures import dependency_weights, gate_maps, gate_over_time

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
    st.caption(
        "How to read it: above, the weights of a block's dependencies, which sum to 1; below, the "
        "same weights as points above or below equal shares, so that 0 is plain averaging. The "
        "dotted frame is the block chosen above. Residual Blocks 1 to 4 of the paper are the "
        "stages res2 to res5 here; their blocks are counted within each."
    )

    st.subheader(f"The gate of {words.block_name(selection.block)}")
    st.markdown(words.selection_reading(selection, view))
    widgets.chart(gate_maps(analysis, selection, view), "Gate of every frame, in space")
    st.caption(
        "How to read it: the block multiplies its features by its gate: where the map is bright "
        "more passes. Every map covers the picture above it, mean over channels. Both kinds of "
        "gate share one scale; in the last line blue is more than under equal weights, orange less."
    )
    widgets.chart(gate_over_time(analysis, selection, view), "Mean gate of every frame")
    st.caption(
        "How to read it: the mean of each frame's map over time, as the block selected and as the "
        "same block on the same input would have it with equal weights."
    )

    st.subheader("What each dependency answered")
    widgets.responses(analysis, selection, view)
    st.caption(
        "How to read it: each dependency sees the block's features pooled in its own way, so each "
        "answers on its own grid; the gate is made of these answers, weighted. All share one "
        "scale, from 0 to the largest. Energy is the mean square of an answer over its channels: a "
        "dependency with much weight and little energy adds little."
    )

    st.subheader("On what grounds")
    widgets.grounds(analysis, name)
    widgets.export([analysis], table="dependencies")
