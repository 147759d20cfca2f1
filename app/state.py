"""Every key of the session state and of the page address, typed, in one place.

The session state is what counts. A page address (deep link) is read once, when a session opens
on it, and written at the end of every run, so that it can be copied at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import streamlit as st


class Key(StrEnum):
    """What a deep link carries; the value is the name of the query parameter."""

    VIDEO = "video"
    MODEL = "model"
    OTHER = "other"
    BLOCK = "block"
    VIEW = "view"
    CATEGORY = "category"
    RUN = "run"
    AGAINST = "against"
    RUNS = "runs"
    BASE = "base"
    WEIGHTS_OF = "weights_of"
    TRUE_CATEGORY = "of"
    SHOWN = "shown"
    SEARCH = "search"
    ORIGIN = "from"
    ERROR_TRUE = "true"
    ERROR_PREDICTED = "predicted"
    ERROR_OUTCOME = "outcome"


LISTS = (Key.RUNS,)
"""Keys of several values, joined by `SEPARATOR` in an address."""
SEPARATOR = "~"

_RESTORED = "restored_from_address"
_UPLOADS_TAKEN = "uploads_taken"
_STOPPED = "stopped"
SAMPLE_GROUP = "sample_group"
PICTURE = "picture"
CATEGORIES_TURN = "categories_turn"
ZOO_CHART, ZOO_SEARCH, ZOO_TABLE = "zoo_chart", "zoo_search", "zoo_table"
LAYERS = ("layers_of", "layers_difference", "layers_order", "layers_search", "layers_by",
          "layers_spread", "layers_one")
LAYERS_OF, LAYERS_DIFFERENCE, LAYERS_ORDER, LAYERS_SEARCH = LAYERS[:4]
LAYERS_BY, LAYERS_SPREAD, LAYERS_ONE = LAYERS[4:]
ERRORS = ("errors_side", "errors_unit", "errors_size", "errors_search", "errors_direction",
          "errors_sure", "errors_video_search", "errors_order")
ERRORS_SIDE, ERRORS_UNIT, ERRORS_SIZE, ERRORS_SEARCH, ERRORS_DIRECTION = ERRORS[:5]
ERRORS_SURE, ERRORS_VIDEO_SEARCH, ERRORS_ORDER = ERRORS[5:]

NEW_RUN = ("new_run_model", "new_run_kind", "new_run_seed", "new_run_videos", "new_run_path",
           "new_run_split", "new_run_limit", "new_run_views", "new_run_untrimmed")
NEW_RUN_MODEL, NEW_RUN_KIND, NEW_RUN_SEED, NEW_RUN_VIDEOS, NEW_RUN_PATH = NEW_RUN[:5]
NEW_RUN_SPLIT, NEW_RUN_LIMIT, NEW_RUN_VIEWS, NEW_RUN_UNTRIMMED = NEW_RUN[5:]
RUNS_TURN, DELETE_ASKED = "runs_turn", "delete_asked"


def restore() -> None:
    """Take over what the address says, once per session: later runs may see a stale address.

    Then hold on to every choice: Streamlit forgets what a page without its widget does not set.
    """
    if not st.session_state.get(_RESTORED):
        for key in Key:
            if key in st.query_params:
                value = st.query_params[key]
                st.session_state[key] = value.split(SEPARATOR) if key in LISTS else value
        st.session_state[_RESTORED] = True
    held = (SAMPLE_GROUP, PICTURE, ZOO_CHART, ZOO_SEARCH, ZOO_TABLE)
    for name in (*Key, *held, *LAYERS, *ERRORS, *NEW_RUN):
        if name in st.session_state:
            st.session_state[name] = st.session_state[name]


def publish() -> None:
    """Write the present choices into the address."""
    current = choices()
    if st.query_params.to_dict() != current:
        st.query_params.from_dict(current)


def choices() -> dict[str, str]:
    """Every choice as it stands in an address."""
    return {
        str(key): SEPARATOR.join(st.session_state[key]) if key in LISTS else st.session_state[key]
        for key in Key
        if st.session_state.get(key)
    }


def get(key: Key) -> str | None:
    value = st.session_state.get(key)
    return str(value) if value else None


def put(key: Key, value: str) -> None:
    """Set a choice; call it from a widget's callback or before the widget of this key is drawn."""
    st.session_state[key] = value


def settle(key: str, options: Sequence[str], default: str | None) -> None:
    """Make the choice of `key` one of `options`: a link or an earlier page may say otherwise."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = default


def uploader_key() -> str:
    """Key of the upload box: a new one after each upload, so that the box lets go of its bytes."""
    return f"upload_{st.session_state.get(_UPLOADS_TAKEN, 0)}"


def renew_uploader() -> None:
    st.session_state[_UPLOADS_TAKEN] = st.session_state.get(_UPLOADS_TAKEN, 0) + 1


def stop(wish: str) -> None:
    """Remember that the user stopped this analysis: a redrawn page must not start it again."""
    st.session_state[_STOPPED] = wish


def is_stopped(wish: str) -> bool:
    return bool(st.session_state.get(_STOPPED) == wish)


def resume() -> None:
    st.session_state.pop(_STOPPED, None)
