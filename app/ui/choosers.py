"""Choices that several pages offer: video, model, classes, block and view."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from app.server import samples, services
from app.server.run_videos import Source
from app.ui import run_widgets, state
from app.ui.page_frame import PageEnd, show_error
from app.ui.state import Key, keyed
from dsanet_core import synthetic
from dsanet_core.errors import LensError
from dsanet_core.figures.style import shorten, snippet_word
from dsanet_core.records import Analysis, Kernel, Selection
from dsanet_core.report.text import block_name, escape, view_name


def choose_video() -> Source:
    """The chosen video; without one, shows how to choose one and ends the page."""
    chosen = state.get(Key.VIDEO)
    source = None
    if chosen is not None:
        try:
            with st.spinner("Opening the video …"):
                source = services.find_source(chosen)
        except LensError as error:
            show_error(error)
    label = "Choose a video"
    if source is not None:
        label = f"**{escape(shorten(source.name))}** · choose another video"
    with st.expander(label, icon=":material/video_library:", expanded=source is None):
        upload, gallery = st.columns([2, 3], gap="large")
        with upload:
            _upload_box()
        with gallery:
            _gallery()
    if source is None:
        raise PageEnd
    if source.of_run is not None:
        run_widgets.way_back(source.of_run)
    return source


def _upload_box() -> None:
    # No list of extensions: the bytes say what a file is, and any container may be tried.
    file = st.file_uploader("Upload a video", key=state.uploader_key())
    st.caption(
        "Any format that FFmpeg reads. The file stays on this server, only you can use it, and it "
        "is deleted when you leave."
    )
    if state.get(Key.VIDEO) is None:
        st.info(
            "Upload a video or choose a sample to begin.",
            icon=":material/arrow_upward:",
        )
    if file is not None:
        state.put(Key.VIDEO, services.take_upload(file))
        state.renew_uploader()
        st.rerun()


def _gallery() -> None:
    groups = list(synthetic.GROUPS)
    state.ensure_option(state.SAMPLE_GROUP, groups, groups[0])
    st.segmented_control(
        "Or try a labelled sample",
        groups,
        **keyed(state.SAMPLE_GROUP),
        format_func=str.capitalize,
        required=True,
    )
    group = st.session_state[state.SAMPLE_GROUP]
    for start in range(0, len(synthetic.GROUPS[group]), 2):
        for name, cell in zip(
            synthetic.GROUPS[group][start : start + 2], st.columns(2), strict=False
        ):
            label = synthetic.CATEGORIES.index(name)
            with cell:
                st.image(samples.picture(label), width="stretch", alt=f"Four frames: {name}")
                st.button(
                    name,
                    key=f"pick_{label}",
                    width="stretch",
                    on_click=state.put,
                    args=(Key.VIDEO, samples.sample_id(label)),
                )


def choose_model(key: Key, label: str, default: str) -> str:
    """One of the available models; if the chosen one is unavailable, says so and uses another."""
    names = services.model_names()
    unavailable = state.unavailable_choice(key, names)
    state.ensure_option(key, names, default if default in names else names[0])
    descriptions = "\n".join(
        f"- {escape(f'{name}: {card.description}')}"
        for name, card in services.model_cards().items()
    )
    st.selectbox(
        label, names, **keyed(key), help=descriptions,
        on_change=state.clear_unavailable, args=(key,),
    )
    chosen = str(st.session_state[key])
    if unavailable is not None:
        st.info(
            f"{escape(shorten(unavailable))} is not available. Showing {escape(chosen)} instead.",
            icon=":material/info:",
        )
    return chosen


def choose_classes(analysis: Analysis, source: Source) -> list[int]:
    """Indices of the three most probable classes, the ground truth, and one that the user adds."""
    classes = analysis.model.classes
    state.ensure_option(Key.CATEGORY, classes, None)
    chosen = st.selectbox(
        "Add a class",
        classes,
        index=None,
        **keyed(Key.CATEGORY),
        placeholder="The three most probable classes are shown",
    )
    names = [name for name, _ in analysis.top(3)]
    names += [name for name in (source.category, chosen) if name in classes]
    return [classes.index(name) for name in dict.fromkeys(names)]


def choose_kernel(analysis: Analysis) -> tuple[Kernel, int]:
    """A DSA block and a view; for a model without DSA, suggests others and ends the page."""
    if not analysis.kernels:
        _suggest_models("dsa", f"{escape(analysis.model.name)} has no DSA blocks.")
    kernels = {kernel.block: kernel for kernel in analysis.kernels}
    block, view = _choose_block_and_view(analysis, "DSA block", list(kernels), next(iter(kernels)))
    return kernels[block], view


def choose_selection(analysis: Analysis) -> tuple[Selection, int]:
    """An SDA block (by default the one whose gate selection changes most) and a view; for a model
    without SDA, suggests others and ends the page."""
    if not analysis.selections:
        _suggest_models("sda", f"{escape(analysis.model.name)} has no SDA blocks.")
    selections = {selection.block: selection for selection in analysis.selections}
    most = max(selections, key=lambda block: float(selections[block].gate_change.mean()))
    block, view = _choose_block_and_view(analysis, "SDA block", list(selections), most)
    return selections[block], view


def _choose_block_and_view(
    analysis: Analysis, label: str, blocks: list[str], default: str
) -> tuple[str, int]:
    views = {view_name(analysis.protocol, v): v for v in range(analysis.protocol.num_views)}
    state.ensure_option(Key.BLOCK, blocks, default)
    state.ensure_option(Key.VIEW, list(views), next(iter(views)))
    left, right = st.columns(2)
    with left:
        st.selectbox(label, blocks, **keyed(Key.BLOCK), format_func=block_name)
    with right:
        word = snippet_word([analysis])
        st.selectbox(
            "View", views, **keyed(Key.VIEW), help=f"The {word}s of one forward pass."
        )
    return str(st.session_state[Key.BLOCK]), views[st.session_state[Key.VIEW]]


def _suggest_models(part: str, reason: str) -> NoReturn:
    """Offers the models that have DSA or SDA blocks (part: "dsa" or "sda") and ends the page."""
    names = services.models_with(part)
    example = f", for example {escape(names[0])}" if names else ""
    st.info(f"{reason} Choose a model with {part.upper()} above{example}.", icon=":material/info:")
    model_buttons(names)
    raise PageEnd


def model_buttons(names: list[str]) -> None:
    """A button per model that chooses it."""
    with st.container(horizontal=True):
        for name in names:
            st.button(
                f"Show {escape(name)}", key=f"take_{name}", on_click=state.put,
                args=(Key.MODEL, name),
            )
