"""Sections of the page Runs: form, runs in progress, table, and one run with its buttons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Literal

import streamlit as st

from app import page_file
from app.pages.runs import text
from app.pages.runs.entries import Entry, State, all_entries, unreadable_videos
from app.server import (
    run_jobs,
    runs,
    services,
    settings,
)
from app.ui import (
    choices,
    page_frame,
    run_widgets,
    state,
)
from app.ui.state import Key, keyed
from dsanet_core.datasets.annotations import DATASETS
from dsanet_core.records import Run
from dsanet_core.report.text import escape
from dsanet_core.runs.summary import run_to_dict
from dsanet_core.text_format import percent

BadgeColour = Literal["blue", "orange", "gray", "green", "red"]
WATCH_SECONDS, IDLE_SECONDS = 1.0, 5.0
"""Interval of redrawing while a run is active, and while none is."""
BENCHMARK, FILES = "Embedded benchmark", "Folder or list on this server"
DEFAULT_SEED, DEFAULT_VIDEOS = 7, 500
MOST_SEED, MOST_VIDEOS = 2**31 - 1, 10**6
BADGES: dict[State, tuple[BadgeColour, str]] = {
    State.RUNNING: ("blue", ":material/play_arrow:"),
    State.STOPPING: ("orange", ":material/hourglass:"),
    State.WAITING: ("gray", ":material/schedule:"),
    State.STOPPED: ("orange", ":material/pause:"),
    State.FINISHED: ("green", ":material/check:"),
    State.DAMAGED: ("red", ":material/error:"),
}
"""Colour and icon of the badge of each state."""
LABELS = {"Network": "Model", "Begun (UTC)": "Started (UTC)", "Comes from": "Source"}
"""Headings on the page that differ from the columns of the CSV file."""


def form(*, expanded: bool) -> None:
    """The form that starts a run."""
    box = st.expander("Start a run", icon=":material/add:", expanded=expanded)
    with box, page_frame.show_errors():
        model = choices.select("Model", services.model_names(), state.NEW_RUN_MODEL)
        st.caption(escape(services.model_card(model).description))
        split, limit = "", None
        if choices.segments("Videos", (BENCHMARK, FILES), state.NEW_RUN_KIND) == BENCHMARK:
            dataset = _benchmark()
        else:
            dataset, split, limit = _files()
        left, right = st.columns(2, vertical_alignment="bottom")
        views = left.text_input(
            "Views per video", **keyed(state.NEW_RUN_VIEWS), placeholder="the model's own protocol",
            help="Clips x crops, with 1 or 3 crops, for example 10x3",
        )
        untrimmed = right.toggle(
            "Untrimmed videos", **keyed(state.NEW_RUN_UNTRIMMED),
            help="One snippet per second, Multi-scale Temporal Window Integration (M-TWI)",
        )
        if st.button(
            "Start", type="primary", icon=":material/play_arrow:", disabled=not dataset,
            key="start_run",
        ):
            with st.spinner("Checking model and videos …"):
                run_id = run_jobs.start(run_jobs.arguments(
                    settings.locate(dataset), model, split=split, limit=limit,
                    views=views.strip(), untrimmed=untrimmed,
                ))
            _show_started(run_id)


def _benchmark() -> str:
    """Description of the embedded videos to run on."""
    left, right = st.columns(2)
    st.session_state.setdefault(state.NEW_RUN_SEED, DEFAULT_SEED)
    st.session_state.setdefault(state.NEW_RUN_VIDEOS, DEFAULT_VIDEOS)
    seed = left.number_input("Seed", 0, MOST_SEED, **keyed(state.NEW_RUN_SEED))
    count = right.number_input("Number of videos", 1, MOST_VIDEOS, **keyed(state.NEW_RUN_VIDEOS))
    return f"synth:seed={seed},n={count}"


def _files() -> tuple[str, str, int | None]:
    """Path, split and limit of the videos to run on."""
    path = st.text_input(
        "Path", **keyed(state.NEW_RUN_PATH), placeholder="videos or videos.csv",
        help="A folder with one subfolder of videos (or of folders of frames) per class; a list, "
        ".csv or .jsonl, with path,label[,start,end][,split]; or a dataset with its published "
        "annotation files, NAME:FOLDER[,annotations=FILE], where NAME is one of "
        f"{', '.join(DATASETS)}. The classes must be those of the model.",
    )
    st.caption(escape(settings.describe()))
    left, right = st.columns(2)
    split = left.text_input(
        "Split", **keyed(state.NEW_RUN_SPLIT), placeholder="none",
        help="The subfolder that contains the class folders, the value of the column 'split' of a "
        "list, or train, val or test of a published dataset",
    )
    limit = right.number_input(
        "Maximum number of videos", 1, MOST_VIDEOS, value=None, **keyed(state.NEW_RUN_LIMIT),
        placeholder="all", help="A random sample, the same one every time",
    )
    return path.strip(), split.strip(), limit


def _show_started(run_id: str) -> None:
    """Choose the run that was just started, say what state it is in, and draw the page anew."""
    state.put(Key.RUN, run_id)
    st.session_state[state.RUNS_TURN] = st.session_state.get(state.RUNS_TURN, 0) + 1
    if any(entry.id == run_id and entry.is_finished for entry in all_entries()):
        st.toast("This run is already finished: same weights, videos and protocol.")
    else:
        st.toast("The run is queued.", icon=":material/schedule:")
    st.rerun()


def in_progress(drawn: Sequence[Entry]) -> None:
    """Active runs, redrawn periodically; a change of state redraws the whole page."""
    pause = WATCH_SECONDS if any(entry.is_active for entry in drawn) else IDLE_SECONDS
    st.fragment(_in_progress, run_every=pause)([(entry.id, entry.state) for entry in drawn])


def _in_progress(drawn: Sequence[tuple[str, State]]) -> None:
    now = all_entries()
    if [(entry.id, entry.state) for entry in now] != drawn:
        st.rerun()
    active = [(run_jobs.queue.before(entry.id), entry) for entry in now if entry.is_active]
    if not active:
        return
    st.subheader("In progress")
    for runs_before, entry in sorted(active, key=lambda pair: pair[0]):
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.progress(
            min(1.0, entry.progress.done / max(1, entry.progress.total)),
            f"**{text.name(entry)}**: {escape(text.progress(entry, runs_before))}",
        )
        with right:
            _stop_button(entry, f"stop_{entry.id}")


def choose(shown: Sequence[Entry]) -> Entry:
    """The table of runs, and the run that is selected in it."""
    ids = [entry.id for entry in shown]
    chosen = state.get(Key.RUN)
    index = ids.index(chosen) if chosen in ids else 0
    columns = text.columns(shown)
    config = {name: st.column_config.Column(label) for name, label in LABELS.items()}
    config["Network"] = st.column_config.TextColumn(LABELS["Network"], pinned=True)
    for name in columns:
        if "%" in name:
            config[name] = st.column_config.NumberColumn(format="%.1f")
    # A row is selected by its index, so another list of runs needs another key, and so does the
    # page after it has selected a run itself.
    key = f"runs_{hash(tuple(ids))}_{st.session_state.get(state.RUNS_TURN, 0)}"
    selected = st.dataframe(
        columns,
        hide_index=True,
        placeholder="–",
        column_config=config,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": [index], "columns": [], "cells": []}},
        alt="All runs, their state and accuracy",
    )
    index = next(iter(selected["selection"]["rows"]), index)
    state.put(Key.RUN, ids[index])
    return shown[index]


def export(shown: Sequence[Entry]) -> None:
    """The table as a file."""
    page_frame.download(
        "Table", "CSV", partial(text.columns_to_csv, text.columns(shown)), "runs", "table_csv"
    )


def details(entry: Entry) -> None:
    """One run: description, results, errors and buttons."""
    colour, icon = BADGES[entry.state]
    st.markdown(f"#### {text.name(entry)}")
    st.badge(str(entry.state), color=colour, icon=icon)
    if entry.state is State.DAMAGED:
        st.error(escape(entry.damage), icon=":material/error:")
    if entry.state is State.STOPPED:
        st.warning(text.stopped(entry), icon=":material/pause:")
    if entry.is_finished:
        _accuracies(runs.find(entry.id))
    st.markdown(text.facts_list(entry))
    if entry.facts is not None:
        st.caption(text.versions(entry))
    with page_frame.show_errors():
        _actions(entry)
    if entry.state is not State.DAMAGED:
        with page_frame.show_errors():
            _unreadable(entry)


def _accuracies(run: Run) -> None:
    numbers = {
        "Top-1": run.accuracy(),
        "Top-5": run.accuracy(5),
        "Mean average precision": run.mean_average_precision,
        "Calibration error": run.calibration().error,
    }
    for cell, (name, share) in zip(st.columns(len(numbers)), numbers.items(), strict=True):
        cell.metric(name, percent(share))
    groups = run.accuracy_per_group()
    if groups:
        page_frame.table(
            [
                {"Group of classes": group, "Top-1 (%)": 100 * share}
                for group, share in groups.items()
            ],
            formats={"Top-1 (%)": "%.1f"},
        )


def _unreadable(entry: Entry) -> None:
    failed = unreadable_videos(entry)
    st.markdown("**Unreadable videos**")
    if not failed:
        st.caption("None" if entry.is_finished else "None so far")
        return
    columns = text.error_columns(failed)
    st.dataframe(
        columns, hide_index=True, alt="Unreadable videos",
        column_config={"Why it was not read": st.column_config.Column("Reason")},
    )
    page_frame.download(
        "Errors", "CSV", partial(text.columns_to_csv, columns), f"errors_{entry.id}", "errors_csv"
    )


def _actions(entry: Entry) -> None:
    with st.container(horizontal=True):
        if entry.is_finished:
            for page, name in run_widgets.PAGES.items():
                if st.button(name, key=f"open_{page}", icon=":material/arrow_forward:"):
                    st.session_state[Key.RUNS] = [entry.id]
                    st.switch_page(page_file(page))
            run = runs.find(entry.id)
            page_frame.download(
                "Numbers", "JSON", lambda: json.dumps(run_to_dict(run), indent=1),
                f"run_{entry.id}", "numbers_json",
            )
        if entry.is_embedded:
            return
        if entry.can_resume and st.button(
            "Resume", key=f"resume_{entry.id}", icon=":material/play_arrow:", type="primary"
        ):
            with st.spinner("Checking model and videos …"):
                run_jobs.resume(entry.id)
            st.rerun()
        if entry.is_active:
            _stop_button(entry, f"stop_chosen_{entry.id}")
        elif st.button("Delete", key=f"delete_{entry.id}", icon=":material/delete:"):
            st.session_state[state.DELETE_ASKED] = entry.id
    if not entry.is_active:
        choices.confirm_delete(
            entry.id, state.DELETE_ASKED, delete=run_jobs.delete, done="The run was deleted.",
            question=f"Delete run {escape(entry.id)} and its results? {entry.progress.done} videos "
            "would have to be processed again.",
        )


def _stop_button(entry: Entry, key: str) -> None:
    label = "Remove from queue" if entry.state is State.WAITING else "Stop run"
    stopping = entry.state is State.STOPPING
    with page_frame.show_errors():
        if st.button(label, key=key, icon=":material/stop_circle:", disabled=stopping):
            run_jobs.stop(entry.id)
            st.rerun()
