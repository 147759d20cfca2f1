"""Layers: SDA weights and DSA kernels per class and block (SDA, Figure 5)."""

from functools import partial

import streamlit as st

from app.pages.layers import (
    text,
    widgets,
)
from app.ui import run_widgets, state
from app.ui.page_frame import page
from app.ui.state import Key

with page(
    "Layers",
    "Long- and short-range dependencies per layer: what the blocks of a model weigh, for each "
    "class.",
):
    run = widgets.choose_run()
    kind, layers = widgets.choose_layers(run)
    table, runs = widgets.choose_table(run, kind, layers)
    widgets.over_all_videos(run, kind, table)

    st.subheader("Class by class")
    shown, order = widgets.choose_classes(table, run.groups)
    columns, spread = widgets.choose_columns(shown)
    chosen = state.get(Key.TRUE_CATEGORY) or ""
    widgets.curves(run, kind, columns, order, spread=spread, chosen=chosen)
    widgets.class_map(run, kind, columns, chosen=chosen)
    widgets.section(run, columns.categories, chosen=chosen)

    run_widgets.sources(runs)
    run_widgets.export(
        f"layers_{run.id}",
        csv=partial(text.to_csv, columns),
        json=partial(text.to_json, columns, runs, order),
    )
