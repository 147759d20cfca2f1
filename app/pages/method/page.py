"""Method: the equations of DSA and SDA, where each part is shown, and how to read each figure."""

import streamlit as st

from app import page_file
from app.pages.method import diagrams, text
from app.ui import page_frame


def steps(shown: list[text.Step]) -> None:
    for sentence, equation, number in shown:
        st.markdown(sentence)
        st.latex(rf"{equation} \qquad ({number})")


def links(*pages: str) -> None:
    with st.container(horizontal=True):
        for name in pages:
            st.page_link(page_file(name), icon=":material/arrow_forward:")


with page_frame.page(
    "Method", "What DSA and SDA compute, which page shows each part, and how to read the figures."
):
    st.subheader("DSA: dynamic segment aggregation")
    clicked = diagrams.show_dsa()
    st.caption("Underlined parts link to the page that shows them for your video.")
    links("inspect", "compare", "kernels")
    steps(text.DSA_STEPS)
    st.caption(f"Equation numbers refer to {text.DSA_PAPER}, section 3.")

    st.subheader("SDA: selective dependency aggregation")
    clicked = diagrams.show_sda() or clicked
    st.caption("Each dependency has the same colour in all figures.")
    links("dependencies", "layers")
    steps(text.SDA_STEPS)
    st.caption(f"Equation numbers refer to {text.SDA_PAPER}, section 3.")
    if clicked:
        st.switch_page(page_file(clicked))

    st.subheader("How to read each figure")
    for name, figures in text.CAPTIONS.items():
        links(name)
        for title, caption in figures:
            st.markdown(f"**{title}.** {text.without_prefix(caption)}")

    st.subheader("Differences from the papers")
    st.markdown(text.differences())

    st.subheader("Glossary")
    st.markdown("\n".join(f"- **{term}:** {meaning}" for term, meaning in text.GLOSSARY.items()))
