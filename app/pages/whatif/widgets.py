"""Choices of the page What if: the changes stand in one list, of which every widget shows a part.

The list is what an address carries; a widget takes its value from it and writes into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from app.pages.whatif import text as words
from app.server import samples, services, tasks
from app.server.run_videos import Source
from app.ui import page_frame, state
from app.ui.state import Key, kept
from app.ui.text import block_name, escape
from dsanet_core import synthetic
from dsanet_core.figures.block_ablation import block_effects
from dsanet_core.records import Analysis, Effects
from dsanet_core.report import readings
from dsanet_core.serialize import analysis_to_csv, analysis_to_json
from dsanet_core.whatif.changes import Drop, Repeat

ACROSS = 4
NETWORK_ORDER, STRONGEST_FIRST = "order of the network", "strongest first"


def settle(analysis: Analysis) -> list[str]:
    """The chosen changes that fit this network and video, in the order in which they are made."""
    texts = _now(analysis)
    _put(analysis, texts)
    return texts


def _now(analysis: Analysis) -> list[str]:
    """The changes as they stand: a callback may be called before the last one was drawn."""
    return words.expand(st.session_state.get(Key.CHANGES) or (), analysis)


def _put(analysis: Analysis, texts: Sequence[str]) -> None:
    state.put(Key.CHANGES, words.shorten(words.expand(texts, analysis), analysis))


def choose_input(analysis: Analysis, texts: Sequence[str]) -> None:
    """What the network is shown: which snippets, in which order, moving or not."""
    word = analysis.protocol.snippet_word
    order = next((text for text in texts if text in words.ORDERS), words.AS_IT_IS)
    cells = st.columns(4, vertical_alignment="bottom")
    with cells[0]:
        _choice(
            f"Order of the {word}s", "order", list(words.ORDERS), order,
            lambda now, chosen: [t for t in now if t not in words.ORDERS] + [chosen], analysis,
            words.ORDERS.__getitem__,
        )
    for cell, label, kind in ((cells[1], "Without", Drop), (cells[2], "Repeating", Repeat)):
        form = kind.form.partition(":")[0]
        key = f"whatif_{form}"
        state.put(key, words.snippets(texts, kind))

        def take(form: str = form, key: str = key) -> None:
            others = [text for text in _now(analysis) if words.how_of(text)[0] != form]
            _put(analysis, [*others, *(f"{form}:{place}" for place in st.session_state[key])])

        with cell:
            st.multiselect(
                f"{label} {word}s", [str(i + 1) for i in range(len(analysis.frame_index))],
                key=key, on_change=take, placeholder="none",
                help="A dropped one shows the mean colour of the training data."
                if kind is Drop else "In its place the one before it is shown again.",
            )
    if analysis.protocol.sampling.frames_per_snippet > 1:
        state.put("whatif_freeze", words.FREEZE in texts)

        def freeze() -> None:
            others = [text for text in _now(analysis) if text != words.FREEZE]
            _put(analysis, [*others, *[words.FREEZE] * st.session_state["whatif_freeze"]])

        with cells[3]:
            st.toggle(
                "Frozen", key="whatif_freeze", on_change=freeze,
                help="Every snippet shows its middle frame throughout: nothing moves within it.",
            )


def choose_blocks(analysis: Analysis, texts: Sequence[str]) -> None:
    """What the DSA and SDA blocks do; for a network without any, which ones have some."""
    blocks = words.blocks_of(analysis)
    if not blocks:
        _offer_blocks(analysis)
        return
    done = {block: how for how, block in map(words.how_of, texts)}
    other = _kernel_source(texts)

    def ways(block: str) -> list[str]:
        named = (f"{words.KERNEL}{other}" if way == words.KERNEL else way for way in blocks[block])
        return [words.AS_IT_IS, *named]

    def set_all(now: Sequence[str], chosen: str) -> list[str]:
        return [*_without(now, blocks), *(f"{chosen}:{block}" for block in blocks if chosen)]

    def set_one(block: str, now: Sequence[str], chosen: str) -> list[str]:
        others = [text for text in now if words.how_of(text)[1] != block]
        return [*others, f"{chosen}:{block}"] if chosen else others

    chosen = {done.get(block, words.AS_IT_IS) for block in blocks}
    choices: list[tuple[str, str, list[str], str | None, Any]] = []
    if len(blocks) > 1:
        both = [way for way in ways(next(iter(blocks))) if all(way in ways(b) for b in blocks)]
        common = next(iter(chosen)) if len(chosen) == 1 else None
        choices.append(("All blocks", "every", both, common, set_all))
    for block in blocks:
        how = done.get(block, words.AS_IT_IS)
        choices.append((block_name(block), block, ways(block), how, partial(set_one, block)))
    drawn = [
        partial(_choice, label, name, options, value, taken, analysis, words.doing)
        for label, name, options, value, taken in choices
    ]
    if any(words.KERNEL in ways for ways in blocks.values()):
        drawn.append(partial(_choose_kernel_source, analysis))
    for start in range(0, len(drawn), ACROSS):
        for cell, draw in zip(st.columns(ACROSS), drawn[start : start + ACROSS], strict=False):
            with cell:
                draw()


def _choice(
    label: str,
    name: str,
    options: list[str],
    value: str | None,
    taken: Any,
    analysis: Analysis,
    said: Any,
) -> None:
    """A select box whose value comes from the list of changes. taken: of the changes and of what
    was chosen, the changes then."""
    key = f"whatif_{name}"
    state.put(key, value)

    def take() -> None:
        _put(analysis, taken(_now(analysis), st.session_state[key]))

    st.selectbox(
        label, options, key=key, format_func=said, on_change=take, placeholder="each its own"
    )


def _kernel_source(texts: Sequence[str]) -> str:
    """Id of the sample whose kernels stand in where a block takes another video's."""
    options = [samples.sample_id(label) for label in range(len(synthetic.CATEGORIES))]
    for source in words.sources(texts)[:1]:
        state.put(Key.KERNEL_OF, source)
    state.settle(Key.KERNEL_OF, options, options[0])
    return str(st.session_state[Key.KERNEL_OF])


def _choose_kernel_source(analysis: Analysis) -> None:
    def take() -> None:
        chosen = f"{words.KERNEL}{st.session_state[Key.KERNEL_OF]}"
        _put(analysis, [
            f"{chosen}:{words.how_of(text)[1]}" if text.startswith(words.KERNEL) else text
            for text in _now(analysis)
        ])

    st.selectbox(
        "The other video", [samples.sample_id(i) for i in range(len(synthetic.CATEGORIES))],
        **kept(Key.KERNEL_OF), on_change=take,
        format_func=lambda video: synthetic.CATEGORIES[samples.label_of(video) or 0],
        help="A sample: a block with the kernel of another video takes what it made for this one.",
    )


def _without(texts: Sequence[str], blocks: dict[str, tuple[str, ...]]) -> list[str]:
    return [text for text in texts if words.how_of(text)[1] not in blocks]


def _offer_blocks(analysis: Analysis) -> None:
    st.info(
        f"{escape(analysis.model.name)} has neither DSA nor SDA blocks, so only what it is shown "
        "can be changed. Networks with such blocks:",
        icon=":material/info:",
    )
    with st.container(horizontal=True):
        for name in [*services.models_with("dsa"), *services.models_with("sda")]:
            st.button(
                f"Take {escape(name)}", key=f"take_{name}", on_click=state.put,
                args=(Key.MODEL, name),
            )


def chips(analysis: Analysis, texts: Sequence[str]) -> None:
    """Every change in words; a click takes it back."""
    short = words.shorten(texts, analysis)

    def take_back(text: str) -> None:
        _put(analysis, [other for other in short if other != text])

    with st.container(horizontal=True):
        for place, text in enumerate(short):
            said = words.describe(text)
            st.button(
                escape(said), key=f"chip_{place}", icon=":material/close:", on_click=take_back,
                args=(text,), help=f"Take back: {escape(said)}",
            )
        if len(short) > 1:
            st.button(
                "Take everything back", key="chips_all", icon=":material/undo:", type="tertiary",
                on_click=_put, args=(analysis, ()),
            )


def wait_for(source: Source, name: str, texts: Sequence[str]) -> Analysis:
    """What the network says after the changes; progress is shown until that is known."""
    others = {}
    for other in words.sources(texts):
        others[other] = page_frame.wait_for(services.find_source(other), [name])[0]
    asked = tasks.request_changed(name, texts, words.changes(texts, others))
    found: Analysis = page_frame.wait_for_results(source, [asked])[0]
    return found


def ranking(source: Source, name: str, analysis: Analysis) -> Effects | None:
    """Which block the answer hangs on, computed when it is asked for."""
    category = int(analysis.video_scores.argmax())
    classes = analysis.model.classes
    if not words.blocks_of(analysis):
        st.markdown(f"{escape(analysis.model.name)} has no DSA or SDA blocks to rank.")
        return None
    if not state.is_on(Key.RANKED):
        st.button(
            f"Rank the blocks for “{escape(classes[category])}”", icon=":material/sort:",
            on_click=state.switch_on, args=(Key.RANKED,),
        )
        st.caption("One more forward than there are blocks; the answer is kept.")
        return None
    wanted = tasks.request_ranking(name, category)
    effects: Effects = page_frame.wait_for_results(source, [wanted])[0]
    st.markdown(words.hanging(effects, classes))
    orders = [NETWORK_ORDER, STRONGEST_FIRST]
    state.settle(Key.RANK_ORDER, orders, orders[0])
    st.segmented_control("Blocks in", orders, **kept(Key.RANK_ORDER), required=True)
    strongest_first = st.session_state[Key.RANK_ORDER] == STRONGEST_FIRST
    page_frame.chart(
        block_effects(effects, classes, strongest_first=strongest_first),
        "Points of probability lost without each block",
    )
    st.caption(readings.BLOCK_EFFECTS)
    return effects


def export(before: Analysis, after: Analysis | None) -> None:
    """The answers as files, made when somebody asks for one."""
    with st.container(horizontal=True):
        for what, analysis in ((words.AS_NAMED, before), (words.CHANGED, after)):
            if analysis is None:
                continue
            stem = f"{analysis.model.name}_{analysis.video.sha256[:8] or analysis.video.name}"
            if analysis.changes:
                stem += "_changed"
            for label, kind, mime, make in (
                ("all data", "JSON", "application/json", analysis_to_json),
                ("scores", "CSV", "text/csv", analysis_to_csv),
            ):
                st.download_button(
                    f"{escape(analysis.model.name)} {what}: {label} ({kind})",
                    partial(make, analysis), f"{stem}.{kind.lower()}", mime,
                    key=f"whatif_{kind}_{what}", icon=":material/download:", on_click="ignore",
                )
