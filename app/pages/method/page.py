"""Method: what DSA and SDA compute, where to see each part, and how to read every figure."""

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
    "Method", "What DSA and SDA compute, on which page each part is shown, and how to read it."
):
    st.subheader("DSA: dynamic segment aggregation")
    asked = diagrams.show_dsa()
    st.caption("What is underlined leads to the page that shows it for your video.")
    links("inspect", "compare", "kernels")
    steps(text.DSA_STEPS)
    st.caption(f"Equations and their numbers are those of {text.DSA_PAPER}, section 3.")

    st.subheader("SDA: selective dependency aggregation")
    asked = diagrams.show_sda() or asked
    st.caption("The colours are those of the dependencies in every figure.")
    links("dependencies", "layers")
    steps(text.SDA_STEPS)
    st.caption(f"Equations and their numbers are those of {text.SDA_PAPER}, section 3.")
    if asked:
        st.switch_page(page_file(asked))

    st.subheader("How to read each figure")
    for name, figures in text.READINGS.items():
        links(name)
        for title, reading in figures:
            st.markdown(f"**{title}.** {text.bare(reading)}")

    st.subheader("Where the papers and this tool differ")
    st.markdown(text.differences())

    st.subheader("Glossary")
    st.markdown("\n".join(f"- **{word}:** {said}" for word, said in text.GLOSSARY.items()))
