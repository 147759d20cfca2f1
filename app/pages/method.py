"""Method: what DSA and SDA compute, where to see each part, and how to read every figure."""

import streamlit as st

from app import PAGE_FOLDER, method_diagrams, method_words, widgets


def steps(shown: list[method_words.Step]) -> None:
    for sentence, equation, number in shown:
        st.markdown(sentence)
        st.latex(rf"{equation} \qquad ({number})")


def links(*pages: str) -> None:
    with st.container(horizontal=True):
        for name in pages:
            st.page_link(PAGE_FOLDER / f"{name}.py", icon=":material/arrow_forward:")


with widgets.page(
    "Method", "What DSA and SDA compute, on which page each part is shown, and how to read it."
):
    st.subheader("DSA: dynamic segment aggregation")
    asked = method_diagrams.show_dsa()
    st.caption("What is underlined leads to the page that shows it for your video.")
    links("inspect", "compare", "kernels")
    steps(method_words.DSA_STEPS)
    st.caption(f"Equations and their numbers are those of {method_words.DSA_PAPER}, section 3.")

    st.subheader("SDA: selective dependency aggregation")
    asked = method_diagrams.show_sda() or asked
    st.caption("The colours are those of the dependencies in every figure.")
    links("dependencies", "layers")
    steps(method_words.SDA_STEPS)
    st.caption(f"Equations and their numbers are those of {method_words.SDA_PAPER}, section 3.")
    if asked:
        st.switch_page(PAGE_FOLDER / f"{asked}.py")

    st.subheader("How to read each figure")
    for name, figures in method_words.READINGS.items():
        links(name)
        for title, reading in figures:
            st.markdown(f"**{title}.** {method_words.bare(reading)}")

    st.subheader("Where the papers and this tool differ")
    st.markdown(method_words.differences())

    st.subheader("Glossary")
    st.markdown("\n".join(f"- **{word}:** {said}" for word, said in method_words.GLOSSARY.items()))
