"""What if: other snippets, another order, other kernels and gates, and what the answer is then."""

import streamlit as st

from app import widgets, words
from app.state import Key
from app.why import whatif_widgets, whatif_words
from dsanet_core.figures import compare_snippets, disagreement, top_bars

with widgets.page(
    "What if", "What the answer would be if the video, or a block of the network, were another."
):
    source = widgets.choose_video()
    film, right = st.columns([2, 6], gap="medium")
    with right:
        name = widgets.choose_model(Key.MODEL, "Model", "dsa_i3d_synth")
    before = widgets.wait_for(source, [name])[0]
    with film:
        widgets.player(source, before.video)
    texts = whatif_widgets.settle(before)
    with right:
        whatif_widgets.choose_input(before, texts)
    st.markdown("**What its blocks do**")
    whatif_widgets.choose_blocks(before, texts)
    widgets.warn_if_unfamiliar(before)

    st.subheader("Before and after")
    after = None
    if texts:
        whatif_widgets.chips(before, texts)
        after = whatif_widgets.wait_for(source, name, texts)
        st.markdown(whatif_words.verdict(before, after))
        if reading := whatif_words.order_reading(before, texts):
            st.markdown(reading)
    else:
        st.info(
            "Nothing is changed yet: choose a change above, for example the order reversed.",
            icon=":material/arrow_upward:",
        )
    answers = [before] if after is None else [before, after]
    names = whatif_words.NAMES[: len(answers)]
    said = [whatif_words.named(a, f"{name} {n}") for a, n in zip(answers, names, strict=True)]
    for cell, answer in zip(st.columns(2, gap="large"), said, strict=False):
        with cell:
            widgets.verdict(answer, source)
            widgets.chart(top_bars(answer, 5), f"The most probable categories, {answer.model.name}")
    if after is not None:
        # The figures are narrow: there the network's name goes without saying.
        drawn = list(map(whatif_words.named, answers, names))
        widgets.chart(disagreement(*drawn), "Differences of probability")
        st.caption(words.disagreement_reading(*said))
        word = words.snippet_word(drawn)
        with st.expander(f"{word.capitalize()} by {word}", icon=":material/compare:"):
            widgets.chart(compare_snippets(*drawn, source.category), f"Best category per {word}")
            st.caption(words.compare_reading(*said))

    st.subheader("Which block the answer hangs on")
    effects = whatif_widgets.ranking(source, name, before)

    st.subheader("On what grounds")
    widgets.grounds(before, name)
    whatif_widgets.export(before, after)
    widgets.report(answers, source, effects=effects)
