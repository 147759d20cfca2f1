"""All keys of the session state and of the page address.

The session state is authoritative. The address (deep link) is read once, when a session starts,
and written at the end of every run, so that it can be copied at any time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import streamlit as st


class Key(StrEnum):
    """Choices in a deep link; the value is the name of the query parameter."""

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
    SECOND_MODEL = "beside"
    METHOD = "method"
    SNIPPET = "snippet"
    CROP = "crop"
    FRAME = "frame"
    CURVES = "curves"
    CHANGES = "changes"
    KERNEL_OF = "kernel_of"
    BLOCK_IMPORTANCE = "ranked"
    BLOCK_ORDER = "rank_order"
    LAYERS_OF = "layers_of"
    LAYERS_DIFFERENCE = "layers_difference"
    LAYERS_ORDER = "layers_order"
    LAYERS_SEARCH = "layers_search"
    LAYERS_BY = "layers_by"
    LAYERS_SPREAD = "layers_spread"
    LAYERS_ONE = "layers_one"
    ERRORS_SIDE = "errors_side"
    ERRORS_UNIT = "errors_unit"
    ERRORS_SIZE = "errors_size"
    ERRORS_SEARCH = "errors_search"
    ERRORS_DIRECTION = "errors_direction"
    ERRORS_SURE = "errors_sure"
    ERRORS_VIDEO_SEARCH = "errors_video_search"
    ERRORS_ORDER = "errors_order"


LISTS = (Key.RUNS, Key.CHANGES)
"""Keys of several values, joined by `SEPARATOR` in an address."""
SEPARATOR = "~"
FLAGS = {
    Key.CURVES: False, Key.BLOCK_IMPORTANCE: False, Key.LAYERS_DIFFERENCE: False,
    Key.LAYERS_SPREAD: True,
}
"""Keys that are on or off, with their defaults."""
SPANS = {Key.ERRORS_SURE: (0, 100)}
"""Keys of a lowest and a highest number, with the whole span, which is the default."""
OMITTED_DEFAULTS = (
    Key.SECOND_MODEL, Key.METHOD, Key.SNIPPET, Key.CROP, Key.FRAME, Key.KERNEL_OF, Key.BLOCK_ORDER,
    Key.LAYERS_OF, Key.LAYERS_ORDER, Key.LAYERS_BY, Key.LAYERS_ONE, Key.ERRORS_SIDE,
    Key.ERRORS_UNIT, Key.ERRORS_SIZE, Key.ERRORS_DIRECTION, Key.ERRORS_ORDER,
)
"""Keys that are left out of an address while they have the page's own default."""

_RESTORED = "restored_from_address"
_LAST_PAGE = "page_drawn_last"
_UPLOADS_TAKEN = "uploads_taken"
_STOPPED = "stopped"
_UNAVAILABLE = "unavailable"
_DEFAULTS = "defaults_of_pages"
SAMPLE_GROUP = "sample_group"
PICTURE = "picture"
CATEGORIES_TURN = "categories_turn"
ZOO_CHART, ZOO_SEARCH, ZOO_TABLE = "zoo_chart", "zoo_search", "zoo_table"

NEW_RUN_MODEL, NEW_RUN_KIND, NEW_RUN_PATH = "new_run_model", "new_run_kind", "new_run_path"
NEW_RUN_SEED, NEW_RUN_VIDEOS = "new_run_seed", "new_run_videos"
NEW_RUN_SPLIT, NEW_RUN_LIMIT = "new_run_split", "new_run_limit"
NEW_RUN_VIEWS, NEW_RUN_UNTRIMMED = "new_run_views", "new_run_untrimmed"
RUNS_TURN, DELETE_ASKED = "runs_turn", "delete_asked"

NEW_WEIGHTS = ("weights_name", "weights_classes", "weights_frames", "weights_stride",
               "weights_shift", "weights_beta")
WEIGHTS_NAME, WEIGHTS_CLASSES, WEIGHTS_FRAMES, WEIGHTS_STRIDE = NEW_WEIGHTS[:4]
WEIGHTS_SHIFT, WEIGHTS_BETA = NEW_WEIGHTS[4:]
WEIGHTS_CHOSEN, WEIGHTS_TOLD = "weights_chosen", "weights_told"
WEIGHTS_DELETE = "weights_delete_asked"

ON_SEVERAL_PAGES = (*Key, SAMPLE_GROUP, PICTURE)
"""Choices that several pages offer."""


def keyed(key: str) -> dict[str, Any]:
    """Arguments of a widget whose choice is kept when the page changes."""
    return {"key": key, "persist_state": "session"}


def restore(page: str) -> None:
    """Read the address once per session: later runs may see a stale one.

    When the page changes, choices that several pages offer are set again, because a widget does
    not see the value of a widget with the same key on another page. Only then: a value that is set
    replaces the browser's, which may be newer.
    """
    if not st.session_state.get(_RESTORED):
        for key in Key:
            if key in st.query_params:
                st.session_state[key] = _from_address(key, st.query_params[key])
        st.session_state[_RESTORED] = True
    if st.session_state.get(_LAST_PAGE) != page:
        for name in ON_SEVERAL_PAGES:
            if name in st.session_state:
                st.session_state[name] = st.session_state[name]


def mark_drawn(page: str) -> None:
    """Record that a page was drawn to its end."""
    st.session_state[_LAST_PAGE] = page


def publish() -> None:
    """Write the current choices into the address."""
    current = choices()
    if st.query_params.to_dict() != current:
        st.query_params.from_dict(current)


def choices() -> dict[str, str]:
    """Query parameters of the current choices."""
    defaults = st.session_state.get(_DEFAULTS, {}) | FLAGS | SPANS
    chosen = {key: st.session_state.get(key) for key in Key}
    return {
        str(key): _to_address(key, value)
        for key, value in chosen.items()
        if value != defaults.get(key) and (value or key in FLAGS) and value is not None
    }


def _to_address(key: Key, value: Any) -> str:
    if key in FLAGS:
        return str(int(value))
    if key in SPANS:
        return "-".join(map(str, value))
    return SEPARATOR.join(value) if key in LISTS else str(value)


def _from_address(key: Key, value: str) -> Any:
    if key in FLAGS:
        return value == "1"
    if key in SPANS:
        return _span(value, *SPANS[key])
    return value.split(SEPARATOR) if key in LISTS else value


def _span(text: str, low: int, high: int) -> tuple[int, int]:
    """The span in an address if it lies within the whole one, else the whole one."""
    match = re.fullmatch(r"(\d{1,6})-(\d{1,6})", text)
    start, end = (int(match[1]), int(match[2])) if match else (low, high)
    return (start, end) if low <= start <= end <= high else (low, high)


def get(key: Key) -> str | None:
    value = st.session_state.get(key)
    return str(value) if value else None


def put(key: str, value: Any) -> None:
    """Set a choice if it differs (see `restore`); call it from a widget's callback or before the
    widget of this key is drawn."""
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def ensure_option(key: str, options: Sequence[str], default: str | None) -> None:
    """Reset the choice of `key` to `default` unless it is one of `options`: links and other pages
    may have set anything."""
    if key in OMITTED_DEFAULTS:
        st.session_state.setdefault(_DEFAULTS, {})[key] = default
    if st.session_state.get(key) not in options:
        put(key, default)


def unavailable_choice(key: Key, options: Sequence[str]) -> str | None:
    """The last choice of `key` that was none of the options, until the user makes another; call it
    before `ensure_option`."""
    chosen = get(key)
    if chosen is not None and chosen not in options:
        st.session_state.setdefault(_UNAVAILABLE, {})[key] = chosen
    last = st.session_state.get(_UNAVAILABLE, {}).get(key)
    return None if last is None or last in options else str(last)


def clear_unavailable(key: Key) -> None:
    """Forget `unavailable_choice`; call it from the callback of the widget of this key."""
    st.session_state.get(_UNAVAILABLE, {}).pop(key, None)


def is_on(key: Key) -> bool:
    """Value of a flag; call it before its widget is drawn, so that both agree."""
    return bool(st.session_state.setdefault(key, FLAGS[key]))


def switch_on(key: Key) -> None:
    """Turn a flag on; call it from a widget's callback."""
    st.session_state[key] = True


def uploader_key(prefix: str = "upload") -> str:
    """Key of an upload box; a new one after each upload, so that Streamlit frees its bytes."""
    return f"{prefix}_{st.session_state.get(_UPLOADS_TAKEN, 0)}"


def renew_uploader() -> None:
    st.session_state[_UPLOADS_TAKEN] = st.session_state.get(_UPLOADS_TAKEN, 0) + 1


def clear_weights() -> None:
    """Reset the options of the previous file of weights."""
    for name in NEW_WEIGHTS:
        st.session_state.pop(name, None)


def stop(request: str) -> None:
    """Remember that the user stopped this request, so that a redrawn page does not restart it."""
    st.session_state[_STOPPED] = request


def is_stopped(request: str) -> bool:
    return bool(st.session_state.get(_STOPPED) == request)


def resume() -> None:
    st.session_state.pop(_STOPPED, None)
