"""Choices of the page Errors, and what a click in its figures does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from app.pages.errors import selection, text
from app.pages.errors.selection import (
    ANY,
    EVERY,
    THIS_WRONG,
    VIDEOS_SHOWN,
    WRONG,
    Choice,
    View,
)
from app.server import runs
from app.ui import page_frame, run_widgets, state
from app.ui.state import Key, keyed
from dsanet_core.figures import palette
from dsanet_core.figures.errors import Cell, confusion_matrix, share_bars
from dsanet_core.records import Array, Run
from dsanet_core.report import text as ui_text
from dsanet_core.runs.statistics import confused_pairs

NO_OTHER = ""
SIDES = ("0", "1")
"""The two runs of the page, as an address names them."""
MATRIX, PAIRS, OUTCOMES = "errors_matrix", "errors_pairs", "errors_outcomes"
OUTCOME_COLOURS = (
    palette.RIGHT, palette.MODEL_A, palette.MODEL_B, palette.NEUTRAL, palette.WRONG
)


def choose_other(run: Run) -> Run | None:
    """A second run to hold against the first, or none."""
    ids = [NO_OTHER, *(name for name in runs.folders() if name != run.id)]
    state.ensure_option(Key.AGAINST, ids, NO_OTHER)
    st.selectbox(
        "Against", ids, **keyed(Key.AGAINST),
        format_func=lambda name: runs.title(name) if name else "no other run",
    )
    chosen = str(st.session_state[Key.AGAINST])
    return runs.find(chosen) if chosen else None


def side(count: int) -> int:
    """Which of the runs on the page the matrix and the filters are about."""
    chosen = st.session_state.get(Key.ERRORS_SIDE)
    return min(SIDES.index(chosen) if chosen in SIDES else 0, count - 1)


def outcomes(seen: View, choice: Choice) -> None:
    """How many videos each of two runs gets right; a click lists them."""
    keys = selection.OUTCOME_KEYS
    chosen = keys.index(choice.outcome) if choice.outcome in keys else None
    run_widgets.figure(
        share_bars(
            text.outcome_bars(seen), OUTCOME_COLOURS, title="Videos", chosen=chosen
        ),
        "How many videos both, one or none of the two runs got right",
        name="errors_outcomes", key=OUTCOMES, on_select=_take_outcome,
    )


def matrix(seen: View, choice: Choice, confusion: Array) -> None:
    """The confusion matrix with its choices; a click in it lists the videos of a cell."""
    classes = seen.run.classes
    search, unit, size = st.columns([3, 2, 2], vertical_alignment="bottom")
    options = selection.sizes(len(classes))
    with size:
        state.ensure_option(Key.ERRORS_SIZE, options, selection.default_size(len(classes)))
        if len(options) > 1:
            st.segmented_control(
                "Most confused categories", options, **keyed(Key.ERRORS_SIZE), required=True
            )
    with unit:
        state.ensure_option(Key.ERRORS_UNIT, text.UNITS, text.SHARES)
        st.segmented_control("Numbers", text.UNITS, **keyed(Key.ERRORS_UNIT), required=True)
    with search:
        wanted = st.text_input(
            "Search categories", **keyed(Key.ERRORS_SEARCH),
            placeholder="part of a name: it and what it is confused with",
        )
    shown = selection.shown_categories(
        confusion, classes, str(st.session_state[Key.ERRORS_SIZE]), wanted
    )
    if not shown:
        st.info(
            f"None of the {len(classes)} categories has all words of “{ui_text.escape(wanted)}”. "
            "Search for less.", icon=":material/search_off:",
        )
        return
    of = {name: index for index, name in enumerate(classes)}
    run_widgets.figure(
        confusion_matrix(
            confusion, classes, shown,
            shares=st.session_state[Key.ERRORS_UNIT] == text.SHARES,
            dark=st.context.theme.type == "dark",
            chosen=Cell(of.get(choice.true), of.get(choice.predicted)),
        ),
        f"Confusion matrix of {len(shown)} categories",
        name=f"confusion_{seen.run.id}", key=MATRIX,
        on_select=partial(_take_cell, seen),
    )
    st.caption(text.matrix_reading(seen, confusion, shown))


def pairs(seen: View, choice: Choice, confusion: Array) -> None:
    """The most confused pairs; a click lists the videos of one."""
    ways = text.DIRECTIONS
    state.ensure_option(Key.ERRORS_DIRECTION, ways, text.TOGETHER)
    with st.container(horizontal=True, gap="large"):
        _choose_side(seen)
        st.segmented_control("Count", ways, **keyed(Key.ERRORS_DIRECTION), required=True)
    way = str(st.session_state[Key.ERRORS_DIRECTION])
    found = confused_pairs(confusion, both_directions=way == text.TOGETHER)
    if not found:
        st.info(
            "No video is taken for another category: there is nothing to show here.",
            icon=":material/check_circle:",
        )
        return
    classes = seen.run.classes
    cells = [
        (classes[each.true], classes[each.predicted]) for each in found[: text.PAIRS_SHOWN]
    ]
    cell = (choice.true, choice.predicted)
    run_widgets.figure(
        share_bars(
            text.pair_bars(found, confusion, seen.run, way), [palette.WRONG],
            title="Mistaken videos", chosen=cells.index(cell) if cell in cells else None,
        ),
        "The most confused pairs of categories",
        name=f"confused_pairs_{seen.run.id}", key=PAIRS, on_select=partial(_take_pair, cells),
    )
    st.caption(text.pairs_reading(found, way))


def _choose_side(seen: View) -> None:
    """Only two runs leave a choice."""
    if seen.pair is not None:
        state.ensure_option(Key.ERRORS_SIDE, SIDES, SIDES[0])
        st.segmented_control(
            "Answers of", SIDES, **keyed(Key.ERRORS_SIDE), required=True,
            format_func=lambda place: ui_text.escape(seen.names[int(place)]),
        )


def choose_videos(seen: View) -> Choice:
    """The choice as it stands, made fit for these runs; call it before anything is drawn."""
    categories = [ANY, *seen.run.classes]
    state.ensure_option(Key.ERROR_TRUE, categories, ANY)
    state.ensure_option(Key.ERROR_PREDICTED, categories, ANY)
    known = list(selection.outcomes(seen))
    state.ensure_option(Key.ERROR_OUTCOME, known, known[0])
    state.ensure_option(Key.ERRORS_ORDER, selection.ORDERS, selection.SUREST)
    st.session_state.setdefault(Key.ERRORS_SURE, state.SPANS[Key.ERRORS_SURE])
    chosen = st.session_state
    return Choice(
        chosen[Key.ERROR_TRUE], chosen[Key.ERROR_PREDICTED], chosen[Key.ERROR_OUTCOME],
        chosen[Key.ERRORS_SURE], chosen.get(Key.ERRORS_VIDEO_SEARCH) or "",
        chosen[Key.ERRORS_ORDER],
    )


def filters(seen: View) -> None:
    """The boxes of what `choose_videos` gives."""
    categories = [ANY, *seen.run.classes]
    left, middle, right = st.columns(3)
    for box, key, label in (
        (left, Key.ERROR_TRUE, "True category"),
        (middle, Key.ERROR_PREDICTED, f"{ui_text.escape(seen.names[seen.side])} says"),
    ):
        with box:
            st.selectbox(
                label, categories, **keyed(key), format_func=lambda name: name or "any category"
            )
    told = selection.outcomes(seen)
    with right:
        st.selectbox("Shown", list(told), **keyed(Key.ERROR_OUTCOME), format_func=told.__getitem__)
    with left:
        st.slider("How sure it is (%)", 0, 100, **keyed(Key.ERRORS_SURE))
    with middle:
        st.text_input(
            "Search videos", **keyed(Key.ERRORS_VIDEO_SEARCH), placeholder="part of a name"
        )
    with right:
        st.selectbox("Order", selection.ORDERS, **keyed(Key.ERRORS_ORDER))


def videos(seen: View, choice: Choice, places: Array) -> None:
    """The chosen videos, each with its way to Inspect or Compare."""
    st.button(
        "Take back all filters", on_click=_take_back, icon=":material/filter_alt_off:",
        disabled=choice == Choice(outcome=next(iter(selection.outcomes(seen)))),
    )
    if not len(places):
        st.info(text.nothing(seen, choice), icon=":material/search_off:")
        return
    st.markdown(text.listed(seen, len(places)))
    rows = seen.run.row[places[:VIDEOS_SHOWN]]
    run_widgets.videos(seen.runs, rows, origin="errors", key="errors_videos")


def groups(seen: View) -> None:
    """Two runs within each group of categories, where the dataset has groups."""
    if seen.pair is not None and (found := seen.pair.difference_per_group()):
        page_frame.table(text.group_rows(seen, found), formats=text.GROUP_FORMATS)
        st.caption(text.groups_reading(seen, len(found)))


def _take_cell(seen: View) -> None:
    data = selection.picked(st.session_state[MATRIX])
    if data is not None:
        true, predicted = seen.run.classes[int(data[0])], int(data[1])
        if predicted >= 0:
            _take(true, seen.run.classes[predicted])
        else:  # whatever else it was taken for: its mistakes
            _take(true, ANY, WRONG if seen.pair is None else THIS_WRONG)


def _take_pair(cells: Sequence[tuple[str, str]]) -> None:
    data = selection.picked(st.session_state[PAIRS])
    if data is not None:
        _take(*cells[int(data[0])])


def _take(true: str, predicted: str, outcome: str = EVERY) -> None:
    """Choose a cell; let go of it where it is chosen already."""
    if (state.get(Key.ERROR_TRUE) or ANY, state.get(Key.ERROR_PREDICTED) or ANY) == (
        true, predicted,
    ):
        _take_back()
        return
    state.put(Key.ERROR_TRUE, true)
    state.put(Key.ERROR_PREDICTED, predicted)
    state.put(Key.ERROR_OUTCOME, outcome)


def _take_outcome() -> None:
    data = selection.picked(st.session_state[OUTCOMES])
    if data is not None:
        wanted = selection.OUTCOME_KEYS[int(data[0])]
        known = state.get(Key.ERROR_OUTCOME)
        _take_back()
        if wanted != known:
            state.put(Key.ERROR_OUTCOME, wanted)


def _take_back() -> None:
    for key in (Key.ERROR_TRUE, Key.ERROR_PREDICTED, Key.ERROR_OUTCOME):
        state.put(key, "")
    st.session_state[Key.ERRORS_SURE] = state.SPANS[Key.ERRORS_SURE]
    st.session_state[Key.ERRORS_VIDEO_SEARCH] = ""
    st.session_state[Key.ERRORS_ORDER] = selection.SUREST
