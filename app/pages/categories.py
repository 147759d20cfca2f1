"""Categories: which network answers which category best, and what it leans on (SDA, Figure 4)."""

from functools import partial

import streamlit as st

from app.dataset import category_widgets, run_widgets, run_words
from app.widgets import page
from dsanet_core.figures import category_accuracy, compare_categories, shared_rows

with page(
    "Categories",
    "Which categories each network answers better than a base, and what it leans on there.",
):
    chosen = category_widgets.choose()
    table = compare_categories(chosen, category_widgets.choose_weights(chosen))
    rows = category_widgets.choose_rows(table)
    label = category_widgets.settle_category(table, rows)

    st.subheader("Category by category")
    st.markdown(run_words.categories_lead(table, rows))
    category_widgets.chart(category_accuracy(table, rows, label), table)
    st.caption(run_words.categories_reading(table))

    st.subheader("One category")
    category_widgets.choose_category(table)
    shared = shared_rows(chosen)
    category_widgets.confusions(chosen, label, shared)
    st.caption(run_words.CONFUSIONS_READING)
    run_widgets.videos(
        chosen, run_words.wrong_first(chosen, label, shared), origin="categories", key="videos"
    )
    st.caption(run_words.VIDEOS_READING)

    st.subheader("On what grounds")
    run_widgets.grounds(chosen)
    run_widgets.export(
        "categories",
        csv=partial(run_words.categories_to_csv, table, rows),
        json=partial(run_words.categories_to_json, chosen, table, rows, label, shared),
    )
