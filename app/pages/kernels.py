"""Kernels: the dynamic kernel that every DSA block made for this video (DSANet, Eq. 2)."""

import streamlit as st

from app import widgets, words
from app.state import Key
from dsanet_core.figures import kernel_distances, kernel_heatmap
from dsanet_core.report import readings

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
    st.caption(readings.KERNEL)

    st.subheader("All blocks")
    widgets.chart(kernel_distances(analysis), "Distance of each block from two fixed kernels")
    st.caption(readings.KERNEL_DISTANCES)

    st.subheader("On what grounds")
    widgets.grounds(analysis, name)
    widgets.export([analysis], table="kernels")
