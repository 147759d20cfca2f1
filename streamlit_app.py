"""The app's frame: page settings and navigation. `streamlit run streamlit_app.py` starts it."""

import streamlit as st

st.set_page_config(page_title="DSANet Lens", page_icon=":material/movie:", layout="wide")

st.navigation(
    {
        "One video": [
            st.Page(
                "app/pages/inspect.py", title="Inspect", icon=":material/search:", default=True
            ),
            st.Page("app/pages/compare.py", title="Compare", icon=":material/compare:"),
            st.Page("app/pages/kernels.py", title="Kernels", icon=":material/grid_on:"),
        ]
    }
).run()
