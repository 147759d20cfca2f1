"""Entry point: page settings and navigation. Start it with `streamlit run streamlit_app.py`."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import ROOT, page_file
from app.server import logs, upkeep
from app.ui import sign_in

APP = ROOT / "app"


def _page(name: str, title: str, icon: str, *, default: bool = False) -> StreamlitPage:
    return st.Page(page_file(name), title=title, icon=icon, url_path=name, default=default)


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
            _page("inspect", "Inspect", ":material/search:", default=True),
            _page("compare", "Compare", ":material/compare:"),
            _page("explain", "Explain", ":material/lightbulb:"),
            _page("whatif", "What if", ":material/alt_route:"),
            _page("kernels", "Kernels", ":material/grid_on:"),
            _page("dependencies", "Dependencies", ":material/tune:"),
        ],
        "A dataset": [
            _page("runs", "Runs", ":material/dataset:"),
            _page("categories", "Categories", ":material/category:"),
            _page("layers", "Layers", ":material/stacked_line_chart:"),
            _page("errors", "Errors", ":material/rule:"),
        ],
        "Models": [
            _page("zoo", "Zoo", ":material/hub:"),
            _page("method", "Method", ":material/menu_book:"),
        ],
    }
)
sign_in.require()
page.run()
