"""The frame of a page: title, errors as sentences, waiting for results, player, predictions.

Download buttons of pages: data of each record as JSON and CSV, and the page as a report.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from streamlit.runtime.scriptrunner import RerunException

from app.server import services
from app.server.fair_queue import Job
from app.server.run_videos import Source
from app.server.tasks import Request
from app.ui import state, text
from dsanet_core.errors import LensError
from dsanet_core.figures import (
    style,
)
from dsanet_core.records import Analysis, Attribution, Effects, Video
from dsanet_core.report import report_name, report_to_html
from dsanet_core.report import text as record_text
from dsanet_core.report.text import escape
from dsanet_core.serialize import (
    analysis_to_csv,
    analysis_to_json,
    dependencies_to_csv,
    kernels_to_csv,
)
from dsanet_core.text_format import percent

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
QUICK_SECONDS = 0.4
"""A result that is ready within this time is shown without a progress bar before it."""


class PageEnd(Exception):  # noqa: N818
    """Ends the drawing of a page early; unlike st.stop() it lets `page` write the address."""


@contextmanager
def page(title: str, lead: str) -> Iterator[None]:
    """Title, deep link, and errors as sentences: no exception of a page shows as a traceback."""
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
        show_error(error)
    except Exception:
        logger.exception("a page failed")
        st.error(
            "This page could not be displayed. The server's log has the details.  \n"
            "**What to do:** reload the page, or choose another video.",
            icon=":material/error:",
        )
    finally:
        if drawn:
            services.let_go()
            state.mark_drawn(title)
        state.publish()


def show_error(error: LensError) -> None:
    st.error(
        f"{escape(error.value)}  \n**Expected:** {escape(error.expected)}  \n"
        f"**What to do:** {escape(error.next_step)}",
        icon=":material/error:",
    )


@contextmanager
def show_errors() -> Iterator[None]:
    """Shows a LensError in place; the rest of the page is drawn."""
    try:
        yield
    except LensError as error:
        show_error(error)


def wait_for(source: Source, names: Sequence[str]) -> list[Analysis]:
    """The video's analysis by each model; shows progress and ends the page until they are ready."""
    return wait_for_results(source, [Request(name) for name in names])


def wait_for_results(source: Source, requests: Sequence[Request]) -> list[Any]:
    """The result of each request; shows progress and ends the page until all are ready."""
    key = f"{source.id} {[(request.model, *request.key) for request in requests]}"
    if state.is_stopped(key):
        st.info("Stopped. Nothing was computed for this video.", icon=":material/stop_circle:")
        st.button("Run again", on_click=state.resume, icon=":material/replay:")
        raise PageEnd
    try:
        jobs = services.submit(source, requests)
        if not finish_soon(*jobs):
            _progress(jobs, key)
            raise PageEnd
        return [services.result(job, source) for job in jobs]
    except LensError as error:
        show_error(error)
        st.button("Run again", on_click=services.release, icon=":material/replay:")
        raise PageEnd from None


def finish_soon(*jobs: Job) -> bool:
    """True if all jobs finish within `QUICK_SECONDS`."""
    end = time.monotonic() + QUICK_SECONDS
    return all(job.finished.wait(max(0, end - time.monotonic())) for job in jobs)


@st.fragment(run_every=POLL_SECONDS)
def _progress(jobs: Sequence[Job], key: str) -> None:
    for job in jobs:
        ahead = services.ahead(job)
        st.progress(job.fraction, escape(job.stage) if ahead is None else text.queue_place(ahead))
    st.button("Stop", icon=":material/stop:", on_click=_stop, args=(key,))
    if state.is_stopped(key) or all(job.finished.is_set() for job in jobs):
        st.rerun()


def _stop(key: str) -> None:
    services.release()
    state.stop(key)


def player(source: Source, video: Video) -> None:
    """The video itself, or a small H.264 copy if browsers may not play the original."""
    start, end = text.played_seconds(source.of_run.window if source.of_run is not None else None)

    def play(path: Any, container: str) -> None:
        st.video(
            path, format=services.private_format(container), start_time=start, end_time=end,
            muted=True, loop=True,
        )  # fmt: skip

    if services.plays_as_it_is(source, video):
        play(source.path, "mp4" if source.is_drawn else video.container)
        if source.is_drawn:
            st.caption(text.rendered_note(video))
        return
    job = services.request_copy(source)
    if not finish_soon(job):
        _wait_for_copy(job)
    elif job.error is None:
        play(job.result.path, "mp4")
        st.caption(text.copy_note(video, None if job.result.is_whole else job.result.seconds))
    else:
        st.caption("This video could not be converted to a format that browsers play.")


@st.fragment(run_every=POLL_SECONDS)
def _wait_for_copy(job: Job) -> None:
    st.info(f"{job.stage} …", icon=":material/hourglass:")
    if job.finished.is_set():
        st.rerun()


def prediction(analysis: Analysis, source: Source) -> None:
    """The model's prediction, marked as correct or incorrect if the ground truth is known."""
    category, probability = analysis.top(1)[0]
    st.markdown(f"{escape(analysis.model.name)}: Prediction ({percent(probability)})")
    st.markdown(f"#### {escape(category)}")
    known = source.category in analysis.model.classes
    with st.container(horizontal=True):
        if source.category == category:
            st.badge(f"{style.RIGHT_SYMBOL} Correct", color="green")
        elif known:
            st.badge(f"{style.WRONG_SYMBOL} Incorrect", color="red")
        if analysis.familiarity is not None and not analysis.familiarity.is_familiar:
            st.badge("Unlike the training data", icon=":material/warning:", color="orange")
    if known and source.category != category:
        st.caption(f"Ground truth: {escape(str(source.category))}")


def warn_if_unfamiliar(analysis: Analysis) -> bool:
    """Warns about a video unlike the training data; True if it did."""
    if analysis.familiarity is None or analysis.familiarity.is_familiar:
        return False
    st.warning(record_text.familiarity(analysis), icon=":material/warning:")
    return True


def familiarity(analysis: Analysis) -> None:
    """The warning of `warn_if_unfamiliar`, or the same numbers as a caption."""
    if not warn_if_unfamiliar(analysis):
        st.caption(record_text.familiarity(analysis))


def model_details(analyses: Sequence[Analysis], names: Sequence[str]) -> None:
    """Protocol, weights, measured accuracy, video and times of each analysis, side by side."""
    st.subheader("Model, input and weights")
    for cell, analysis, name in zip(
        st.columns(len(names), gap="large"), analyses, names, strict=True
    ):
        with cell:
            card = services.model_card(name)
            st.markdown(record_text.model_details(analysis, card.description, card.accuracy))


def chart(figure: go.Figure, alt: str) -> None:
    st.plotly_chart(figure, config={"displaylogo": False, "displayModeBar": False}, alt=alt)


def table(rows: Sequence[Mapping[str, Any]], *, formats: Mapping[str, str]) -> None:
    """A sortable table: one column per key of the rows, the first one pinned; a dash for None.

    formats: number format of each numeric column, such as "%.2f" or "plain".
    """
    first = next(iter(rows[0]))
    columns: dict[str, Any] = {first: st.column_config.TextColumn(pinned=True)}
    for name, number_format in formats.items():
        columns[name] = st.column_config.NumberColumn(format=number_format)
    st.dataframe(
        {name: [row[name] for row in rows] for name in rows[0]},
        hide_index=True,
        column_config=columns,
        placeholder="–",
    )


TABLES: dict[str, Callable[[Analysis], str]] = {
    "scores": analysis_to_csv,
    "kernels": kernels_to_csv,
    "dependencies": dependencies_to_csv,
}
MIME_TYPES = {"JSON": "application/json", "CSV": "text/csv"}


def export(analyses: Sequence[Analysis], *, table: str = "scores") -> None:
    """The data of the page as files. table: key of `TABLES`."""
    with st.container(horizontal=True):
        for place, analysis in enumerate(analyses):
            stem = file_stem(analysis)
            download(
                f"{escape(analysis.model.name)}: all data", "JSON",
                partial(analysis_to_json, analysis), stem, f"json_{place}",
            )
            download(
                f"{escape(analysis.model.name)}: {table}", "CSV", partial(TABLES[table], analysis),
                f"{stem}_{table}", f"csv_{place}",
            )


def file_stem(analysis: Analysis) -> str:
    return f"{analysis.model.name}_{analysis.video.sha256[:8] or analysis.video.name}"


def download(label: str, kind: str, make: Callable[[], str], stem: str, key: str) -> None:
    """A button for one file, which is made on the click. label: Markdown.

    kind: key of `MIME_TYPES`."""
    st.download_button(
        f"{label} ({kind})", make, f"{stem}.{kind.lower()}", MIME_TYPES[kind], key=key,
        icon=":material/download:", on_click="ignore",
    )


def report(
    analyses: Sequence[Analysis],
    source: Source,
    *,
    attributions: Sequence[Attribution] = (),
    effects: Effects | None = None,
) -> None:
    """The page as one HTML file that works offline, made on the click."""
    names = [services.model_of(analysis.model.weights_sha256) for analysis in analyses]
    measured = {
        analysis.model.weights_sha256: services.model_card(name).accuracy
        for analysis, name in zip(analyses, names, strict=True)
        if name is not None
    }
    st.download_button(
        "Report (HTML)",
        partial(
            report_to_html, analyses, attributions=attributions, effects=effects,
            truth=source.category, accuracies=measured,
        ),
        report_name(analyses),
        "text/html",
        key="report",
        icon=":material/description:",
        on_click="ignore",
        help="One file with figures, tables and data that works offline. To share this view "
        "instead, copy the address of the page.",
    )
