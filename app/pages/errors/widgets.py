"""Choices and sections of the page Errors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from app.pages.errors import selection, text
from app.pages.errors.selection import (
    ALL,
    ANY,
    MOST_VIDEOS_LISTED,
    SHOWN_RUN_WRONG,
    WRONG,
    Choice,
    View,
)
from app.server import runs
from app.ui import choices, page_frame, run_text, run_widgets, state
from app.ui.state import Key, keyed
from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.errors import Cell, confusion_matrix, reliability_diagram, share_bars
from dsanet_core.records import Array
from dsanet_core.report.text import escape
from dsanet_core.runs.statistics import confused_pairs

NO_OTHER = ""
SIDES = ("0", "1")
"""Indices of the two runs of the page, as an address has them."""
MATRIX, PAIRS, OUTCOMES = "errors_matrix", "errors_pairs", "errors_outcomes"
OUTCOME_COLOURS = (
    style.RIGHT, style.MODEL_A, style.MODEL_B, style.NEUTRAL, style.WRONG
)


def choose_runs() -> View:
    """A run, and possibly a second one to compare it with."""
    left, right = st.columns(2, gap="medium")
    with left:
        run = run_widgets.choose_run(Key.RUN, "Run")
    ids = [NO_OTHER, *(name for name in runs.folders() if name != run.id)]
    with right:
        other = choices.select(
            "Compare with", ids, Key.AGAINST,
            format_func=lambda name: runs.title(name) if name else "no other run",
        )
    side = st.session_state.get(Key.ERRORS_SIDE)
    is_second = bool(other) and side == SIDES[1]
    return selection.make_view(run, runs.find(other) if other else None, int(is_second))


def outcomes(view: View, choice: Choice) -> None:
    """Numbers of videos that both, one or none of two runs get right; a click lists them."""
    assert view.pair is not None
    st.markdown(text.verdict(view, view.pair.difference()))
    keys = selection.OUTCOME_KEYS
    chosen = keys.index(choice.outcome) if choice.outcome in keys else None
    run_widgets.figure(
        share_bars(text.outcome_bars(view), OUTCOME_COLOURS, title="Videos", chosen=chosen),
        "Number of videos that both, one or none of the two runs predicted correctly",
        name="errors_outcomes", key=OUTCOMES, on_select=_choose_outcome,
    )
    st.caption(text.outcomes_reading(view))


def groups(view: View) -> None:
    """Two runs within each group of classes, where the dataset has groups."""
    if view.pair is not None and (found := view.pair.difference_per_group()):
        page_frame.table(text.group_rows(view, found), formats=text.GROUP_FORMATS)
        st.caption(text.groups_reading(view, len(found)))


def pairs(view: View, choice: Choice, confusion: Array) -> None:
    """The most confused pairs; a click lists the videos of one."""
    with st.container(horizontal=True, gap="large"):
        if view.pair is not None:
            choices.segments(
                "Predictions of", SIDES, Key.ERRORS_SIDE,
                format_func=lambda side: escape(view.names[int(side)]),
            )
        direction = choices.segments(
            "Count", text.DIRECTIONS, Key.ERRORS_DIRECTION, default=text.UNDIRECTED
        )
    found = confused_pairs(confusion, both_directions=direction == text.UNDIRECTED)
    if not found:
        st.info(
            "No video is predicted as another class: there are no confusions.",
            icon=":material/check_circle:",
        )
        return
    classes = view.run.classes
    cells = [
        (classes[each.true], classes[each.predicted]) for each in found[: text.MOST_PAIRS_SHOWN]
    ]
    cell = (choice.true, choice.predicted)
    run_widgets.figure(
        share_bars(
            text.pair_bars(found, confusion, view.run, direction), [style.WRONG],
            title="Confused videos", chosen=cells.index(cell) if cell in cells else None,
        ),
        "The most confused pairs of classes",
        name=f"confused_pairs_{view.run.id}", key=PAIRS, on_select=partial(_choose_pair, cells),
    )
    st.caption(text.pairs_reading(found, direction))


def matrix(view: View, choice: Choice, confusion: Array) -> None:
    """The confusion matrix with its choices; a click lists the videos of a cell."""
    classes = view.run.classes
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    with left:
        search = choices.search_box(
            "Search classes", Key.ERRORS_SEARCH, "part of a name; adds the classes confused with it"
        )
    with middle:
        unit = choices.segments("Numbers", text.UNITS, Key.ERRORS_UNIT)
    with right:
        size = choices.segments(
            "Most confused classes", selection.matrix_sizes(len(classes)), Key.ERRORS_SIZE,
            default=selection.default_matrix_size(len(classes)), hide_single=True,
        )
    shown = selection.matrix_classes(confusion, classes, size, search)
    if not shown:
        choices.report_no_match(len(classes), "classes", search)
        return
    class_index = {name: index for index, name in enumerate(classes)}
    run_widgets.figure(
        confusion_matrix(
            confusion, classes, shown,
            shares=unit == text.SHARES,
            dark=st.context.theme.type == "dark",
            chosen=Cell(class_index.get(choice.true), class_index.get(choice.predicted)),
        ),
        f"Confusion matrix of {len(shown)} classes",
        name=f"confusion_{view.run.id}", key=MATRIX,
        on_select=partial(_choose_cell, view),
    )
    st.caption(text.matrix_reading(view, confusion, shown))


def video_choice(view: View) -> Choice:
    """The present filters, made valid for these runs; call it before anything is drawn."""
    classes = [ANY, *view.run.classes]
    state.ensure_option(Key.ERROR_TRUE, classes, ANY)
    state.ensure_option(Key.ERROR_PREDICTED, classes, ANY)
    outcome_keys = list(selection.outcomes(view))
    state.ensure_option(Key.ERROR_OUTCOME, outcome_keys, outcome_keys[0])
    state.ensure_option(Key.ERRORS_ORDER, list(selection.ORDERS), selection.HIGHEST_CONFIDENCE)
    st.session_state.setdefault(Key.ERRORS_SURE, state.SPANS[Key.ERRORS_SURE])
    chosen = st.session_state
    return Choice(
        chosen[Key.ERROR_TRUE], chosen[Key.ERROR_PREDICTED], chosen[Key.ERROR_OUTCOME],
        chosen[Key.ERRORS_SURE], chosen.get(Key.ERRORS_VIDEO_SEARCH) or "",
        chosen[Key.ERRORS_ORDER],
    )


def filters(view: View) -> None:
    """Widgets of the filters in `video_choice`."""
    classes = [ANY, *view.run.classes]
    labels, orders = selection.outcomes(view), selection.ORDERS
    left, middle, right = st.columns(3)
    for column, key, label in (
        (left, Key.ERROR_TRUE, "True class"),
        (middle, Key.ERROR_PREDICTED, f"Predicted by {escape(view.name)}"),
    ):
        column.selectbox(
            label, classes, **keyed(key), format_func=lambda name: name or "any class"
        )
    right.selectbox(
        "Outcome", list(labels), **keyed(Key.ERROR_OUTCOME), format_func=labels.__getitem__
    )
    left.slider("Confidence (%)", 0, 100, **keyed(Key.ERRORS_SURE))
    with middle:
        choices.search_box("Search videos", Key.ERRORS_VIDEO_SEARCH, "part of a name")
    right.selectbox(
        "Order", list(orders), **keyed(Key.ERRORS_ORDER), format_func=orders.__getitem__
    )


def videos(view: View, choice: Choice, indices: Array) -> None:
    """The chosen videos, with buttons that open one in Inspect or Compare."""
    default = Choice(outcome=next(iter(selection.outcomes(view))))
    st.button(
        "Reset all filters", on_click=_reset_filters, icon=":material/filter_alt_off:",
        disabled=choice == default,
    )
    if not len(indices):
        st.info(text.nothing_listed(view, choice), icon=":material/search_off:")
        return
    st.markdown(text.listed(view, len(indices)))
    rows = view.run.row[indices[:MOST_VIDEOS_LISTED]]
    run_widgets.videos(view.runs, rows, origin="errors", key="errors_videos")


def calibration(view: View) -> None:
    """Reliability diagram and calibration error."""
    found = text.reliability(view)
    st.markdown(text.calibration_reading(view, found))
    run_widgets.figure(
        reliability_diagram(found), "Accuracy against confidence",
        name=f"reliability_{view.run.id}",
    )
    st.caption(text.RELIABILITY)


def _choose_cell(view: View) -> None:
    data = run_text.clicked_data(st.session_state[MATRIX])
    if data is not None:
        true, predicted = view.run.classes[int(data[0])], int(data[1])
        if predicted >= 0:
            _choose(true, view.run.classes[predicted])
        else:  # the column of other classes: all mistakes of the row
            _choose(true, ANY, WRONG if view.pair is None else SHOWN_RUN_WRONG)


def _choose_pair(cells: Sequence[tuple[str, str]]) -> None:
    data = run_text.clicked_data(st.session_state[PAIRS])
    if data is not None:
        _choose(*cells[int(data[0])])


def _choose(true: str, predicted: str, outcome: str = ALL) -> None:
    """Choose a cell, or clear the choice of one that is chosen already."""
    present = (state.get(Key.ERROR_TRUE) or ANY, state.get(Key.ERROR_PREDICTED) or ANY)
    if present == (true, predicted):
        _reset_filters()
        return
    state.put(Key.ERROR_TRUE, true)
    state.put(Key.ERROR_PREDICTED, predicted)
    state.put(Key.ERROR_OUTCOME, outcome)


def _choose_outcome() -> None:
    data = run_text.clicked_data(st.session_state[OUTCOMES])
    if data is not None:
        outcome = selection.OUTCOME_KEYS[int(data[0])]
        present = state.get(Key.ERROR_OUTCOME)
        _reset_filters()
        if outcome != present:
            state.put(Key.ERROR_OUTCOME, outcome)


def _reset_filters() -> None:
    for key in (Key.ERROR_TRUE, Key.ERROR_PREDICTED, Key.ERROR_OUTCOME):
        state.put(key, "")
    st.session_state[Key.ERRORS_SURE] = state.SPANS[Key.ERRORS_SURE]
    st.session_state[Key.ERRORS_VIDEO_SEARCH] = ""
    st.session_state[Key.ERRORS_ORDER] = selection.HIGHEST_CONFIDENCE
