"""Layers: what SDA blocks weigh and DSA kernels do, per category and block (SDA, Figure 5)."""

from functools import partial

import streamlit as st

from app.pages.layers import block_ablation, text, widgets
from app.ui import page_frame, run_widgets, state
from app.ui.state import Key
from dsanet_core.figures.layer_table import all_videos
from dsanet_core.figures.layers import layer_curves, layer_map, layer_summary
from dsanet_core.report import captions

with page_frame.page(
    "Layers", "Which layers of a network look far and which look near, and for which categories."
):
    run = widgets.choose_run()
    kind, layers = widgets.choose_layers(run)
    table, compared = widgets.choose_table(run, kind, layers)

    st.subheader("Through the network, over all videos")
    whole = all_videos(table)
    st.markdown(text.lead(whole))
    run_widgets.figure(
        layer_summary(whole), f"{kind} of every block over all videos", name=f"layers_{run.id}"
    )
    st.caption(
        f"{captions.LAYERS_SUMMARY} {text.quantity_reading(table)} "
        f"{text.spread_reading(table, by_stage=False)}"
    )
    claims = text.claims(whole)
    if claims:
        with st.expander("Against the paper's Figure 5", icon=":material/fact_check:"):
            st.markdown(text.verdict(claims))
            st.markdown(text.stage_table(whole))
            st.caption(
                "How to read it: weights over all videos, averaged over the blocks of a stage; the "
                "largest of each stage is bold. Residual Blocks 1 to 4 of the paper are the stages "
                "res2 to res5. The paper says it of ResNet-50 on Something-Something V1 "
                "(section 4.5): another network and other videos may well differ."
            )

    st.subheader("Category by category")
    shown = widgets.choose_categories(table, run.groups)
    drawn, by_stage, spread = widgets.choose_columns(shown)
    st.markdown(text.widest(drawn))
    chosen = state.get(Key.TRUE_CATEGORY) or ""
    run_widgets.figure(
        layer_curves(drawn, spread=spread, chosen=chosen),
        f"{kind} of every category, a row per {'stage' if by_stage else 'block'}",
        name=f"layers_{run.id}_curves",
    )
    order = str(st.session_state[Key.LAYERS_ORDER])
    st.caption(
        f"{captions.LAYERS_CURVES} "
        f"{text.order_reading(order, len(drawn.categories), len(run.classes))} "
        f"{text.spread_reading(drawn, by_stage)}"
    )

    st.subheader("As a map")
    mapped = widgets.choose_quantity(drawn)
    event = run_widgets.figure(
        layer_map(mapped, chosen=chosen), f"{kind} of every category as a map",
        name=f"layers_{run.id}_map", key="layer_map",
    )
    widgets.open_category(event, mapped.categories, run)
    st.caption(
        f"{captions.layers_map('stage' if by_stage else 'block')} "
        f"{text.colour_reading(mapped)} A click on the square before a row opens that "
        "category on the page Categories."
    )

    block_ablation.section(run, drawn.categories, chosen=chosen)

    st.subheader("On what grounds")
    run_widgets.grounds(compared)
    run_widgets.export(
        f"layers_{run.id}",
        csv=partial(text.to_csv, drawn),
        json=partial(text.to_json, drawn, compared, order),
    )
