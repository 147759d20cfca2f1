"""What the page Runs draws: the form, what is going on, the table, and one run with its buttons."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from app import page_file
from app.pages.runs import table
from app.pages.runs.table import LOOKS, Entry, State
from app.server import data_roots, run_jobs, runs, services
from app.ui import page_frame, state
from app.ui.run_widgets import PAGES
from app.ui.state import Key, keyed
from dsanet_core.datasets.annotations import DATASETS
from dsanet_core.records import Run
from dsanet_core.report import text
from dsanet_core.runs.export import run_to_dict
from dsanet_core.text_format import percent

WATCH_SECONDS, IDLE_SECONDS = 1.0, 5.0
"""How often the page looks: while something is going on, and for what others may begin."""
BENCHMARK, FILES = "Embedded benchmark", "Folder or list on this server"
DEFAULT_SEED, DEFAULT_VIDEOS = 7, 500
MOST_SEED, MOST_VIDEOS = 2**31 - 1, 10**6


def form(*, expanded: bool) -> None:
    """What to run, and the button that starts it."""
    box = st.expander("Start a run", icon=":material/add:", expanded=expanded)
    with box, page_frame.show_errors():
        names = services.model_names()
        state.ensure_option(state.NEW_RUN_MODEL, names, names[0])
        model = st.selectbox("Network", names, **keyed(state.NEW_RUN_MODEL))
        st.caption(text.escape(services.model_card(model).description))
        kinds = (BENCHMARK, FILES)
        state.ensure_option(state.NEW_RUN_KIND, kinds, BENCHMARK)
        st.segmented_control("Videos", kinds, **keyed(state.NEW_RUN_KIND), required=True)
        split, limit = "", None
        if st.session_state[state.NEW_RUN_KIND] == BENCHMARK:
            dataset = _benchmark()
        else:
            dataset, split, limit = _files()
        left, right = st.columns(2, vertical_alignment="bottom")
        views = left.text_input(
            "Views of a video", **keyed(state.NEW_RUN_VIEWS),
            placeholder="as of the network's own protocol",
            help="Clips x crops, with 1 or 3 crops, such as 10x3",
        )
        untrimmed = right.toggle(
            "Long videos", **keyed(state.NEW_RUN_UNTRIMMED),
            help="One snippet per second, Multi-scale Temporal Window Integration (M-TWI)",
        )
        if st.button(
            "Start", type="primary", icon=":material/play_arrow:", disabled=not dataset,
            key="start_run",
        ):
            with st.spinner("Looking at the network and the videos …"):
                wanted = run_jobs.arguments(
                    data_roots.locate(dataset), model, split=split, limit=limit,
                    views=views.strip(), untrimmed=untrimmed,
                )
                run_id = run_jobs.start(wanted)
            state.put(Key.RUN, run_id)
            st.session_state[state.RUNS_TURN] = st.session_state.get(state.RUNS_TURN, 0) + 1
            _tell(next((e for e in table.entries() if e.id == run_id), None))
            st.rerun()


def _benchmark() -> str:
    left, right = st.columns(2)
    st.session_state.setdefault(state.NEW_RUN_SEED, DEFAULT_SEED)
    st.session_state.setdefault(state.NEW_RUN_VIDEOS, DEFAULT_VIDEOS)
    seed = left.number_input("Seed", 0, MOST_SEED, **keyed(state.NEW_RUN_SEED))
    count = right.number_input("Number of videos", 1, MOST_VIDEOS, **keyed(state.NEW_RUN_VIDEOS))
    return f"synth:seed={seed},n={count}"


def _files() -> tuple[str, str, int | None]:
    path = st.text_input(
        "Path", **keyed(state.NEW_RUN_PATH), placeholder="videos or videos.csv",
        help="A folder with one sub-folder of videos, or of folders of frames, per category; a "
        "list of them, .csv or .jsonl, with path,label[,start,end][,split]; or a data set with its "
        "published annotation files, NAME:FOLDER[,annotations=FILE], NAME one of "
        f"{', '.join(DATASETS)}. The categories must be the network's.",
    )
    st.caption(text.escape(data_roots.describe()))
    left, right = st.columns(2)
    split = left.text_input(
        "Split", **keyed(state.NEW_RUN_SPLIT), placeholder="none",
        help="The sub-folder that holds the categories, the rows of a list whose column 'split' "
        "says so, or train, val or test of a published data set",
    )
    limit = right.number_input(
        "At most so many videos", 1, MOST_VIDEOS, value=None, **keyed(state.NEW_RUN_LIMIT),
        placeholder="all", help="Drawn at random, but always the same ones",
    )
    return path.strip(), split.strip(), limit


def _tell(entry: Entry | None) -> None:
    """Say that a run is on its way, or that there was nothing to do."""
    if entry is not None and entry.is_finished:
        st.toast("This run has been finished already: same weights, videos and protocol.")
    else:
        st.toast("The run is in the queue.", icon=":material/schedule:")


def watch(drawn: Sequence[Entry]) -> None:
    """Runs that are going on or wait, redrawn on their own; the whole page once a state changes."""
    pause = WATCH_SECONDS if any(entry.is_active for entry in drawn) else IDLE_SECONDS
    st.fragment(_watch, run_every=pause)([(entry.id, entry.state) for entry in drawn])


def _watch(drawn: Sequence[tuple[str, State]]) -> None:
    now = table.entries()
    if [(entry.id, entry.state) for entry in now] != drawn:
        st.rerun()
    going_on = [(run_jobs.queue.before(entry.id), entry) for entry in now if entry.is_active]
    if not going_on:
        return
    st.subheader("Going on")
    for before, entry in sorted(going_on, key=lambda pair: pair[0]):
        left, right = st.columns([4, 1], vertical_alignment="center")
        progress = entry.progress
        left.progress(
            min(1.0, progress.done / max(1, progress.total)),
            f"**{table.name(entry)}**: {text.escape(table.watched(entry, before))}",
        )
        with right:
            _stop_button(entry, f"stop_{entry.id}")


def choose(entries: Sequence[Entry]) -> Entry:
    """The table of runs, and the one that is chosen in it."""
    ids = [entry.id for entry in entries]
    chosen = state.get(Key.RUN)
    place = ids.index(chosen) if chosen in ids else 0
    columns = table.columns(entries)
    config = {head: st.column_config.NumberColumn(format="%.1f") for head in columns if "%" in head}
    # Rows are chosen by their place: another list of runs is another table, and so is one in which
    # the page has chosen.
    key = f"runs_{hash(tuple(ids))}_{st.session_state.get(state.RUNS_TURN, 0)}"
    picked = st.dataframe(
        columns,
        hide_index=True,
        placeholder="–",
        column_config={"Network": st.column_config.TextColumn(pinned=True), **config},
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": [place], "columns": [], "cells": []}},
        alt="All runs, their state and accuracy",
    )
    place = next(iter(picked["selection"]["rows"]), place)
    state.put(Key.RUN, ids[place])
    return entries[place]


def details(entry: Entry) -> None:
    """One run: what it is, what came of it, what went wrong, and what can be done with it."""
    colour, icon = LOOKS[entry.state]
    st.markdown(f"#### {table.name(entry)}")
    st.badge(str(entry.state), color=colour, icon=icon)
    if entry.state is State.DAMAGED:
        st.error(text.escape(entry.trouble), icon=":material/error:")
    if entry.state is State.STOPPED:
        _stopped(entry)
    if entry.is_finished:
        _accuracies(runs.find(entry.id))
    st.markdown(table.facts_list(entry))
    if entry.facts is not None:
        st.caption(table.versions(entry))
    with page_frame.show_errors():
        _actions(entry)
    if entry.state is not State.DAMAGED:
        with page_frame.show_errors():
            _errors(entry)


def _stopped(entry: Entry) -> None:
    said = table.last_words(entry.path)
    done = f"{table.videos(entry)} videos are done and kept."
    if said is None:
        why = "This app has not worked on it: it was begun elsewhere."
    else:
        why = f"Of the process that worked on it last: {text.escape(said)}"
    st.warning(f"{done} {why}", icon=":material/pause:")


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
                {"Group of categories": group, "Top-1 (%)": 100 * share}
                for group, share in groups.items()
            ],
            formats={"Top-1 (%)": "%.1f"},
        )


def _errors(entry: Entry) -> None:
    failed = table.errors_of(entry)
    st.markdown("**Videos that could not be read**")
    if not failed:
        st.caption("None" if entry.is_finished else "None so far")
        return
    st.dataframe(table.error_columns(failed), hide_index=True, alt="Unreadable videos")
    _download(
        "Errors (CSV)", partial(table.errors_to_csv, failed), f"errors_{entry.id}.csv",
        "text/csv",
    )


def _actions(entry: Entry) -> None:
    with st.container(horizontal=True):
        if entry.is_finished:
            for page, name in PAGES.items():
                if st.button(name, key=f"open_{page}", icon=":material/arrow_forward:"):
                    st.session_state[Key.RUNS] = [entry.id]
                    st.switch_page(page_file(page))
            run = runs.find(entry.id)
            _download(
                "Numbers (JSON)", lambda: json.dumps(run_to_dict(run), indent=1),
                f"run_{entry.id}.json", "application/json",
            )
        if entry.is_embedded:
            return
        if entry.can_resume and st.button(
            "Resume", key=f"resume_{entry.id}", icon=":material/play_arrow:", type="primary"
        ):
            with st.spinner("Looking at the network and the videos …"):
                run_jobs.resume(entry.id)
            st.rerun()
        if entry.is_active:
            _stop_button(entry, f"stop_chosen_{entry.id}")
        elif st.button("Delete", key=f"delete_{entry.id}", icon=":material/delete:"):
            st.session_state[state.DELETE_ASKED] = entry.id
    if st.session_state.get(state.DELETE_ASKED) == entry.id and not entry.is_active:
        _ask_once_more(entry)


def _ask_once_more(entry: Entry) -> None:
    st.warning(
        f"Delete the run {text.escape(entry.id)} and everything it found? "
        f"{entry.progress.done} videos would have to be done again.",
        icon=":material/delete:",
    )
    with st.container(horizontal=True):
        if st.button("Yes, delete it", key="delete_yes", type="primary"):
            run_jobs.delete(entry.id)
            st.session_state[state.DELETE_ASKED] = None
            st.toast("The run is deleted.", icon=":material/delete:")
            st.rerun()
        if st.button("No, keep it", key="delete_no"):
            st.session_state[state.DELETE_ASKED] = None
            st.rerun()


def _stop_button(entry: Entry, key: str) -> None:
    label = "Take out of the queue" if entry.state is State.WAITING else "Stop this run"
    stopping = entry.state is State.STOPPING
    with page_frame.show_errors():
        if st.button(label, key=key, icon=":material/stop_circle:", disabled=stopping):
            run_jobs.stop(entry.id)
            st.rerun()


def _download(label: str, make: Callable[[], str], name: str, kind: str) -> None:
    st.download_button(
        label, make, name, kind, key=f"download_{label}", icon=":material/download:",
        on_click="ignore",
    )


def export(entries: Sequence[Entry]) -> None:
    """The table as a file."""
    _download("Table (CSV)", partial(table.to_csv, entries), "runs.csv", "text/csv")
