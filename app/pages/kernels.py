"""Kernels: the dynamic kernel that every DSA block made for this video (DSANet, Eq. 2)."""

import streamlit as st

from app import widgets, words
from app.state import Key
from dsanet_core.figures import kernel_distances, kernel_heatmap

with widgets.page(
    "Kernels", "How each DSA block mixed every snippet with its neighbours, for this video."
):
    source = widgets.choose_video()
    name = widgets.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    analysis = widgets.wait_for(source, [name])[0]
    kernel, view = widgets.choose_kernel(analysis)
    widgets.warn_if_unfamiliar(analysis)

    left, right = st.columns(2, gap="large")
    with left:
        widgets.chart(kernel_heatmap(kernel, view), "Weights: taps by channels")
        st.markdown(words.kernel_reading(kernel, view))
    with right:
        widgets.simplex(kernel)
    st.caption(
        "How to read it: left, a column is a channel and its three weights sum to 1. Right, each "
        "channel is a point: near the top it keeps its own snippet, near a lower corner it looks "
        "at a neighbour, in the centre it averages. Neighbours are those of the same view."
    )

    st.subheader("All blocks")
    widgets.chart(kernel_distances(analysis), "Distance of each block from two fixed kernels")
    st.caption(
        "How to read it: 0 on the first bar is a block that leaves snippets alone, 0 on the "
        "second is one that averages them; a block far from both chose its own mixture."
    )

    st.subheader("On what grounds")
    widgets.grounds(analysis, name)
    widgets.export([analysis], table="kernels")
