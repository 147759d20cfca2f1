"""Choices and sections of the page Categories."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.pages.categories import text
from app.server import runs
from app.ui import choices, page_frame, run_text, run_widgets, state
from app.ui.state import Key, keyed
from dsanet_core.figures import (
    CategoryRow,
    CategoryTable,
    category_accuracy,
    compare_categories,
    most_improved,
    selects,
    shared_rows,
)
from dsanet_core.records import Array, Run


def choose_runs() -> list[Run]:
    """Runs of the same videos and classes, the baseline first."""
    comparable = run_widgets.choose_comparable(
        Key.RUNS, "Runs", run_widgets.runs_of_categories()
    )
    by_id = {run.id: run for run in comparable}
    baseline = by_id.pop(choices.select(
        "Baseline run", list(by_id), Key.BASE, hide_single=True, format_func=runs.title
    ))
    return [baseline, *by_id.values()]


def choose_table(shown: Sequence[Run]) -> CategoryTable:
    """Accuracies of the runs per class, and the SDA weights of a chosen one; without a run that
    selects, the reason is shown."""
    index_of = {run.id: index for index, run in enumerate(shown) if selects(run)}
    if not index_of:
        st.info(text.NO_WEIGHTS, icon=":material/info:")
        return compare_categories(shown)
    run_id = choices.select(
        "SDA weights of", list(index_of), Key.WEIGHTS_OF, default=list(index_of)[-1],
        hide_single=True, format_func=runs.title,
    )
    return compare_categories(shown, index_of[run_id])


def choose_rows(table: CategoryTable) -> list[CategoryRow]:
    """The classes to draw, as of `most_improved`; a search without a match ends the page."""
    left, right = st.columns([1, 3], gap="medium")
    with left:
        count = choices.select(
            "Top classes by gain", text.COUNTS, Key.SHOWN, default=text.DEFAULT_COUNT
        )
    with right:
        search = choices.search_box(
            "Search", Key.SEARCH, "words of a class name, e.g. moving down"
        )
    found = [row for row in table.rows if run_text.has_words(search, row.name)]
    if not found:
        choices.end_without_match(len(table.rows), "classes", search)
    return most_improved(found, None if count == text.ALL else int(count))


def chosen_class(table: CategoryTable, rows: Sequence[CategoryRow]) -> int:
    """Index of the chosen class, the top one without a choice."""
    state.ensure_option(Key.TRUE_CATEGORY, [row.name for row in table.rows], rows[0].name)
    chosen = st.session_state[Key.TRUE_CATEGORY]
    return next(row.label for row in table.rows if row.name == chosen)


def accuracies(table: CategoryTable, rows: Sequence[CategoryRow], class_index: int) -> None:
    """The figure; a click on a bar chooses its class."""
    # A new key after a choice outside the figure, so that nothing in it is selected any more.
    key = f"categories_{st.session_state.get(state.CATEGORIES_TURN, 0)}"

    def choose_clicked() -> None:
        data = run_text.clicked_data(st.session_state.get(key))
        names = [row.name for row in table.rows if data and row.label == int(data[0])]
        if names:
            state.put(Key.TRUE_CATEGORY, names[0])

    st.subheader("Accuracy per class")
    st.markdown(text.lead(table, rows))
    run_widgets.figure(
        category_accuracy(table, rows, class_index),
        "Accuracy of every run per class, and SDA weights", name="categories", key=key,
        on_select=choose_clicked,
    )  # fmt: skip
    st.caption(text.reading(table))


def one_class(shown: Sequence[Run], table: CategoryTable, class_index: int) -> Array:
    """The section on the chosen class: its predictions and videos. Returns the rows of its videos
    in the order shown."""
    st.subheader("One class")
    st.selectbox(
        "Class", [row.name for row in table.rows], **keyed(Key.TRUE_CATEGORY),
        on_change=_clear_selection,
    )
    rows = text.wrong_first(shown, class_index, shared_rows(shown))
    counts = text.predicted_counts(shown, class_index, rows)
    page_frame.table(counts, formats=dict.fromkeys(list(counts[0])[1:], "plain"))
    st.caption(text.CONFUSIONS_READING)
    run_widgets.videos(shown, rows, origin="categories", key="videos")
    st.caption(run_text.VIDEOS_READING)
    return rows


def _clear_selection() -> None:
    """Draw the figure anew, with nothing selected in it."""
    st.session_state[state.CATEGORIES_TURN] = st.session_state.get(state.CATEGORIES_TURN, 0) + 1
