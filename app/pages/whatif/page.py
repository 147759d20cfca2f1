"""What if: other snippets, another order, other kernels and gates, and what the answer is then."""

import streamlit as st

from app.pages.whatif import text, widgets
from app.ui import page_frame
from app.ui import text as ui_text
from app.ui.state import Key
from dsanet_core.figures import compare_snippets, disagreement, top_bars

with page_frame.page(
    "What if", "What the answer would be if the video, or a block of the network, were another."
):
    source = page_frame.choose_video()
    film, right = st.columns([2, 6], gap="medium")
    with right:
        name = page_frame.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    before = page_frame.wait_for(source, [name])[0]
    with film:
        page_frame.player(source, before.video)
    texts = widgets.settle(before)
    with right:
        widgets.choose_input(before, texts)
    st.markdown("**What its blocks do**")
    widgets.choose_blocks(before, texts)
    page_frame.warn_if_unfamiliar(before)

    st.subheader("Before and after")
    after = None
    if texts:
        widgets.chips(before, texts)
        after = widgets.wait_for(source, name, texts)
        st.markdown(text.verdict(before, after))
        if reading := text.order_reading(before, texts):
            st.markdown(reading)
    else:
        st.info(
            "Nothing is changed yet: choose a change above, for example the order reversed.",
            icon=":material/arrow_upward:",
        )
    answers = [before] if after is None else [before, after]
    names = text.NAMES[: len(answers)]
    said = [text.named(a, f"{name} {n}") for a, n in zip(answers, names, strict=True)]
    for cell, answer in zip(st.columns(2, gap="large"), said, strict=False):
        with cell:
            page_frame.verdict(answer, source)
            title = f"The most probable categories, {answer.model.name}"
            page_frame.chart(top_bars(answer, 5), title)
    if after is not None:
        # The figures are narrow: there the network's name goes without saying.
        drawn = list(map(text.named, answers, names))
        page_frame.chart(disagreement(*drawn), "Differences of probability")
        st.caption(ui_text.disagreement_reading(*said))
        word = ui_text.snippet_word(drawn)
        with st.expander(f"{word.capitalize()} by {word}", icon=":material/compare:"):
            page_frame.chart(compare_snippets(*drawn, source.category), f"Best category per {word}")
            st.caption(ui_text.compare_reading(*said))

    st.subheader("Which block the answer hangs on")
    effects = widgets.ranking(source, name, before)

    st.subheader("On what grounds")
    page_frame.grounds(before, name)
    widgets.export(before, after)
    page_frame.report(answers, source, effects=effects)
