"""Widgets that the pages about datasets share: choice of runs, tables of videos, exports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import urlencode

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app import page_file
from app.server import run_videos, runs, services
from app.server.run_videos import RunVideo
from app.ui import (
    choices,
    page_frame,
    run_text,
    state,
)
from app.ui.page_frame import PageEnd
from app.ui.state import Key, keyed
from dsanet_core.figures import selects
from dsanet_core.records import Array, Run
from dsanet_core.report.text import escape

FIGURE_FORMATS = ("SVG", "PNG")
PAGES = {"categories": "Categories", "layers": "Layers", "errors": "Errors"}
"""Pages from which videos of runs are opened, and to which Inspect leads back."""
DEFAULT_RUNS = 8
"""Most runs that are compared without a choice."""


def choose_run(key: Key, label: str, *, among: Collection[str] | None = None) -> Run:
    """One finished run; ends the page, with a hint, where there is none.

    among: ids to choose from, all without it.
    """
    ids = [name for name in _run_ids() if among is None or name in among]
    return _load([choices.select(label, ids, key, format_func=runs.title)])[0]


def choose_comparable(key: Key, label: str, default: Sequence[str]) -> list[Run]:
    """Finished runs of the same videos and classes as the first chosen one, in the order in which
    they were chosen; others are refused with the reason. Ends the page without any."""
    ids = _run_ids()
    wanted = [name for name in st.session_state.get(key) or default if name in ids]
    state.put(key, wanted or ids[:1])
    st.multiselect(label, ids, **keyed(key), format_func=runs.title)
    if not st.session_state[key]:
        st.info("Choose a run above.", icon=":material/arrow_upward:")
        raise PageEnd
    comparable, refusals = runs.comparable(_load(st.session_state[key]))
    for sentence in refusals:
        st.warning(escape(sentence), icon=":material/block:")
    return comparable


def _load(ids: Sequence[str]) -> list[Run]:
    found = [runs.find(name) for name in ids]
    if any(run.made_up for run in found):
        st.warning(run_text.MADE_UP, icon=":material/science:")
    return found


def _run_ids() -> list[str]:
    ids = list(runs.folders())
    if not ids:
        st.info(
            "There is no finished run yet. Start one on the page Runs, or on the command line: "
            "`python -m dsanet_core run synth:seed=7,n=500 --model dsa_i3d_synth`",
            icon=":material/info:",
        )
        raise PageEnd
    return ids


def runs_of_categories() -> list[str]:
    """Ids of the runs on the page Categories: the chosen ones, else those of SDA's Figure 4."""
    return st.session_state.get(Key.RUNS) or runs_of_figure_4()


def runs_of_figure_4() -> list[str]:
    """Ids of the runs that SDA's Figure 4 compares, as far as they are here: a baseline without
    SDA, then single dependencies, their average, and the selection between them."""
    known = [runs.find(name) for name in list(runs.folders())[: runs.RUNS_KEPT]]
    if not known:
        return []
    families = [_family(lead, known) for lead in known if selects(lead)]
    if not families:
        return [run.id for run in _family(known[0], known)][:DEFAULT_RUNS]
    family = max(families, key=len)
    baselines = sorted(
        (run for run in family if run.selections is None),
        key=lambda run: run.model.consensus != "average",
    )
    with_sda = {run.model.name: run for run in reversed(family) if run.selections is not None}
    ordered = sorted(with_sda.values(), key=_table_order)
    return [run.id for run in (*baselines[:1], *ordered)][:DEFAULT_RUNS]


def _family(lead: Run, known: Sequence[Run]) -> list[Run]:
    """A run and those of the same videos, protocol and backbone."""
    comparable, _ = runs.comparable([lead, *(run for run in known if run is not lead)])
    backbone = services.backbone(lead.model.name)
    return [
        run
        for run in comparable
        if run.protocol_in_words == lead.protocol_in_words
        and services.backbone(run.model.name) == backbone
    ]


def _table_order(run: Run) -> tuple[int, int]:
    """Order of SDA's tables: single dependencies, their average, then selection."""
    names = () if run.selections is None else run.selections.quantities
    known = ("LST", "LT", "LS", "S122")
    if len(names) == 1:
        return 0, known.index(names[0]) if names[0] in known else len(known)
    return (2 if selects(run) else 1), 0


def sources(shown: Sequence[Run]) -> None:
    """The section on protocol, weights and dataset of every run on the page."""
    st.subheader("Model, input and weights")
    for run in shown:
        st.markdown(run_text.describe_run(run))


def videos(shown: Sequence[Run], rows: Array, *, origin: str, key: str) -> None:
    """A table of videos with the prediction of each run, and buttons that open one of them.

    rows: of the dataset, each in every run, in the order to show. origin: key of `PAGES` to which
    Inspect and Compare lead back.
    """
    models = [services.model_of(run.model.weights_sha256) for run in shown]
    table = run_text.video_table(shown, rows)
    first = next(iter(table))
    columns: dict[str, Any] = {
        name: st.column_config.NumberColumn(format="%.1f")
        for name in table
        if name.endswith(run_text.CONFIDENCE)
    }
    columns[first] = st.column_config.TextColumn(pinned=True)
    links = {}
    if not shown[0].made_up:  # such a run has no videos to open
        several = sum(name is not None for name in models) > 1
        for heading, page in (("Inspect", ""), *([("Compare", "compare")] if several else [])):
            columns[heading] = st.column_config.LinkColumn(display_text="new tab")
            links[heading] = [_link(shown, models, int(row), origin, page) for row in rows]
    clicked = st.dataframe(
        {first: table.pop(first)} | links | table,
        hide_index=True,
        column_config=columns,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        alt="Videos and the predictions of each run",
    )
    selected = next(iter(clicked["selection"]["rows"]), 0)
    if not shown[0].made_up:
        _open_buttons(shown, models, int(rows[min(selected, len(rows) - 1)]), origin, key)


def _link(
    shown: Sequence[Run], models: Sequence[str | None], row: int, origin: str, page: str
) -> str:
    """Address of Inspect or Compare with this video, the first models whose weights are available,
    and all present choices for the way back."""
    first, *others = [index for index, name in enumerate(models) if name] or [0]
    query = state.choices() | {
        str(Key.VIDEO): run_videos.video_id(shown[first], row), str(Key.ORIGIN): origin,
    }
    if models[first] is not None:
        query[str(Key.MODEL)] = str(models[first])
    if page and others:
        query[str(Key.OTHER)] = str(models[others[0]])
    return f"./{page}?{urlencode(query)}"


def _open_buttons(
    shown: Sequence[Run], models: Sequence[str | None], row: int, origin: str, key: str
) -> None:
    """Inspect with each model whose weights are available, Compare with the first two of them."""
    index = int(np.searchsorted(shown[0].row, row))
    name = escape(str(shown[0].video[index]))
    st.markdown(f"Open **{name}** (select another in the table):")
    available = [(run, model) for run, model in zip(shown, models, strict=True) if model]
    missing = [run.model.name for run, model in zip(shown, models, strict=True) if not model]
    with st.container(horizontal=True):
        for place, (run, model) in enumerate(available):
            if st.button(
                f"Inspect with {escape(model)}", key=f"{key}_inspect_{place}",
                icon=":material/search:",
            ):
                _open("inspect", run, row, origin, {Key.MODEL: model})
        if len(available) > 1:
            (run, model), (_, other) = available[:2]
            label = f"Compare {escape(model)} and {escape(other)}"
            if st.button(label, key=f"{key}_compare", icon=":material/compare:"):
                _open("compare", run, row, origin, {Key.MODEL: model, Key.OTHER: other})
    if missing:
        st.caption(run_text.missing_weights(missing))
        if not available and st.button(
            "Inspect with another model", key=f"{key}_inspect", icon=":material/search:"
        ):
            _open("inspect", shown[0], row, origin, {})


def _open(page: str, run: Run, row: int, origin: str, models: Mapping[Key, str]) -> NoReturn:
    """Go to a page with a video of a run."""
    chosen = {Key.VIDEO: run_videos.video_id(run, row), Key.ORIGIN: origin, **models}
    for key, value in chosen.items():
        state.put(key, value)
    st.switch_page(page_file(page))


def way_back(found: RunVideo) -> None:
    """Prediction of the run for a video opened from it, and a button back to that page."""
    origin = state.get(Key.ORIGIN)
    origin = origin if origin in PAGES else next(iter(PAGES))
    st.markdown(run_text.prediction_in_run(found.run, found.place))
    if st.button(f"Back to {PAGES[origin]}", icon=":material/arrow_back:"):
        st.switch_page(page_file(origin))


def figure(
    drawn: go.Figure,
    alt: str,
    *,
    name: str,
    key: str | None = None,
    on_select: Callable[[], None] | None = None,
) -> object:
    """A figure with a button that saves it as `name`; returns its selection, if it has a key.

    on_select: called once when the selection changes; the session state of the key then has it.
    """
    config = {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {
            "format": str(st.session_state.get(state.PICTURE, FIGURE_FORMATS[0])).lower(),
            "filename": name,
        },
    }
    if key is None:
        st.plotly_chart(drawn, config=config, alt=alt)
        return None
    return st.plotly_chart(
        drawn,
        config=config,
        alt=alt,
        key=key,
        on_select=on_select or "rerun",
        selection_mode="points",
    )


def export(name: str, *, csv: Callable[[], str], json: Callable[[], str]) -> None:
    """Downloads of what the page shows, and the format in which its figures are saved."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for kind, make in (("CSV", csv), ("JSON", json)):
            page_frame.download("Data", kind, make, name, f"run_{kind}")
        choices.segments("Figure format", FIGURE_FORMATS, state.PICTURE)
