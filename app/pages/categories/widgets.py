"""Choices of the page Categories, and what it shows of the chosen one."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from app.server import runs, services
from app.ui import page_frame, run_text, run_widgets, state
from app.ui.page_frame import PageEnd
from app.ui.state import Key, keyed
from dsanet_core.figures import CategoryRow, CategoryTable, most_improved, selects
from dsanet_core.figures.style import shorten
from dsanet_core.records import Array, Run
from dsanet_core.report import text

DEFAULT_RUNS = 8
"""Runs that are compared at first, at the most."""


def choose() -> list[Run]:
    """Runs of the same videos and categories, the base first."""
    fit = run_widgets.choose_comparable(Key.RUNS, "Runs", default_runs())
    by_id = {run.id: run for run in fit}
    state.ensure_option(Key.BASE, list(by_id), fit[0].id)
    if len(fit) > 1:
        st.selectbox(
            "Base, from which gains are counted", list(by_id), **keyed(Key.BASE),
            format_func=run_widgets.title,
        )  # fmt: skip
    base = by_id.pop(str(st.session_state[Key.BASE]))
    return [base, *by_id.values()]


def default_runs() -> list[str]:
    """What SDA's Figure 4 compares, as far as it is here: a network that selects dependencies,
    the same one with one of them or their average, and without any as the base."""
    ids = list(runs.folders())[: runs.RUNS_KEPT]
    if st.session_state.get(Key.RUNS) or not ids:
        return []
    known = [runs.find(name) for name in ids]
    families = [_family(lead, known) for lead in known if selects(lead)]
    if not families:
        return [run.id for run in _family(known[0], known)][:DEFAULT_RUNS]
    family = max(families, key=len)
    bases = sorted(
        (run for run in family if run.selections is None),
        key=lambda run: run.model.consensus != "average",
    )
    gated = {run.model.name: run for run in reversed(family) if run.selections is not None}
    ordered = sorted(gated.values(), key=run_text.dependency_order)
    return [run.id for run in (*bases[:1], *ordered)][:DEFAULT_RUNS]


def _family(lead: Run, known: Sequence[Run]) -> list[Run]:
    """A run and those of the same videos, protocol and backbone."""
    fit, _ = runs.comparable([lead, *(run for run in known if run is not lead)])
    own = services.backbone(lead.model.name)
    return [
        run
        for run in fit
        if run.protocol_in_words == lead.protocol_in_words
        and services.backbone(run.model.name) == own
    ]


def choose_weights(chosen: Sequence[Run]) -> int | None:
    """Place of the run whose attention weights are drawn; None, with the reason, without one."""
    able = {run.id: place for place, run in enumerate(chosen) if selects(run)}
    if not able:
        st.info(run_text.NO_WEIGHTS, icon=":material/info:")
        return None
    state.ensure_option(Key.WEIGHTS_OF, list(able), list(able)[-1])
    if len(able) > 1:
        st.selectbox(
            "Attention weights of", list(able), **keyed(Key.WEIGHTS_OF),
            format_func=run_widgets.title,
        )
    return able[str(st.session_state[Key.WEIGHTS_OF])]


def choose_rows(table: CategoryTable) -> list[CategoryRow]:
    """The categories to draw, as of `most_improved`; a search without a hit ends the page."""
    left, right = st.columns([1, 3], gap="medium")
    with left:
        state.ensure_option(Key.SHOWN, run_text.SHOWN, run_text.DEFAULT_SHOWN)
        st.selectbox("Categories shown, most gained first", run_text.SHOWN, **keyed(Key.SHOWN))
    with right:
        wanted = st.text_input(
            "Search", **keyed(Key.SEARCH), placeholder="words of a class name, e.g. moving down"
        )
    found = run_text.search(table.rows, wanted)
    if not found:
        st.info(
            f"None of the {len(table.rows)} categories has all words of "
            f"“{text.escape(shorten(wanted))}”. Search for less.",
            icon=":material/search_off:",
        )
        raise PageEnd
    shown = str(st.session_state[Key.SHOWN])
    return most_improved(found, None if shown == run_text.EVERY else int(shown))


def settle_category(table: CategoryTable, rows: Sequence[CategoryRow]) -> int:
    """Class index of the chosen category, at first the one on top."""
    state.ensure_option(Key.TRUE_CATEGORY, [row.name for row in table.rows], rows[0].name)
    chosen = st.session_state[Key.TRUE_CATEGORY]
    return next(row.label for row in table.rows if row.name == chosen)


def chart(drawn: go.Figure, table: CategoryTable) -> None:
    """The figure; a click on a bar chooses its category."""
    # After a choice elsewhere nothing in the figure is selected any more: a new key says so.
    key = f"categories_{st.session_state.get(state.CATEGORIES_TURN, 0)}"

    def take() -> None:
        label = run_text.picked_category(st.session_state.get(key))
        names = [row.name for row in table.rows if row.label == label]
        if names:
            state.put(Key.TRUE_CATEGORY, names[0])

    run_widgets.figure(
        drawn, "Accuracy of every run in each category, and attention weights", name="categories",
        key=key, on_select=take,
    )  # fmt: skip


def choose_category(table: CategoryTable) -> None:
    """The same choice as a click, from the keyboard and of every category."""
    st.selectbox(
        "Category", [row.name for row in table.rows], **keyed(Key.TRUE_CATEGORY), on_change=_turn
    )


def _turn() -> None:
    st.session_state[state.CATEGORIES_TURN] = st.session_state.get(state.CATEGORIES_TURN, 0) + 1


def confusions(chosen: Sequence[Run], label: int, shared: Array) -> None:
    """What each run takes the videos of a category for."""
    rows = run_text.taken_for(chosen, label, shared)
    page_frame.table(rows, formats=dict.fromkeys(list(rows[0])[1:], "plain"))
