"""Choices and sections of the page Layers.

Block importance per class over a run: a section of the page Layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import streamlit as st

from app import page_file
from app.pages.layers import (
    text,
)
from app.server import runs
from app.ui import (
    choices,
    page_frame,
    run_text,
    run_widgets,
    state,
)
from app.ui.page_frame import PageEnd
from app.ui.state import Key, keyed
from dsanet_core.figures.block_ablation import effects_of_blocks, effects_of_categories
from dsanet_core.figures.layer_table import (
    LayerTable,
    all_videos,
    difference,
    is_uniform,
    layer_table,
)
from dsanet_core.figures.layers import layer_curves, layer_map, layer_summary
from dsanet_core.figures.style import block_label
from dsanet_core.records import Array, Layers, Run, RunEffects
from dsanet_core.report import captions
from dsanet_core.report.text import escape
from dsanet_core.runs.statistics import by_group, by_similarity, group_of
from dsanet_core.runs.summary import FILE, load_run
from dsanet_core.text_format import (
    csv_text,
    percent,
    points,
)

MOST_SUGGESTIONS = 6


class Content(NamedTuple):
    """A kind of quantities that a run has. varies: False for weights equal everywhere."""

    kind: str
    blocks: tuple[str, ...]
    quantities: tuple[str, ...]
    varies: bool


def choose_run() -> Run:
    """A finished run. Without a choice: one with SDA weights that vary, as in the paper's figure,
    if possible one of those on the page Categories; else one with kernels."""
    folders = runs.folders()
    if folders and state.get(Key.RUN) not in folders:
        kinds = {
            name: [content.kind for content in _contents(folder) if content.varies]
            for name, folder in folders.items()
        }
        selecting = [name for name in folders if text.WEIGHTS in kinds[name]]
        on_categories = [
            name for name in run_widgets.runs_of_categories() if name in selecting
        ]
        with_any = [name for name in folders if kinds[name]]
        state.put(Key.RUN, (on_categories or selecting or with_any or list(folders))[0])
    return run_widgets.choose_run(Key.RUN, "Run")


def choose_layers(run: Run) -> tuple[str, Layers]:
    """The kind of quantities, and those of a run; a run without any, or with equal weights
    everywhere, ends the page with suggestions of other runs."""
    kinds = text.kinds(run)
    if not kinds:
        _suggest_runs(f"{escape(run.model.name)} has neither SDA nor DSA blocks.")
    kind = choices.segments("Quantity", list(kinds), Key.LAYERS_OF, hide_single=True)
    if kind == text.WEIGHTS and is_uniform(kinds[kind]):
        _suggest_runs(text.no_selection(run, kinds[kind]), run)
    return kind, kinds[kind]


def choose_table(run: Run, kind: str, layers: Layers) -> tuple[LayerTable, list[Run]]:
    """A run's layers for every class with videos, or their difference from another run; and the
    runs behind it."""
    table = layer_table(run, layers, group_of(run.classes, run.groups))
    if not st.toggle("Difference from another run", **keyed(Key.LAYERS_DIFFERENCE)):
        return table, [run]
    others = {
        name: content
        for name, folder in runs.folders().items()
        for content in _contents(folder)
        if name != run.id and content.kind == kind
    }
    if not others:
        st.info(
            f"No other run has {kind}. Start one on the page Runs, or turn the difference off.",
            icon=":material/info:",
        )
        raise PageEnd
    same = (layers.blocks, layers.quantities)
    alike = [name for name, content in others.items()
             if (content.blocks, content.quantities) == same]
    state.ensure_option(Key.AGAINST, list(others), next(iter(alike or others)))
    other = run_widgets.choose_run(Key.AGAINST, "Other run", among=others)
    if other.dataset_sha256 != run.dataset_sha256:
        st.caption(
            f"The two runs saw different videos: {escape(run.dataset)} and "
            f"{escape(other.dataset)}."
        )
    groups = group_of(other.classes, other.groups)
    subtracted = layer_table(other, text.kinds(other)[kind], groups)
    return difference(table, subtracted), [run, other]


def over_all_videos(run: Run, kind: str, table: LayerTable) -> None:
    """The section on all videos together, and the statements of the paper where they apply."""
    whole = all_videos(table)
    st.subheader("Over all videos")
    st.markdown(text.lead(whole))
    run_widgets.figure(
        layer_summary(whole), f"{kind} of every block over all videos", name=f"layers_{run.id}"
    )
    st.caption(
        f"{captions.LAYERS_SUMMARY} {text.quantity_reading(table)} "
        f"{text.spread_reading(table, by_stage=False)}"
    )
    claims = text.check_claims(whole)
    if claims:
        with st.expander("Comparison with the paper's Figure 5", icon=":material/fact_check:"):
            st.markdown(text.claims_list(claims))
            st.markdown(text.stage_table(whole))
            st.caption(text.CLAIMS_READING)


def choose_classes(
    table: LayerTable, groups: Mapping[str, Sequence[str]]
) -> tuple[LayerTable, str]:
    """The table in the chosen order, with the classes that the search finds, and the order; a
    search without a match ends the page."""
    orders: dict[str, Callable[[], Array]] = {
        text.MODEL_ORDER: lambda: np.arange(len(table.categories)),
        text.BY_GROUP: lambda: by_group(table.groups, groups),
        text.BY_SIMILARITY: lambda: by_similarity(
            table.value.reshape(len(table.categories), -1)
        ),
    }
    if not any(table.groups):
        del orders[text.BY_GROUP]
    left, right = st.columns(2)
    with left:
        chosen = choices.segments("Class order", list(orders), Key.LAYERS_ORDER)
    with right:
        search = choices.search_box("Search classes", Key.LAYERS_SEARCH, "part of a name or group")
    ordered = table.take(orders[chosen]())
    rows = [
        row
        for row, names in enumerate(zip(ordered.categories, ordered.groups, strict=True))
        if run_text.has_words(search, *names)
    ]
    if not rows:
        choices.end_without_match(len(table.categories), "classes", search)
    return ordered.take(rows), chosen


def choose_columns(table: LayerTable) -> tuple[LayerTable, bool]:
    """The table by blocks or by stages, and whether bands are drawn."""
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        columns = choices.segments("Columns", (text.STAGES, text.BLOCKS), Key.LAYERS_BY)
    with right:
        state.is_on(Key.LAYERS_SPREAD)
        spread = st.toggle(
            "Spread over videos", **keyed(Key.LAYERS_SPREAD), disabled=table.is_difference
        )
    return (table.by_stage() if columns == text.STAGES else table), spread


def _is_by_stage() -> bool:
    return bool(st.session_state[Key.LAYERS_BY] == text.STAGES)


def curves(
    run: Run, kind: str, table: LayerTable, class_order: str, *, spread: bool, chosen: str
) -> None:
    """The curves of Figure 5."""
    by_stage = _is_by_stage()
    st.markdown(text.largest_range(table))
    run_widgets.figure(
        layer_curves(table, spread=spread, chosen=chosen),
        f"{kind} of every class, a row per {'stage' if by_stage else 'block'}",
        name=f"layers_{run.id}_curves",
    )
    st.caption(
        f"{captions.LAYERS_CURVES} "
        f"{text.order_reading(class_order, len(table.categories), len(run.classes))} "
        f"{text.spread_reading(table, by_stage)}"
    )


def class_map(run: Run, kind: str, table: LayerTable, *, chosen: str) -> None:
    """The same as a map of one or all quantities; a click on a row opens its class."""
    st.subheader("Class map")
    names = (text.ALL_QUANTITIES, *table.quantities)
    if len(table.quantities) > 1:
        quantity = choices.segments("Panels", names, Key.LAYERS_ONE, format_func=escape)
        if quantity != text.ALL_QUANTITIES:
            table = table.only(quantity)
    event = run_widgets.figure(
        layer_map(table, chosen=chosen), f"{kind} of every class as a map",
        name=f"layers_{run.id}_map", key="layer_map",
    )
    clicked = run_text.clicked_data(event)
    if clicked and clicked[0] in table.categories:
        _open_class(str(clicked[0]), run)
    st.caption(
        f"{captions.layers_map('stage' if _is_by_stage() else 'block')} "
        f"{text.colour_reading(table)} Click the square before a row to open that class on the "
        "page Categories."
    )


def _open_class(name: str, run: Run) -> NoReturn:
    """Go to a class on the page Categories, in this run and the comparable ones shown there."""
    ids = run_widgets.runs_of_categories()
    if run.id not in ids:
        known = runs.folders()
        comparable, _ = runs.comparable([run, *(runs.find(each) for each in ids if each in known)])
        st.session_state[Key.RUNS] = [each.id for each in comparable]
    state.put(Key.TRUE_CATEGORY, name)
    st.switch_page(page_file("categories"))


def _contents(folder: Path) -> tuple[Content, ...]:
    path = folder / FILE
    return _load_contents(path, path.stat().st_mtime_ns)


@st.cache_data(max_entries=runs.TITLES_KEPT, show_spinner=False)
def _load_contents(path: Path, changed: int) -> tuple[Content, ...]:
    """Cached apart from the runs, since a choice needs no more of each of them."""
    return tuple(
        Content(kind, layers.blocks, layers.quantities, not is_uniform(layers))
        for kind, layers in text.kinds(load_run(path)).items()
    )


def _suggest_runs(reason: str, run: Run | None = None) -> NoReturn:
    """Say why there is nothing to draw, offer other runs, and end the page.

    run: one with equal weights everywhere; the importance of its blocks may be known all the same.
    """
    varying = [
        name
        for name, folder in runs.folders().items()
        if any(content.varies for content in _contents(folder))
    ]
    hint = (
        "Choose one of these runs instead:"
        if varying
        else "Run a model with SDA or DSA, on the page Runs or with "
        "`python -m dsanet_core run synth:seed=7,n=500 --model sda_tsn_synth`."
    )
    st.info(f"{reason} {hint}", icon=":material/info:")
    for name in varying[:MOST_SUGGESTIONS]:
        st.button(
            escape(runs.title(name)), key=f"take_{name}", on_click=state.put, args=(Key.RUN, name)
        )
    if run is not None and runs.effects_of(run.id) is not None:
        section(run, run.classes, chosen=state.get(Key.TRUE_CATEGORY) or "")
    raise PageEnd


READING = (
    "How to read it: each block alone is made neutral (DSA: identity kernel; SDA: gate off). Bars: "
    "all videos; map: one row per class. The value is the mean loss of the true class's "
    "probability, in points. Blue: the block supports the class; orange: it works against it. The "
    "hover text gives the accuracy without the block."
)


def section(run: Run, categories: Sequence[str], *, chosen: str = "") -> None:
    """Figures of a run whose blocks have been ablated; for another one, how to ablate them.

    categories: class names in the order to draw. chosen: the class that is marked.
    """
    st.subheader("Block importance per class")
    effects = runs.effects_of(run.id)
    if effects is None:
        st.info(missing(run), icon=":material/info:")
        return
    st.markdown(lead(effects, run.classes))
    run_widgets.figure(
        effects_of_blocks(effects), "Points of probability lost without each block",
        name=f"effects_{run.id}",
    )
    rows = [run.classes.index(name) for name in categories]
    run_widgets.figure(
        effects_of_categories(effects, run.classes, rows, chosen=chosen),
        "Points of probability that each class loses without each block",
        name=f"effects_{run.id}_map",
    )
    st.caption(READING)
    page_frame.download(
        "Block importance", "CSV", partial(to_csv, effects, run.classes), f"effects_{run.id}",
        "effects_csv",
    )


def missing(run: Run) -> str:
    """Reason why a run has no block importance, and the command that computes it."""
    if run.made_up:
        return "This run is made up: it has no model whose blocks could be ablated."
    return (
        "Block importance has not been computed for this run. It takes one more pass over the "
        f"dataset per block: `python -m dsanet_core effects {run.id}`"
    )


def lead(effects: RunEffects, classes: Sequence[str]) -> str:
    """The most important block, and the classes for which it matters most and least."""
    known = np.flatnonzero(effects.videos)
    before, after, drop = map(
        effects.over_videos, (effects.before, effects.after, effects.drop)
    )
    block = int(drop.argmax())
    lost = effects.drop[known, block]
    most, least = known[int(lost.argmax())], known[int(lost.argmin())]
    return (
        f"**Most important block: {escape(block_label(effects.blocks[block]))}.** Without it, "
        f"accuracy over {int(effects.videos.sum())} videos changes from {percent(float(before))} "
        f"to {percent(float(after[block]))}. It matters most for “{escape(classes[most])}” "
        f"({points(-lost.max())}) and least for “{escape(classes[least])}” "
        f"({points(-lost.min())})."
    )


def to_csv(effects: RunEffects, classes: Sequence[str]) -> str:
    """One row per class with videos and block."""
    header = [
        "category", "videos", "block", "change", "accuracy", "accuracy_without",
        "probability_lost",
    ]
    return csv_text(header, (
        [
            classes[row], int(effects.videos[row]), block, effects.changes[index],
            f"{effects.before[row]:.6g}", f"{effects.after[row, index]:.6g}",
            f"{effects.drop[row, index]:.6g}",
        ]
        for row in np.flatnonzero(effects.videos).tolist()
        for index, block in enumerate(effects.blocks)
    ))
