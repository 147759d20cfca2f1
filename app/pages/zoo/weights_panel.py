"""Sections of the page Zoo about users' weights: upload and check, and the list of what is kept."""

from __future__ import annotations

import streamlit as st

from app import page_file
from app.pages.zoo import text
from app.server import services, user_weights
from app.server.fair_queue import Job
from app.server.settings import WEIGHTS_VARIABLE
from app.ui import choices, page_frame, state
from app.ui.state import Key, keyed
from dsanet_core.checkpoints import Choices
from dsanet_core.checkpoints.foreign_formats.labels import known_lists
from dsanet_core.checkpoints.registry import WeightsEntry
from dsanet_core.errors import LensError
from dsanet_core.figures.style import shorten
from dsanet_core.report.text import escape
from dsanet_core.text_format import file_size

FROM_FILE, OWN_LIST = "from the file", "from a list I upload"
SHIFTS = {FROM_FILE: None, "yes": True, "no": False}
MOST_FRAMES, MOST_STRIDE = 128, 64
SHARED = (
    "Everyone who uses this server can choose and delete these weights. They are stored in the "
    "server's folder `weights` and stay when the server stops."
)


def upload() -> None:
    """The upload form, the check in progress, or its result."""
    st.subheader("Add your own weights")
    if not user_weights.is_open():
        st.info(
            "Uploading weights is turned off on this server. Its operator can turn it on with the "
            f"environment variable `{WEIGHTS_VARIABLE}=open`, or import a file on the server: "
            f"`{user_weights.COMMAND}`",
            icon=":material/lock:",
        )
        return
    job = user_weights.job()
    with page_frame.show_errors():
        if job is None:
            _form()
        elif not page_frame.finish_soon(job):
            _progress(job)
        else:
            _result(job)


def _form() -> None:
    spooled = user_weights.waiting()
    if spooled is None:
        _upload_box()
        return
    st.markdown(f"**{escape(shorten(spooled.shown))}**, {file_size(spooled.size)}, not yet checked")
    left, right = st.columns(2)
    name = left.text_input(
        "Name", **keyed(state.WEIGHTS_NAME), max_chars=64,
        placeholder=user_weights.suggested_name(spooled),
        help="Name of the weights on every page: a-z, 0-9, _, . and -. Empty: the file's name.",
    )
    with right:
        classes = choices.select(
            "Class names", [FROM_FILE, *known_lists(), OWN_LIST], state.WEIGHTS_CLASSES
        )
    names = None
    if classes == OWN_LIST:
        names = st.file_uploader(
            "List of class names", user_weights.NAMES_TYPES, key=state.uploader_key("names"),
            help=".txt: one name per line, in the order of the outputs. .csv: index,name. .json: "
            "names in order, or name to index.",
        )
    chosen = _configuration(None if classes in (FROM_FILE, OWN_LIST) else classes)
    st.caption(SHARED)
    with st.container(horizontal=True):
        checked = st.button(
            "Check and add", type="primary", icon=":material/check:", key="weights_start",
            disabled=classes == OWN_LIST and names is None,
        )
        discarded = st.button("Choose another file", icon=":material/undo:", key="weights_forget")
    if checked:
        user_weights.start(name.strip(), chosen, names, names.name if names else "")
    if discarded:
        user_weights.forget()
    if checked or discarded:
        state.renew_uploader()
        st.rerun()


def _upload_box() -> None:
    file = st.file_uploader(
        "Upload a checkpoint", user_weights.TYPES, key=state.uploader_key("weights")
    )
    st.caption(
        "Checkpoints of this project, MMAction2, PyTorchVideo, PySlowFast, TSM, torchvision, or "
        "the authors of DSANet and SDA: `.pth` (`.pth.tar`), `.pyth`, `.pt` or `.safetensors`. "
        f"Files are never executed. Up to {file_size(user_weights.most_bytes())}; for larger files "
        f"run `{user_weights.COMMAND}` on the server. {SHARED}"
    )
    if file is not None:
        state.clear_weights()
        state.renew_uploader()
        services.take_weights(file)
        st.rerun()


def _configuration(classes: str | None) -> Choices:
    """Settings that tensors do not show. classes: name of a known list of class names."""
    with st.expander("Settings that the file may not contain", icon=":material/tune:"):
        st.caption(
            "Left empty, they are taken from the file, its name or the defaults of its format, and "
            "the result lists every assumption. Checkpoints of this project contain all of them."
        )
        cells = st.columns(4)
        frames = cells[0].number_input(
            "Frames", 1, MOST_FRAMES, value=None, **keyed(state.WEIGHTS_FRAMES),
            placeholder=FROM_FILE,
            help="Per snippet; for single-frame models (TSN, TSM, SDA), per clip",
        )
        stride = cells[1].number_input(
            "Stride", 1, MOST_STRIDE, value=None, **keyed(state.WEIGHTS_STRIDE),
            placeholder=FROM_FILE,
            help="Between the frames of a snippet",
        )
        with cells[2]:
            shift = choices.select(
                "Temporal shift", list(SHIFTS), state.WEIGHTS_SHIFT,
                help="Are features shifted in time (TSM)?",
            )
        beta = cells[3].number_input(
            "DSA beta", 0.0, 1.0, value=None, **keyed(state.WEIGHTS_BETA), step=0.125,
            placeholder=FROM_FILE, help="Share of the channels that DSA aggregates",
        )
    return Choices(frames, stride, SHIFTS[shift], beta or None, classes)


@st.fragment(run_every=page_frame.POLL_SECONDS)
def _progress(job: Job) -> None:
    is_running = services.ahead(job) is None
    st.progress(
        job.fraction, escape(job.stage) if is_running else "Queued: one file is checked at a time"
    )
    st.caption("You may leave this page; the check continues.")
    if st.button("Stop", icon=":material/stop:", key="weights_stop"):
        user_weights.forget()
        st.rerun()
    if job.finished.is_set():
        st.rerun()


def _result(job: Job) -> None:
    if job.error is not None:
        _refused(job.error)
    elif job.result in user_weights.kept():
        st.success(
            f"**{escape(job.result)}** is now available on every page. Its detected configuration "
            "is below.",
            icon=":material/check_circle:",
        )
        if st.session_state.get(state.WEIGHTS_TOLD) != job.result:
            st.session_state[state.WEIGHTS_TOLD] = job.result
            st.session_state[state.WEIGHTS_CHOSEN] = job.result
    else:
        st.info(f"{escape(job.result)} has been deleted.", icon=":material/delete:")
    if st.button("Add another file", icon=":material/add:", key="weights_again"):
        user_weights.forget()
        st.session_state[state.WEIGHTS_TOLD] = None
        st.rerun()


def _refused(error: Exception) -> None:
    if isinstance(error, LensError):
        page_frame.show_error(error)
        st.caption("Nothing was stored.")
        return
    st.error(
        "The check failed; details are in the server's log. Nothing was stored.",
        icon=":material/error:",
    )


def library() -> None:
    """The table of users' weights, the configuration of a chosen one, and damaged entries."""
    entries, damaged = user_weights.kept(), user_weights.damaged()
    if not entries and not damaged:
        return
    st.subheader("Your weights")
    if entries:
        _entries(entries)
    for name, reason in damaged.items():
        st.error(
            f"**{escape(name)}** is damaged and not available: {escape(reason)}",
            icon=":material/error:",
        )
        _delete_button(name)
        _confirm_delete(name)


def _entries(entries: dict[str, WeightsEntry]) -> None:
    specs = services.specs(entries)
    added = {name: user_weights.begun(name) for name in entries}
    page_frame.table(text.weights_rows(entries, specs, added), formats=text.WEIGHTS_FORMATS)
    chosen = choices.select("Detected configuration of", list(entries), state.WEIGHTS_CHOSEN)
    is_new = st.session_state.get(state.WEIGHTS_TOLD) == chosen
    _account(text.account(entries[chosen], specs[chosen]), expanded=is_new)
    with st.container(horizontal=True):
        if st.button("Inspect a video with it", icon=":material/arrow_forward:",
                     key="weights_inspect"):
            state.put(Key.MODEL, chosen)
            st.switch_page(page_file("inspect"))
        _delete_button(chosen)
    _confirm_delete(chosen)


def _account(account: text.Account, *, expanded: bool) -> None:
    if account.warnings:
        st.warning(f"**Warnings:**\n\n{text.bullets(account.warnings)}", icon=":material/warning:")
    if account.assumed:
        st.info(
            f"**Assumptions:**\n\n{text.bullets(account.assumed)}\n\nIf one is wrong, add the file "
            "again under another name with the right setting in the form.",
            icon=":material/help:",
        )
    with st.expander("Detected configuration", icon=":material/list:", expanded=expanded):
        st.table(
            {"Setting": list(account.rows), "Value": list(account.rows.values())}, hide_index=True
        )


def _delete_button(name: str) -> None:
    if user_weights.is_open() and st.button(
        f"Delete {escape(name)}", icon=":material/delete:", key=f"delete_{name}"
    ):
        st.session_state[state.WEIGHTS_DELETE] = name


def _confirm_delete(name: str) -> None:
    with page_frame.show_errors():
        choices.confirm_delete(
            name, state.WEIGHTS_DELETE,
            question=f"Delete the weights {escape(name)} for everyone? Runs and files made with "
            "them stay.",
            delete=user_weights.delete, done="The weights were deleted.",
        )
