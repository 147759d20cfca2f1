"""What the pages about datasets share: the choice of runs, figures that can be saved, exports."""

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
from app.ui import run_text, state
from app.ui.page_frame import PageEnd
from app.ui.state import Key, keyed
from dsanet_core.records import Array, Run
from dsanet_core.report import text

PICTURES = ("SVG", "PNG")
PAGES = {"categories": "Categories", "layers": "Layers", "errors": "Errors"}
"""Pages that open videos of runs, and where the way back may lead."""


def choose_run(key: Key, label: str, *, among: Collection[str] | None = None) -> Run:
    """One finished run; where there is none, says how to make one and ends the page.

    among: ids to choose from, all without it.
    """
    ids = [name for name in _ids() if among is None or name in among]
    state.ensure_option(key, ids, ids[0])
    st.selectbox(label, ids, **keyed(key), format_func=title)
    return _known([str(st.session_state[key])])[0]


def choose_runs(key: Key, label: str, default: Sequence[str]) -> list[Run]:
    """Some finished runs, in the order in which they were chosen; ends the page without any."""
    ids = _ids()
    wanted = [name for name in st.session_state.get(key) or default if name in ids]
    state.put(key, wanted or ids[:1])
    st.multiselect(label, ids, **keyed(key), format_func=title)
    if not st.session_state[key]:
        st.info("Choose a run above.", icon=":material/arrow_upward:")
        raise PageEnd
    return _known(st.session_state[key])


def _known(ids: Sequence[str]) -> list[Run]:
    found = [runs.find(name) for name in ids]
    if any(run.made_up for run in found):
        st.warning(run_text.MADE_UP, icon=":material/science:")
    return found


def title(run_id: str) -> str:
    """How a run is called in a list."""
    return runs.title(run_id)


def _ids() -> list[str]:
    ids = list(runs.folders())
    if not ids:
        st.info(
            "No run has been finished here. Start one on the page Runs, or on the command line: "
            "`python -m dsanet_core run synth:seed=7,n=500 --model dsa_i3d_synth`",
            icon=":material/info:",
        )
        raise PageEnd
    return ids


def grounds(chosen: Sequence[Run]) -> None:
    """Protocol, weights and dataset of every run on the page."""
    for run in chosen:
        facts = [
            f"**{text.escape(run.model.name)}** on {text.escape(run.dataset)}: "
            f"{len(run.row)} videos, {len(run.failed)} unreadable",
            text.escape(run.protocol_in_words),
            f"weights {text.escape(run.model.weights)}, sha256 {run.model.weights_sha256[:12]}…",
            f"trained on {text.escape(run.model.trained_on or 'unknown data')}",
        ]
        st.markdown("  \n".join(facts))


def choose_comparable(key: Key, label: str, default: Sequence[str]) -> list[Run]:
    """Some finished runs of the same videos and categories as the first chosen one; each of the
    others is refused with the reason. Ends the page without any."""
    fit, refused = runs.comparable(choose_runs(key, label, default))
    for sentence in refused:
        st.warning(text.escape(sentence), icon=":material/block:")
    return fit


def videos(chosen: Sequence[Run], rows: Array, *, origin: str, key: str) -> None:
    """A table of videos, what each run says of them, and how to open one of them.

    rows: of the dataset, each in every run, in the order to show. origin: key of `PAGES`, where the
    way back leads.
    """
    models = [services.model_of(run.model.weights_sha256) for run in chosen]
    table = run_text.video_table(chosen, rows)
    columns: dict[str, Any] = {
        name: st.column_config.NumberColumn(format="%.1f")
        for name in table
        if name.endswith(run_text.CONFIDENCE)
    }
    first = next(iter(table))
    columns[first] = st.column_config.TextColumn(pinned=True)
    shown = {first: table.pop(first)}
    if not chosen[0].made_up:  # such a run has no videos to open
        columns["Inspect"] = st.column_config.LinkColumn(display_text="new tab")
        shown["Inspect"] = [_link(chosen, models, int(row), origin) for row in rows]
        if sum(name is not None for name in models) > 1:
            columns["Compare"] = st.column_config.LinkColumn(display_text="new tab")
            shown["Compare"] = [
                _link(chosen, models, int(row), origin, page="compare") for row in rows
            ]
    picked = st.dataframe(
        shown | table,
        hide_index=True,
        column_config=columns,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        alt="Videos and what each run says of them",
    )
    place = next(iter(picked["selection"]["rows"]), 0)
    _open_buttons(chosen, models, int(rows[min(place, len(rows) - 1)]), origin, key)


def _link(
    chosen: Sequence[Run], models: Sequence[str | None], row: int, origin: str, page: str = ""
) -> str:
    """Inspect, or another page, with this video and the first networks whose weights are at hand,
    and the way back with everything as it is."""
    place, *others = [place for place, name in enumerate(models) if name] or [0]
    query = state.choices() | {
        str(Key.VIDEO): run_videos.video_id(chosen[place], row), str(Key.ORIGIN): origin,
    }
    name = models[place]
    if name is not None:
        query[str(Key.MODEL)] = name
    if page and others:
        query[str(Key.OTHER)] = str(models[others[0]])
    return f"./{page}?{urlencode(query)}"


def _open_buttons(
    chosen: Sequence[Run], models: Sequence[str | None], row: int, origin: str, key: str
) -> None:
    """Inspect with each network whose weights are at hand, Compare with the first two of them."""
    if chosen[0].made_up:
        return
    at = int(np.searchsorted(chosen[0].row, row))
    st.markdown(f"Open **{text.escape(str(chosen[0].video[at]))}** (choose another in the table):")
    here = [(run, name) for run, name in zip(chosen, models, strict=True) if name]
    with st.container(horizontal=True):
        for place, (run, name) in enumerate(here):
            if st.button(
                f"Inspect with {text.escape(name)}", key=f"{key}_inspect_{place}",
                icon=":material/search:",
            ):
                _go("inspect", {
                    Key.VIDEO: run_videos.video_id(run, row), Key.MODEL: name, Key.ORIGIN: origin,
                })
        if len(here) > 1:
            (first, a), (_, b) = here[:2]
            label = f"Compare {text.escape(a)} and {text.escape(b)}"
            if st.button(label, key=f"{key}_compare", icon=":material/compare:"):
                _go("compare", {
                    Key.VIDEO: run_videos.video_id(first, row), Key.MODEL: a, Key.OTHER: b,
                    Key.ORIGIN: origin,
                })
    away = [run.model.name for run, name in zip(chosen, models, strict=True) if not name]
    if away:
        st.caption(run_text.weights_away(away))
        if not here and st.button(
            "Inspect with another network", key=f"{key}_inspect", icon=":material/search:"
        ):
            _go("inspect", {
                Key.VIDEO: run_videos.video_id(chosen[0], row), Key.ORIGIN: origin,
            })


def way_back(found: RunVideo) -> None:
    """What the run said of a video that is opened from it, and a button back to where it was."""
    origin = state.get(Key.ORIGIN)
    origin = origin if origin in PAGES else next(iter(PAGES))
    st.markdown(run_text.of_run(found.run, found.place))
    if st.button(f"Back to {PAGES[origin]}", icon=":material/arrow_back:"):
        st.switch_page(page_file(origin))


def _go(page: str, choices: Mapping[Key, str]) -> NoReturn:
    for key, value in choices.items():
        state.put(key, value)
    st.switch_page(page_file(page))


def figure(
    drawn: go.Figure,
    alt: str,
    *,
    name: str,
    key: str | None = None,
    on_select: Callable[[], None] | None = None,
) -> object:
    """A figure with a button that saves it as a picture; what is selected in it, with a key.

    on_select: called once when that changes; the session state of the key then has it.
    """
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
        drawn,
        config=config,
        alt=alt,
        key=key,
        on_select=on_select or "rerun",
        selection_mode="points",
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
        state.ensure_option(state.PICTURE, PICTURES, PICTURES[0])
        st.segmented_control(
            "Camera button of a figure saves", PICTURES, **keyed(state.PICTURE), required=True
        )
