"""Choices of the page What if: every widget shows and edits a part of one list of changes.

The list is also what the address holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from app.pages.whatif import text
from app.server import samples, services, tasks
from app.server.run_videos import Source
from app.ui import (
    choosers,
    page_frame,
    state,
)
from app.ui.state import Key, keyed
from dsanet_core import synthetic
from dsanet_core.figures.block_ablation import block_effects
from dsanet_core.records import Analysis, Effects
from dsanet_core.report import attribution_text, captions
from dsanet_core.report.text import block_name, escape
from dsanet_core.serialize import analysis_to_csv, analysis_to_json
from dsanet_core.whatif.changes import Drop, Repeat

ACROSS = 4
MODEL_ORDER, LARGEST_FIRST = "order of the network", "strongest first"
"""Orders of the blocks, as in an address."""
ALL_BLOCKS = "every"
"""Key of the widget that sets all blocks at once."""


def chosen_changes(analysis: Analysis) -> list[str]:
    """The chosen changes that are valid for this model and video, in the order of application."""
    changes = _current(analysis)
    _put(analysis, changes)
    return changes


def _current(analysis: Analysis) -> list[str]:
    """The current changes; callbacks need them before the page is drawn."""
    return text.expand(st.session_state.get(Key.CHANGES) or (), analysis)


def _put(analysis: Analysis, changes: Sequence[str]) -> None:
    state.put(Key.CHANGES, text.shorten(text.expand(changes, analysis), analysis))


def choose_input(analysis: Analysis, changes: Sequence[str]) -> None:
    """Changes of the input: order, dropped, repeated and frozen snippets."""
    word = analysis.protocol.snippet_word
    order = next((change for change in changes if change in text.ORDERS), text.UNCHANGED)
    cells = st.columns(4, vertical_alignment="bottom")
    with cells[0]:
        _choice(
            f"{word.capitalize()} order", "order", list(text.ORDERS), order,
            lambda now, chosen: [t for t in now if t not in text.ORDERS] + [chosen], analysis,
            text.ORDERS.__getitem__,
        )
    for cell, label, kind in ((cells[1], "Drop", Drop), (cells[2], "Repeat", Repeat)):
        form = kind.form.partition(":")[0]
        key = f"whatif_{form}"
        state.put(key, text.snippets(changes, kind))

        def take(form: str = form, key: str = key) -> None:
            others = [change for change in _current(analysis) if text.split(change)[0] != form]
            _put(analysis, [*others, *(f"{form}:{place}" for place in st.session_state[key])])

        with cell:
            st.multiselect(
                f"{label} {word}s", [str(i + 1) for i in range(len(analysis.frame_index))],
                key=key, on_change=take, placeholder="none",
                help=f"Replaces the {word} with the mean colour of the training data."
                if kind is Drop else f"Replaces the {word} with the one before it.",
            )
    if analysis.protocol.sampling.frames_per_snippet > 1:
        state.put("whatif_freeze", text.FREEZE in changes)

        def freeze() -> None:
            others = [change for change in _current(analysis) if change != text.FREEZE]
            _put(analysis, [*others, *[text.FREEZE] * st.session_state["whatif_freeze"]])

        with cells[3]:
            st.toggle(
                "Freeze", key="whatif_freeze", on_change=freeze,
                help="Repeats the middle frame within each snippet, which removes its motion.",
            )


def choose_blocks(analysis: Analysis, changes: Sequence[str]) -> None:
    """Overrides of the DSA and SDA blocks; for a model without any, suggests others."""
    blocks = text.blocks_of(analysis)
    if not blocks:
        _suggest_models(analysis)
        return
    overrides = {block: how for how, block in map(text.split, changes)}
    donor = _donor(changes)

    def ways(block: str) -> list[str]:
        named = (f"{text.KERNEL}{donor}" if way == text.KERNEL else way for way in blocks[block])
        return [text.UNCHANGED, *named]

    def set_all(now: Sequence[str], chosen: str) -> list[str]:
        return [*_without(now, blocks), *(f"{chosen}:{block}" for block in blocks if chosen)]

    def set_one(block: str, now: Sequence[str], chosen: str) -> list[str]:
        others = [change for change in now if text.split(change)[1] != block]
        return [*others, f"{chosen}:{block}"] if chosen else others

    chosen = {overrides.get(block, text.UNCHANGED) for block in blocks}
    choices: list[tuple[str, str, list[str], str | None, Any]] = []
    if len(blocks) > 1:
        shared = [way for way in ways(next(iter(blocks))) if all(way in ways(b) for b in blocks)]
        common = next(iter(chosen)) if len(chosen) == 1 else None
        choices.append(("All blocks", ALL_BLOCKS, shared, common, set_all))
    for block in blocks:
        how = overrides.get(block, text.UNCHANGED)
        choices.append((block_name(block), block, ways(block), how, partial(set_one, block)))
    drawn = [
        partial(_choice, label, name, options, value, edit, analysis, text.override_label)
        for label, name, options, value, edit in choices
    ]
    if any(text.KERNEL in ways for ways in blocks.values()):
        drawn.append(partial(_choose_donor, analysis))
    for start in range(0, len(drawn), ACROSS):
        for cell, draw in zip(st.columns(ACROSS), drawn[start : start + ACROSS], strict=False):
            with cell:
                draw()


def _choice(
    label: str,
    name: str,
    options: list[str],
    value: str | None,
    edit: Callable[[Sequence[str], str], list[str]],
    analysis: Analysis,
    format_option: Callable[[str], str],
) -> None:
    """A select box whose value is a part of the list of changes. edit: takes the list and the
    chosen option, returns the new list."""
    key = f"whatif_{name}"
    state.put(key, value)

    def take() -> None:
        _put(analysis, edit(_current(analysis), st.session_state[key]))

    st.selectbox(
        label, options, key=key, format_func=format_option, on_change=take, placeholder="mixed"
    )


def _donor(changes: Sequence[str]) -> str:
    """Id of the sample whose kernels replace those of a block."""
    options = [samples.sample_id(label) for label in range(len(synthetic.CATEGORIES))]
    for source in text.sources(changes)[:1]:
        state.put(Key.KERNEL_OF, source)
    state.ensure_option(Key.KERNEL_OF, options, options[0])
    return str(st.session_state[Key.KERNEL_OF])


def _choose_donor(analysis: Analysis) -> None:
    def take() -> None:
        chosen = f"{text.KERNEL}{st.session_state[Key.KERNEL_OF]}"
        _put(analysis, [
            f"{chosen}:{text.split(change)[1]}" if change.startswith(text.KERNEL) else change
            for change in _current(analysis)
        ])

    st.selectbox(
        "Donor video", [samples.sample_id(i) for i in range(len(synthetic.CATEGORIES))],
        **keyed(Key.KERNEL_OF), on_change=take,
        format_func=lambda video: synthetic.CATEGORIES[samples.label_of(video) or 0],
        help="The sample whose kernel is used by a block set to “kernel of the donor video”.",
    )


def _without(changes: Sequence[str], blocks: dict[str, tuple[str, ...]]) -> list[str]:
    return [change for change in changes if text.split(change)[1] not in blocks]


def _suggest_models(analysis: Analysis) -> None:
    st.info(
        f"{escape(analysis.model.name)} has no DSA or SDA blocks, so only its input can be "
        "changed. Models with such blocks:",
        icon=":material/info:",
    )
    choosers.model_buttons([*services.models_with("dsa"), *services.models_with("sda")])


def change_buttons(analysis: Analysis, changes: Sequence[str]) -> None:
    """A button per change that removes it, and one that removes all."""
    short = text.shorten(changes, analysis)

    def remove(change: str) -> None:
        _put(analysis, [other for other in short if other != change])

    with st.container(horizontal=True):
        for place, change in enumerate(short):
            label = escape(text.describe(change))
            st.button(
                label, key=f"chip_{place}", icon=":material/close:", on_click=remove,
                args=(change,), help=f"Remove: {label}",
            )
        if len(short) > 1:
            st.button(
                "Reset all", key="chips_all", icon=":material/undo:", type="tertiary",
                on_click=_put, args=(analysis, ()),
            )


def wait_for(source: Source, name: str, changes: Sequence[str]) -> Analysis:
    """The analysis after the changes; shows progress and ends the page until it is ready."""
    others = {}
    for other in text.sources(changes):
        others[other] = page_frame.wait_for(services.find_source(other), [name])[0]
    asked = tasks.request_changed(name, changes, text.changes(changes, others))
    found: Analysis = page_frame.wait_for_results(source, [asked])[0]
    return found


def block_importance(source: Source, name: str, analysis: Analysis) -> Effects | None:
    """Importance of each block for the predicted class, computed on demand."""
    category = int(analysis.video_scores.argmax())
    classes = analysis.model.classes
    if not text.blocks_of(analysis):
        st.markdown(f"{escape(analysis.model.name)} has no DSA or SDA blocks.")
        return None
    if not state.is_on(Key.BLOCK_IMPORTANCE):
        st.button(
            f"Compute block importance for “{escape(classes[category])}”", icon=":material/sort:",
            on_click=state.switch_on, args=(Key.BLOCK_IMPORTANCE,),
        )
        st.caption("Takes N + 1 forward passes; cached.")
        return None
    request = tasks.request_ranking(name, category)
    effects: Effects = page_frame.wait_for_results(source, [request])[0]
    st.markdown(attribution_text.block_importance(effects, classes))
    orders = [MODEL_ORDER, LARGEST_FIRST]
    state.ensure_option(Key.BLOCK_ORDER, orders, orders[0])
    st.segmented_control(
        "Sort blocks by", orders, **keyed(Key.BLOCK_ORDER), required=True,
        format_func={MODEL_ORDER: "Model order", LARGEST_FIRST: "Largest first"}.__getitem__,
    )
    strongest_first = st.session_state[Key.BLOCK_ORDER] == LARGEST_FIRST
    page_frame.chart(
        block_effects(effects, classes, strongest_first=strongest_first),
        "Points of probability lost without each block",
    )
    st.caption(captions.BLOCK_IMPORTANCE)
    return effects


def export(before: Analysis, after: Analysis | None) -> None:
    """The analyses before and after the changes as files."""
    with st.container(horizontal=True):
        for label, analysis in zip(text.LABELS, (before, after), strict=True):
            if analysis is None:
                continue
            stem = page_frame.file_stem(analysis) + ("_changed" if analysis.changes else "")
            for data, kind, make in (
                ("all data", "JSON", analysis_to_json), ("scores", "CSV", analysis_to_csv),
            ):
                page_frame.download(
                    f"{escape(analysis.model.name)} ({label}): {data}", kind,
                    partial(make, analysis), stem, f"whatif_{kind}_{label}",
                )
