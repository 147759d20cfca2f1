"""What several pages draw: the frame of a page, the choice of a video and a model, waiting."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import plotly.graph_objects as go
import streamlit as st
from streamlit.runtime.scriptrunner import RerunException

from app.server import samples, services
from app.server.fair_queue import Job
from app.server.run_videos import Source
from app.server.tasks import Request
from app.ui import run_widgets, state, text
from app.ui.exports import export as export
from app.ui.exports import report as report
from app.ui.page_end import PageEnd
from app.ui.state import Key, kept
from dsanet_core import synthetic
from dsanet_core.errors import LensError
from dsanet_core.figures import dependency_response, kernel_ternary, palette
from dsanet_core.records import Analysis, Kernel, Selection, Video

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 0.4
"""An answer that comes within this time is shown without a progress bar before it."""


@contextmanager
def page(title: str, lead: str) -> Iterator[None]:
    """Title, deep link, and errors as sentences: what a page raises never shows as a traceback."""
    state.restore(title)
    st.title(title)
    st.markdown(lead)
    drawn = True
    try:
        yield
    except PageEnd:
        pass
    except RerunException:
        drawn = False
        raise
    except LensError as error:
        say(error)
    except Exception:
        logger.exception("a page failed")
        st.error(
            "This page could not be drawn; what happened is in the server's log.  \n"
            "**What to do:** reload the page, or choose another video.",
            icon=":material/error:",
        )
    finally:
        if drawn:
            services.let_go()
            state.note_drawn(title)
        state.publish()


def say(error: LensError) -> None:
    """An error as sentences."""
    st.error(
        f"{text.escape(error.value)}  \n**Expected:** {text.escape(error.expected)}  \n"
        f"**What to do:** {text.escape(error.next_step)}",
        icon=":material/error:",
    )


@contextmanager
def said() -> Iterator[None]:
    """Errors become sentences here, and the rest of the page is drawn."""
    try:
        yield
    except LensError as error:
        say(error)


def choose_video() -> Source:
    """The chosen video; where there is none, says what to do and ends the page."""
    chosen = state.get(Key.VIDEO)
    source = None
    if chosen is not None:
        try:
            with st.spinner("Opening the video …"):
                source = services.find_source(chosen)
        except LensError as error:
            say(error)
    label = "Choose a video"
    if source is not None:
        label = f"**{text.escape(text.shorten(source.name))}** · choose another video"
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
        "Any format that FFmpeg reads. The file stays on this machine, for you alone, and is "
        "deleted when you leave."
    )
    if state.get(Key.VIDEO) is None:
        st.info(
            "Drop a video above, or pick a sample: this page then shows what the networks make "
            "of it.",
            icon=":material/arrow_upward:",
        )
    if file is not None:
        state.put(Key.VIDEO, services.take_upload(file))
        state.renew_uploader()
        st.rerun()


def _gallery() -> None:
    groups = list(synthetic.GROUPS)
    state.settle(state.SAMPLE_GROUP, groups, groups[0])
    st.segmented_control(
        "Or pick a sample of a known category",
        groups,
        **kept(state.SAMPLE_GROUP),
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
    """One of the models whose weights are at hand. Where the chosen one is not any more, says so
    and takes another."""
    names = services.model_names()
    gone = state.gone(key, names)
    state.settle(key, names, default if default in names else names[0])
    cards = services.model_cards()
    about = "\n".join(
        f"- {text.escape(f'{name}: {card.description}')}" for name, card in cards.items()
    )
    st.selectbox(label, names, **kept(key), help=about, on_change=state.forget_gone, args=(key,))
    chosen = str(st.session_state[key])
    if gone is not None:
        st.info(
            f"{text.escape(text.shorten(gone))} is not at hand (any more): "
            f"{text.escape(chosen)} is shown in its place.",
            icon=":material/info:",
        )
    return chosen


def choose_categories(analysis: Analysis, source: Source) -> list[int]:
    """Indices of the three most probable categories, the truth, and one of the user's choice."""
    classes = analysis.model.classes
    state.settle(Key.CATEGORY, classes, None)
    chosen = st.selectbox(
        "Follow one more category",
        classes,
        index=None,
        **kept(Key.CATEGORY),
        placeholder="The most probable ones are shown; choose another",
    )
    names = [name for name, _ in analysis.top(3)]
    names += [name for name in (source.category, chosen) if name in classes]
    return [classes.index(name) for name in dict.fromkeys(names)]


def choose_kernel(analysis: Analysis) -> tuple[Kernel, int]:
    """A DSA block and a view; a model without DSA ends the page with what to choose instead."""
    if not analysis.kernels:
        _suggest("dsa", "DSA", f"{text.escape(analysis.model.name)} has no dynamic kernels.")
    kernels = {kernel.block: kernel for kernel in analysis.kernels}
    block, view = _choose_block_and_view(analysis, "DSA block", list(kernels), next(iter(kernels)))
    return kernels[block], view


def choose_selection(analysis: Analysis) -> tuple[Selection, int]:
    """An SDA block (at first the one whose gate selecting changes most) and a view; a model without
    SDA ends the page with what to choose instead."""
    if not analysis.selections:
        _suggest("sda", "SDA", f"{text.escape(analysis.model.name)} selects no dependencies.")
    selections = {selection.block: selection for selection in analysis.selections}
    most = max(selections, key=lambda block: float(selections[block].gate_change.mean()))
    block, view = _choose_block_and_view(analysis, "SDA block", list(selections), most)
    return selections[block], view


def _choose_block_and_view(
    analysis: Analysis, label: str, blocks: list[str], default: str
) -> tuple[str, int]:
    views = {text.view_name(analysis.protocol, v): v for v in range(analysis.protocol.num_views)}
    state.settle(Key.BLOCK, blocks, default)
    state.settle(Key.VIEW, list(views), next(iter(views)))
    left, right = st.columns(2)
    with left:
        st.selectbox(label, blocks, **kept(Key.BLOCK), format_func=text.block_name)
    with right:
        word = text.snippet_word([analysis])
        st.selectbox(f"{word.capitalize()}s joined", views, **kept(Key.VIEW))
    return str(st.session_state[Key.BLOCK]), views[st.session_state[Key.VIEW]]


def _suggest(part: str, title: str, why: str) -> NoReturn:
    """Say what a page needs, offer the models at hand that have it, and end the page."""
    names = services.models_with(part)
    here = f", for example {text.escape(names[0])}" if names else ""
    st.info(f"{why} Choose a model with {title} above{here}.", icon=":material/info:")
    with st.container(horizontal=True):
        for name in names:
            label = f"Show {text.escape(name)}"
            st.button(label, key=f"take_{name}", on_click=state.put, args=(Key.MODEL, name))
    raise PageEnd


def wait_for(source: Source, names: Sequence[str]) -> list[Analysis]:
    """What each model says of the video; until that is known, progress is shown instead."""
    return wait_for_results(source, [Request(name) for name in names])


def wait_for_results(source: Source, requests: Sequence[Request]) -> list[Any]:
    """The result of each request; until that is known, progress is shown and the page ends."""
    wish = f"{source.id} {[(request.model, *request.key) for request in requests]}"
    if state.is_stopped(wish):
        st.info("Stopped: nothing was computed for this video.", icon=":material/stop_circle:")
        st.button("Run again", on_click=state.resume, icon=":material/replay:")
        raise PageEnd
    try:
        jobs = services.submit(source, requests)
        if not _all_finish(jobs):
            _progress(jobs, wish)
            raise PageEnd
        return [services.result(job, source) for job in jobs]
    except LensError as error:
        say(error)
        st.button("Run again", on_click=services.release, icon=":material/replay:")
        raise PageEnd from None


def finish_soon(job: Job) -> bool:
    """Whether it is finished, now or in a moment."""
    return _all_finish([job])


def _all_finish(jobs: Sequence[Job]) -> bool:
    end = time.monotonic() + PATIENCE_SECONDS
    return all(job.finished.wait(max(0, end - time.monotonic())) for job in jobs)


@st.fragment(run_every=POLL_SECONDS)
def _progress(jobs: Sequence[Job], wish: str) -> None:
    for job in jobs:
        before = services.ahead(job)
        said = text.escape(job.stage) if before is None else text.in_line(before)
        st.progress(job.fraction, said)
    st.button("Stop", icon=":material/stop:", on_click=_stop, args=(wish,))
    if state.is_stopped(wish) or all(job.finished.is_set() for job in jobs):
        st.rerun()


def _stop(wish: str) -> None:
    services.release()
    state.stop(wish)


def player(source: Source, video: Video) -> None:
    """The video itself, or a small copy in H.264 where the browser is better served with it."""
    start, end = text.played(source.of_run.window if source.of_run is not None else None)
    if services.plays_as_it_is(source, video):
        kind = "mp4" if source.is_drawn else video.container
        st.video(
            source.path, format=services.private_format(kind), start_time=start, end_time=end,
            muted=True, loop=True,
        )  # fmt: skip
        if source.is_drawn:
            st.caption(text.film(video))
        return
    job = services.request_copy(source)
    if not _all_finish([job]):
        _wait_for_copy(job)
    elif job.error is None:
        st.video(
            job.result.path, format=services.private_format("mp4"), start_time=start,
            end_time=end, muted=True, loop=True,
        )  # fmt: skip
        st.caption(text.copy(video, None if job.result.is_whole else job.result.seconds))
    else:
        st.caption("No copy that a browser plays could be made of this video.")


@st.fragment(run_every=POLL_SECONDS)
def _wait_for_copy(job: Job) -> None:
    st.info(f"{job.stage} …", icon=":material/hourglass:")
    if job.finished.is_set():
        st.rerun()


def verdict(analysis: Analysis, source: Source) -> None:
    """The network's answer, marked right or wrong where the truth is known."""
    category, probability = analysis.top(1)[0]
    st.markdown(f"{text.escape(analysis.model.name)} says with {text.percent(probability)}:")
    st.markdown(f"#### {text.escape(category)}")
    with st.container(horizontal=True):
        if source.category == category:
            st.badge(f"{palette.RIGHT_SYMBOL} right", color="green")
        elif source.category in analysis.model.classes:
            st.badge(f"{palette.WRONG_SYMBOL} wrong", color="red")
        if analysis.familiarity is not None and not analysis.familiarity.is_familiar:
            st.badge("unlike its training data", icon=":material/warning:", color="orange")
    if source.category in analysis.model.classes and source.category != category:
        st.caption(f"It is: {text.escape(source.category)}")


def warn_if_unfamiliar(analysis: Analysis) -> bool:
    """A visible mark on a video unlike the training data; whether there was need for it."""
    if analysis.familiarity is None or analysis.familiarity.is_familiar:
        return False
    st.warning(text.familiarity(analysis), icon=":material/warning:")
    return True


def familiarity(analysis: Analysis) -> None:
    """The mark, or the same numbers quietly."""
    if not warn_if_unfamiliar(analysis):
        st.caption(text.familiarity(analysis))


def grounds(analysis: Analysis, name: str) -> None:
    """Protocol, weights, measured accuracy, video and time."""
    card = services.model_card(name)
    st.markdown(text.grounds(analysis, card.description, card.accuracy))


def chart(figure: go.Figure, alt: str) -> None:
    st.plotly_chart(figure, config={"displaylogo": False, "displayModeBar": False}, alt=alt)


def simplex(kernel: Kernel) -> None:
    """The taps of every channel as points of a triangle, for kernels that have three."""
    if kernel.values.shape[-1] == 3:
        chart(kernel_ternary(kernel), "Taps of every channel on their simplex")
    else:
        st.info(f"A kernel of {kernel.values.shape[-1]} taps has no place on a triangle.")


def responses(analysis: Analysis, selection: Selection, view: int) -> None:
    """Each dependency's own response, four beside each other."""
    names = selection.dependencies
    for start in range(0, len(names), 4):
        cells = st.columns(4, gap="medium")
        for name, cell in zip(names[start : start + 4], cells, strict=False):
            with cell, st.container(height="stretch", vertical_alignment="distribute"):
                st.markdown(text.dependency_heading(selection, name, view))
                chart(dependency_response(analysis, selection, name, view), f"Response of {name}")
