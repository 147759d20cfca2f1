"""Zoo: every network this tool builds, what it costs, and how the papers' figures compare."""

import streamlit as st

from app.pages.zoo import text, weights_panel
from app.ui import page_frame, state, zoo_counts
from app.ui.page_frame import table
from app.ui.state import keyed
from dsanet_core.figures import accuracy_against_cost
from dsanet_core.report import captions
from dsanet_core.zoo.paper_tables import published_rows

with page_frame.page(
    "Zoo", "Every network of the two papers: what it costs, and how accurate it is where measured."
):
    weights_panel.bring()
    weights_panel.library()

    st.subheader("Accuracy against cost")
    state.ensure_option(state.ZOO_CHART, list(text.CHARTS), next(iter(text.CHARTS)))
    st.selectbox("Data set of the papers", list(text.CHARTS), **keyed(state.ZOO_CHART))
    points = text.paper_points(published_rows(), st.session_state[state.ZOO_CHART])
    page_frame.chart(
        accuracy_against_cost(points, measured_here=False),
        "The papers' accuracies against the cost of a video",
    )
    st.caption(captions.ACCURACY_AGAINST_COST)

    st.subheader("Embedded networks, measured here")
    networks = zoo_counts.networks()
    measured = text.measured_points(networks)
    for data, members in measured.items():
        page_frame.chart(
            accuracy_against_cost(
                {f"Measured here on {data}": members}, measured_here=True, height=340
            ),
            "Measured accuracies of the embedded networks against the cost of a video",
        )
    if measured:
        st.caption(
            "How to read it: as above, but with the small networks whose weights come with this "
            "tool, on videos of the embedded benchmark: other networks, other videos and another "
            "number of categories, so no point here can be held against one above."
        )
    else:
        st.info(
            "No weights with a measured accuracy are here. Run: make train-embedded",
            icon=":material/info:",
        )

    st.subheader("All networks")
    search = st.text_input(
        "Search", **keyed(state.ZOO_SEARCH), placeholder="name, module, paper, protocol, e.g. SDA"
    )
    found = text.network_rows(networks, search)
    if found:
        table(found, formats=text.NETWORK_FORMATS)
    else:
        st.info(
            f"None of the {len(networks)} networks has all words of “{text.escape(search)}”. "
            "Search for less, for example: SDA",
            icon=":material/search_off:",
        )
    st.caption(
        f"{len(found)} of {len(networks)} networks. How to read it: a click on a head sorts. MACs "
        "are multiply-adds, counted for convolutions, linear layers, DSA, SDA and SE at the frame "
        "size of the network's own test protocol; a view is one clip and crop of it. Networks "
        "without weights that come with this tool can be built, with random ones."
    )

    st.subheader("The papers' numbers and ours")
    comparisons = zoo_counts.comparisons()
    st.markdown(text.verdict(comparisons))
    tables = text.tables(comparisons)
    state.ensure_option(state.ZOO_TABLE, tables, tables[0])
    st.selectbox("Table", tables, **keyed(state.ZOO_TABLE))
    shown = text.comparison_rows(comparisons, st.session_state[state.ZOO_TABLE])
    table(shown, formats=text.COMPARISON_FORMATS)
    st.caption(
        "How to read it: MACs are multiply-adds (the papers' FLOPs) of one view at 224 x 224. Ours "
        "lie about half a per cent lower, since the papers' counters add normalisation and "
        "pooling. An ensemble counts as its members together. A dash is a number that the paper "
        "does not print, or a network that is not built here."
    )
