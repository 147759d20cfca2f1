"""Choices of the page Layers, and what a click in its map does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import streamlit as st

from app import page_file
from app.pages.categories import widgets
from app.pages.layers import block_ablation, text
from app.server import runs
from app.ui import run_widgets, state
from app.ui.page_frame import PageEnd
from app.ui.state import Key, keyed
from dsanet_core.figures.layer_table import LayerTable, difference, is_uniform, layer_table
from dsanet_core.records import Array, Layers, Run
from dsanet_core.report import text as ui_text
from dsanet_core.runs import order
from dsanet_core.runs.summary import FILE, load_run

SUGGESTED = 6


class Part(NamedTuple):
    """What a run can show: a kind of quantities, and whether they say anything."""

    kind: str
    blocks: tuple[str, ...]
    quantities: tuple[str, ...]
    is_telling: bool


def choose_run() -> Run:
    """A finished run: at first one that selects dependencies, as in the paper's figure, if there is
    one among those of the page Categories then that; else one with kernels."""
    folders = runs.folders()
    if folders and state.get(Key.RUN) not in folders:
        telling = {
            name: [part.kind for part in _parts(folder) if part.is_telling]
            for name, folder in folders.items()
        }
        selecting = [name for name in folders if text.WEIGHTS in telling[name]]
        beside = [name for name in _runs_of_categories() if name in selecting]
        able = beside or selecting or [name for name in folders if telling[name]] or list(folders)
        state.put(Key.RUN, able[0])
    return run_widgets.choose_run(Key.RUN, "Run")


def choose_layers(run: Run) -> tuple[str, Layers]:
    """SDA's weights or DSA's kernels of a run; one without either, or whose weights say nothing,
    ends the page with runs that have something to show."""
    kinds = text.kinds(run)
    if not kinds:
        _suggest(
            f"{ui_text.escape(run.model.name)} has neither SDA nor DSA blocks: none of its layers "
            "weighs anything by what it sees."
        )
    names = list(kinds)
    state.ensure_option(Key.LAYERS_OF, names, names[0])
    if len(names) > 1:
        st.segmented_control("What to show", names, **keyed(Key.LAYERS_OF), required=True)
    name = str(st.session_state[Key.LAYERS_OF])
    if name == text.WEIGHTS and is_uniform(kinds[name]):
        _suggest(text.nothing_selected(run, kinds[name]), run)
    return name, kinds[name]


def choose_table(run: Run, kind: str, layers: Layers) -> tuple[LayerTable, list[Run]]:
    """What is drawn, every category with videos in it: a run's layers, or how they differ from
    those of another run; and the runs behind it."""
    table = layer_table(run, layers, order.group_of(run.classes, run.groups))
    if not st.toggle("Difference from another run", **keyed(Key.LAYERS_DIFFERENCE)):
        return table, [run]
    others = {
        name: next((part for part in _parts(folder) if part.kind == kind), None)
        for name, folder in runs.folders().items()
        if name != run.id
    }
    able = {name: part for name, part in others.items() if part is not None}
    if not able:
        st.info(
            f"No other run here has {kind}: start one on the page Runs, or switch the difference "
            "off.",
            icon=":material/info:",
        )
        raise PageEnd
    same = (layers.blocks, layers.quantities)
    alike = [name for name, part in able.items() if (part.blocks, part.quantities) == same]
    state.ensure_option(Key.AGAINST, list(able), next(iter(alike or able)))
    other = run_widgets.choose_run(Key.AGAINST, "The other run", among=able)
    if other.dataset_sha256 != run.dataset_sha256:
        st.caption(
            "The two runs saw different videos: "
            f"{ui_text.escape(run.dataset)} and {ui_text.escape(other.dataset)}."
        )
    groups = order.group_of(other.classes, other.groups)
    theirs = layer_table(other, text.kinds(other)[kind], groups)
    return difference(table, theirs), [run, other]


def choose_categories(table: LayerTable, groups: Mapping[str, Sequence[str]]) -> LayerTable:
    """The table in the chosen order, the categories that the search finds; none ends the page."""
    left, right = st.columns(2)
    ways: dict[str, Callable[[], Array]] = {
        text.AS_THEY_COME: lambda: np.arange(len(table.categories)),
        text.BY_GROUP: lambda: order.by_group(table.groups, groups),
        text.BY_SIMILARITY: lambda: order.by_similarity(
            table.value.reshape(len(table.categories), -1)
        ),
    }
    if not any(table.groups):
        del ways[text.BY_GROUP]
    with left:
        state.ensure_option(Key.LAYERS_ORDER, list(ways), text.AS_THEY_COME)
        st.segmented_control(
            "Order of the categories", list(ways), **keyed(Key.LAYERS_ORDER), required=True
        )
    with right:
        search = st.text_input(
            "Search categories", **keyed(Key.LAYERS_SEARCH), placeholder="part of a name or a group"
        )
    ordered = table.take(ways[st.session_state[Key.LAYERS_ORDER]]())
    rows = text.matches(ordered, search)
    if not rows:
        st.info(
            f"None of the {len(table.categories)} categories has all words of "
            f"“{ui_text.escape(search)}” in its name or group. Search for less.",
            icon=":material/search_off:",
        )
        raise PageEnd
    return ordered.take(rows)


def choose_columns(table: LayerTable) -> tuple[LayerTable, bool, bool]:
    """Blocks or stages; whether they are stages, and whether bands are wanted."""
    ways = (text.STAGES, text.BLOCKS)
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        state.ensure_option(Key.LAYERS_BY, ways, ways[0])
        st.segmented_control("Along the network", ways, **keyed(Key.LAYERS_BY), required=True)
    with right:
        state.is_on(Key.LAYERS_SPREAD)
        spread = st.toggle(
            "Spread over videos", **keyed(Key.LAYERS_SPREAD), disabled=table.is_difference
        )
    by_stage = st.session_state[Key.LAYERS_BY] == text.STAGES
    return (table.by_stage() if by_stage else table), by_stage, spread


def choose_quantity(table: LayerTable) -> LayerTable:
    """All quantities beside each other, or one alone."""
    names = (text.SIDE_BY_SIDE, *table.quantities)
    state.ensure_option(Key.LAYERS_ONE, names, names[0])
    if len(table.quantities) > 1:
        st.segmented_control(
            "Beside each other", names, **keyed(Key.LAYERS_ONE), required=True,
            format_func=ui_text.escape,
        )
    chosen = str(st.session_state[Key.LAYERS_ONE])
    return table.only(chosen) if chosen in table.quantities else table


def open_category(event: Any, categories: Sequence[str], run: Run) -> None:
    """Go where a click in the map leads, if there was one: to the category, in this run and in
    those that stand beside it on the page Categories."""
    name = clicked(event, categories)
    if name is not None:
        known = runs.folders()
        chosen = _runs_of_categories()
        if run.id not in chosen:
            others = [runs.find(other) for other in chosen if other in known]
            fit, _ = runs.comparable([run, *others])
            st.session_state[Key.RUNS] = [each.id for each in fit]
        state.put(Key.TRUE_CATEGORY, name)
        st.switch_page(page_file("categories"))


def clicked(event: Any, categories: Sequence[str]) -> str | None:
    """The category whose square was clicked."""
    for point in event["selection"]["points"] if event else ():
        data = point.get("customdata")
        name = data[0] if isinstance(data, list) and data else data
        if name in categories:
            return str(name)
    return None


def _runs_of_categories() -> list[str]:
    return st.session_state.get(Key.RUNS) or widgets.default_runs()


def _parts(folder: Path) -> tuple[Part, ...]:
    path = folder / FILE
    return _load_parts(path, path.stat().st_mtime_ns)


@st.cache_data(max_entries=runs.TITLES_KEPT, show_spinner=False)
def _load_parts(path: Path, changed: int) -> tuple[Part, ...]:
    """Kept apart from the runs: a choice needs no more of every one."""
    return tuple(
        Part(kind, layers.blocks, layers.quantities, not is_uniform(layers))
        for kind, layers in text.kinds(load_run(path)).items()
    )


def _suggest(why: str, run: Run | None = None) -> NoReturn:
    """Say why there is nothing to draw, offer runs that have something, and end the page.

    run: one whose blocks select nothing; which of them matters may be known all the same.
    """
    telling = [
        name
        for name, folder in runs.folders().items()
        if any(part.is_telling for part in _parts(folder))
    ]
    how = (
        "These runs have something to show:"
        if telling
        else "Run a network with SDA or DSA, on the page Runs or with: "
        "`python -m dsanet_core run synth:seed=7,n=500 --model sda_tsn_synth`"
    )
    st.info(f"{why} {how}", icon=":material/info:")
    for name in telling[:SUGGESTED]:
        st.button(
            ui_text.escape(run_widgets.title(name)),
            key=f"take_{name}",
            on_click=state.put,
            args=(Key.RUN, name),
        )
    if run is not None and runs.effects_of(run.id) is not None:
        block_ablation.section(run, run.classes, chosen=state.get(Key.TRUE_CATEGORY) or "")
    raise PageEnd
