"""Categories: which network answers which category best, and what it leans on (SDA, Figure 4)."""

from functools import partial

import streamlit as st

from app.pages.categories import widgets
from app.ui import run_text, run_widgets
from app.ui.page_frame import page
from dsanet_core.figures import category_accuracy, compare_categories, shared_rows

with page(
    "Categories",
    "Which categories each network answers better than a base, and what it leans on there.",
):
    chosen = widgets.choose()
    table = compare_categories(chosen, widgets.choose_weights(chosen))
    rows = widgets.choose_rows(table)
    label = widgets.settle_category(table, rows)

    st.subheader("Category by category")
    st.markdown(run_text.categories_lead(table, rows))
    widgets.chart(category_accuracy(table, rows, label), table)
    st.caption(run_text.categories_reading(table))

    st.subheader("One category")
    widgets.choose_category(table)
    shared = shared_rows(chosen)
    widgets.confusions(chosen, label, shared)
    st.caption(run_text.CONFUSIONS_READING)
    run_widgets.videos(
        chosen, run_text.wrong_first(chosen, label, shared), origin="categories", key="videos"
    )
    st.caption(run_text.VIDEOS_READING)

    st.subheader("On what grounds")
    run_widgets.grounds(chosen)
    run_widgets.export(
        "categories",
        csv=partial(run_text.categories_to_csv, table, rows),
        json=partial(run_text.categories_to_json, chosen, table, rows, label, shared),
    )
