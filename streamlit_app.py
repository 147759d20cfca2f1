"""The app's frame: page settings and navigation. `streamlit run streamlit_app.py` starts it."""

import streamlit as st

from app import PAGE_FOLDER as PAGES
from app import logs, sign_in, upkeep

APP = PAGES.parent

logs.configure()
upkeep.begin()
st.set_page_config(
    page_title="DSANet Lens",
    page_icon=APP / "icon.svg",
    layout="wide",
    initial_sidebar_state=220,
)
st.logo(APP / "logo.svg", size="large", icon_image=APP / "icon.svg")
page = st.navigation(
    {
        "One video": [
            st.Page(PAGES / "inspect.py", title="Inspect", icon=":material/search:", default=True),
            st.Page(PAGES / "compare.py", title="Compare", icon=":material/compare:"),
            st.Page(PAGES / "explain.py", title="Explain", icon=":material/lightbulb:"),
            st.Page(PAGES / "whatif.py", title="What if", icon=":material/alt_route:"),
            st.Page(PAGES / "kernels.py", title="Kernels", icon=":material/grid_on:"),
            st.Page(PAGES / "dependencies.py", title="Dependencies", icon=":material/tune:"),
        ],
        "A dataset": [
            st.Page(PAGES / "runs.py", title="Runs", icon=":material/dataset:"),
            st.Page(PAGES / "categories.py", title="Categories", icon=":material/category:"),
            st.Page(PAGES / "layers.py", title="Layers", icon=":material/stacked_line_chart:"),
            st.Page(PAGES / "errors.py", title="Errors", icon=":material/rule:"),
        ],
        "Networks": [
            st.Page(PAGES / "zoo.py", title="Zoo", icon=":material/hub:"),
            st.Page(PAGES / "method.py", title="Method", icon=":material/menu_book:"),
        ],
    }
)
sign_in.require()
page.run()
