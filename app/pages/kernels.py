"""Kernels: the dynamic kernels of the DSA blocks for a video (DSANet, Eq. 2)."""

import streamlit as st

from app.ui import (
    choosers,
    page_frame,
)
from app.ui.state import Key
from dsanet_core.figures import kernel_distances, kernel_heatmap, kernel_ternary
from dsanet_core.report import captions
from dsanet_core.report.text import kernel_summary

with page_frame.page(
    "Kernels", "How each DSA block mixes every snippet with its neighbours, for this video."
):
    source = choosers.choose_video()
    name = choosers.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    analysis = page_frame.wait_for(source, [name])[0]
    kernel, view = choosers.choose_kernel(analysis)
    page_frame.warn_if_unfamiliar(analysis)

    left, right = st.columns(2, gap="large")
    with left:
        page_frame.chart(kernel_heatmap(kernel, view), "Weights: taps by channels")
        st.markdown(kernel_summary(kernel, view))
    with right:
        if kernel.values.shape[-1] == 3:
            page_frame.chart(kernel_ternary(kernel), "Taps of each channel on a triangle")
        else:
            st.info("Only kernels with 3 taps can be drawn on a triangle.")
    st.caption(captions.KERNEL)

    st.subheader("All blocks")
    page_frame.chart(kernel_distances(analysis), "Distance of each block from two fixed kernels")
    st.caption(captions.KERNEL_DISTANCES)

    page_frame.model_details([analysis], [name])
    page_frame.export([analysis], table="kernels")
