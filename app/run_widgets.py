"""What the pages about datasets share: the choice of runs, figures that can be saved, exports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import plotly.graph_objects as go
import streamlit as st

from app import runs, state, words
from app.state import Key
from dsanet_core.records import Run

PICTURES = ("SVG", "PNG")


def choose_run(key: Key, label: str, *, among: Collection[str] | None = None) -> Run:
    """One finished run; where there is none, says how to make one and ends the page.

    among: ids to choose from, all without it.
    """
    ids = [name for name in _ids() if among is None or name in among]
    state.settle(key, ids, ids[0])
    st.selectbox(label, ids, key=key, format_func=title)
    return runs.find(str(st.session_state[key]))


def choose_runs(key: Key, label: str, default: Sequence[str]) -> list[Run]:
    """Some finished runs, in the order in which they were chosen; ends the page without any."""
    ids = _ids()
    wanted = [name for name in st.session_state.get(key) or default if name in ids]
    st.session_state[key] = wanted or ids[:1]
    st.multiselect(label, ids, key=key, format_func=title)
    if not st.session_state[key]:
        st.info("Choose a run above.", icon=":material/arrow_upward:")
        st.stop()
    return [runs.find(name) for name in st.session_state[key]]


def title(run_id: str) -> str:
    """How a run is called in a list: its network, the dataset, and how often it was right."""
    run = runs.find(run_id)
    made_up = "MADE UP, " if run.made_up else ""
    return f"{made_up}{run.model.name} ({run.model.weights}) on {run.dataset}: {run.accuracy():.1%}"


def _ids() -> list[str]:
    ids = list(runs.folders())
    if not ids:
        st.info(
            "No run has been finished here. Start one on the page Runs, or on the command line: "
            "`python -m dsanet_core run synth:seed=7,n=500 --model dsa_i3d_synth`",
            icon=":material/info:",
        )
        st.stop()
    return ids


def grounds(chosen: Sequence[Run]) -> None:
    """Protocol, weights and dataset of every run on the page."""
    for run in chosen:
        facts = [
            f"**{words.escape(run.model.name)}** on {words.escape(run.dataset)}: "
            f"{len(run.row)} videos, {len(run.failed)} unreadable",
            words.escape(run.protocol_in_words),
            f"weights {words.escape(run.model.weights)}, sha256 {run.model.weights_sha256[:12]}…",
            f"trained on {words.escape(run.model.trained_on or 'unknown data')}",
        ]
        st.markdown("  \n".join(facts))


def figure(drawn: go.Figure, alt: str, *, name: str, key: str | None = None) -> object:
    """A figure with a button that saves it as a picture; what is selected in it, with a key."""
    config = {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {
            "format": str(st.session_state.get(state.PICTURE, PICTURES[0])).lower(),
            "filename": name,
        },
    }
    if key is None:
        st.plotly_chart(drawn, config=config, alt=alt)
        return None
    return st.plotly_chart(
        drawn, config=config, alt=alt, key=key, on_select="rerun", selection_mode="points"
    )


def export(name: str, *, csv: Callable[[], str], json: Callable[[], str]) -> None:
    """What the page shows as files, and the kind of picture that its figures are saved as."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for kind, make in (("CSV", csv), ("JSON", json)):
            st.download_button(
                f"Data ({kind})", make, f"{name}.{kind.lower()}",
                "text/csv" if kind == "CSV" else "application/json",
                key=f"run_{kind}", icon=":material/download:", on_click="ignore",
            )
        state.settle(state.PICTURE, PICTURES, PICTURES[0])
        st.segmented_control(
            "Camera button of a figure saves", PICTURES, key=state.PICTURE, required=True
        )
