"""Kernels: the dynamic kernel that every DSA block made for this video (DSANet, Eq. 2)."""

import streamlit as st

from app.ui import page_frame, text
from app.ui.state import Key
from dsanet_core.figures import kernel_distances, kernel_heatmap
from dsanet_core.report import readings

with page_frame.page(
    "Kernels", "How each DSA block mixed every snippet with its neighbours, for this video."
):
    source = page_frame.choose_video()
    name = page_frame.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    analysis = page_frame.wait_for(source, [name])[0]
    kernel, view = page_frame.choose_kernel(analysis)
    page_frame.warn_if_unfamiliar(analysis)

    left, right = st.columns(2, gap="large")
    with left:
        page_frame.chart(kernel_heatmap(kernel, view), "Weights: taps by channels")
        st.markdown(text.kernel_reading(kernel, view))
    with right:
        page_frame.simplex(kernel)
    st.caption(readings.KERNEL)

    st.subheader("All blocks")
    page_frame.chart(kernel_distances(analysis), "Distance of each block from two fixed kernels")
    st.caption(readings.KERNEL_DISTANCES)

    st.subheader("On what grounds")
    page_frame.grounds(analysis, name)
    page_frame.export([analysis], table="kernels")
