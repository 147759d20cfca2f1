"""Widgets whose choice outlives the page, in the session and, for a `Key`, in the page address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app.ui import state
from app.ui.page_frame import PageEnd
from dsanet_core.figures.style import shorten
from dsanet_core.report.text import escape


def select(
    label: str, options: Sequence[str], key: str, *, default: str | None = None,
    hide_single: bool = False, **more: Any,
) -> str:
    """A select box. default: the first option without it. hide_single: draws nothing where there
    is only one option. more: further arguments of the widget."""
    state.ensure_option(key, options, options[0] if default is None else default)
    if len(options) > 1 or not hide_single:
        st.selectbox(label, options, **state.keyed(key), **more)
    return str(st.session_state[key])


def segments(
    label: str, options: Sequence[str], key: str, *, default: str | None = None,
    hide_single: bool = False, **more: Any,
) -> str:
    """The same as a row of buttons, one of which is always chosen."""
    state.ensure_option(key, options, options[0] if default is None else default)
    if len(options) > 1 or not hide_single:
        st.segmented_control(label, options, **state.keyed(key), required=True, **more)
    return str(st.session_state[key])


def search_box(label: str, key: str, placeholder: str) -> str:
    """Words to search for, as they were typed."""
    return str(st.text_input(label, **state.keyed(key), placeholder=placeholder))


def report_no_match(total: int, noun: str, search: str, hint: str = "") -> None:
    """Message of a search without a result. noun: plural of what was searched."""
    st.info(
        f"None of the {total} {noun} contains all words of “{escape(shorten(search))}”. "
        f"Try fewer words{hint}.",
        icon=":material/search_off:",
    )


def end_without_match(total: int, noun: str, search: str) -> None:
    """The same where nothing else can be drawn: ends the page."""
    report_no_match(total, noun, search)
    raise PageEnd


def confirm_delete(
    name: str, asked_key: str, *, question: str, delete: Callable[[str], None], done: str
) -> None:
    """Question before `name` is deleted, drawn while the session state of `asked_key` has it.

    delete: called with the name after the confirmation; done: message after it.
    """
    if st.session_state.get(asked_key) != name:
        return
    st.warning(question, icon=":material/delete:")
    with st.container(horizontal=True):
        confirmed = st.button("Yes, delete", key=f"{asked_key}_yes", type="primary")
        cancelled = st.button("Cancel", key=f"{asked_key}_no")
    if confirmed or cancelled:
        st.session_state[asked_key] = None
    if confirmed:
        delete(name)
        st.toast(done, icon=":material/delete:")
    if confirmed or cancelled:
        st.rerun()
