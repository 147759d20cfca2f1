"""What the page Zoo draws about users' weights: the form, a check under way, and what is kept."""

from __future__ import annotations

import streamlit as st

from app import page_file
from app.pages.zoo import weights_text as texts
from app.server import services, user_weights
from app.server.fair_queue import Job
from app.server.settings import WEIGHTS_VARIABLE
from app.ui import page_frame, state
from app.ui.state import Key, keyed
from dsanet_core.checkpoints import Choices
from dsanet_core.checkpoints.foreign_formats.labels import known_lists
from dsanet_core.errors import LensError
from dsanet_core.figures.style import shorten
from dsanet_core.report import text as ui_text
from dsanet_core.text_format import file_size

FROM_FILE, OWN_LIST = "as the file says", "from a file of mine"
SHIFTS = {FROM_FILE: None, "yes": True, "no": False}
MOST_FRAMES, MOST_STRIDE = 128, 64
SHARED = (
    "Everybody who uses this server can choose these weights, and delete them. They lie in the "
    "folder `weights` of the server and stay when it stops."
)
"""What a user should know before a file is handed over."""


def bring() -> None:
    """The form, the check that is under way, or what came of it."""
    st.subheader("Bring your own weights")
    if not user_weights.is_open():
        st.info(
            "This server takes no weights from its pages. Whoever runs it opens that with the "
            f"environment variable `{WEIGHTS_VARIABLE}=open`, or imports a file on its machine: "
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
            _outcome(job)


def _form() -> None:
    spooled = user_weights.waiting()
    if spooled is None:
        _upload_box()
        return
    st.markdown(
        f"**{ui_text.escape(shorten(spooled.shown))}**, "
        f"{file_size(spooled.size)}, not yet checked"
    )
    left, right = st.columns(2)
    name = left.text_input(
        "Name", **keyed(state.WEIGHTS_NAME), max_chars=64,
        placeholder=user_weights.suggested_name(spooled),
        help="What the weights are called on every page: of a-z, 0-9, _, . and -. Without one they "
        "are called like the file.",
    )
    kinds = [FROM_FILE, *known_lists(), OWN_LIST]
    state.ensure_option(state.WEIGHTS_CLASSES, kinds, FROM_FILE)
    classes = right.selectbox("Names of the outputs", kinds, **keyed(state.WEIGHTS_CLASSES))
    names = None
    if classes == OWN_LIST:
        names = st.file_uploader(
            "List of names", user_weights.NAMES_TYPES, key=state.uploader_key("names"),
            help=".txt: a name a line, in the order of the outputs. .csv: index,name. .json: names "
            "in order, or name to index.",
        )
    choices = _unsaid(None if classes in (FROM_FILE, OWN_LIST) else classes)
    st.caption(SHARED)
    with st.container(horizontal=True):
        wants_check = st.button(
            "Check and keep", type="primary", icon=":material/check:", key="weights_start",
            disabled=classes == OWN_LIST and names is None,
        )
        wants_other = st.button("Take another file", icon=":material/undo:", key="weights_forget")
    if wants_check:
        user_weights.start(name.strip(), choices, names, names.name if names else "")
    if wants_other:
        user_weights.forget()
    if wants_check or wants_other:
        state.renew_uploader()
        st.rerun()


def _upload_box() -> None:
    file = st.file_uploader(
        "Upload a checkpoint", user_weights.TYPES, key=state.uploader_key("weights")
    )
    st.caption(
        "Of this project, MMAction2, PyTorchVideo, PySlowFast, TSM, torchvision, or the authors of "
        "DSANet and SDA: `.pth` (`.pth.tar`), `.pyth`, `.pt` or `.safetensors`. Files are "
        f"never executed. Up to {file_size(user_weights.most_bytes())}; for larger files run "
        f"`{user_weights.COMMAND}` on the server. {SHARED}"
    )
    if file is not None:
        state.clear_weights()
        state.renew_uploader()
        services.take_weights(file)
        st.rerun()


def _unsaid(classes: str | None) -> Choices:
    """What no tensor shows."""
    with st.expander("What the file may not say", icon=":material/tune:"):
        st.caption(
            "Left alone, the file, its name or the usual case of its format decides, and you are "
            "told which. Of a checkpoint of this project everything is known."
        )
        cells = st.columns(4)
        frames = cells[0].number_input(
            "Frames", 1, MOST_FRAMES, value=None, **keyed(state.WEIGHTS_FRAMES),
            placeholder=FROM_FILE,
            help="Of a snippet; for networks of single frames (TSN, TSM, SDA), of a clip",
        )
        stride = cells[1].number_input(
            "Stride", 1, MOST_STRIDE, value=None, **keyed(state.WEIGHTS_STRIDE),
            placeholder=FROM_FILE,
            help="Between the frames of a snippet",
        )
        state.ensure_option(state.WEIGHTS_SHIFT, list(SHIFTS), FROM_FILE)
        shift = cells[2].selectbox(
            "Temporal shift", list(SHIFTS), **keyed(state.WEIGHTS_SHIFT),
            help="Whether features are shifted in time (TSM)",
        )
        beta = cells[3].number_input(
            "Beta of DSA", 0.0, 1.0, value=None, **keyed(state.WEIGHTS_BETA), step=0.125,
            placeholder=FROM_FILE, help="The share of channels that DSA aggregates",
        )
    return Choices(frames, stride, SHIFTS[shift], beta or None, classes)


@st.fragment(run_every=page_frame.POLL_SECONDS)
def _progress(job: Job) -> None:
    before = services.ahead(job)
    waits = "Waiting for its turn: one file is checked at a time"
    st.progress(job.fraction, ui_text.escape(job.stage) if before is None else waits)
    st.caption("You may leave this page meanwhile: the check goes on.")
    if st.button("Stop", icon=":material/stop:", key="weights_stop"):
        user_weights.forget()
        st.rerun()
    if job.finished.is_set():
        st.rerun()


def _outcome(job: Job) -> None:
    if job.error is not None:
        _refused(job.error)
    elif job.result in user_weights.kept():
        st.success(
            f"**{ui_text.escape(job.result)}** is one of the models of every page now. What was "
            "understood of it stands below.",
            icon=":material/check_circle:",
        )
        if st.session_state.get(state.WEIGHTS_TOLD) != job.result:
            st.session_state[state.WEIGHTS_TOLD] = job.result
            st.session_state[state.WEIGHTS_CHOSEN] = job.result
    else:
        st.info(f"{ui_text.escape(job.result)} has been deleted since.", icon=":material/delete:")
    if st.button("Bring another file", icon=":material/add:", key="weights_again"):
        user_weights.forget()
        st.session_state[state.WEIGHTS_TOLD] = None
        st.rerun()


def _refused(error: Exception) -> None:
    if isinstance(error, LensError):
        page_frame.show_error(error)
        st.caption("Nothing of the file was kept.")
        return
    st.error(
        "The check broke off; what happened is in the server's log. Nothing of the file was kept.",
        icon=":material/error:",
    )


def library() -> None:
    """The users' weights as a table, the account of a chosen one, and what is damaged."""
    entries, faults = user_weights.kept(), user_weights.damaged()
    if not entries and not faults:
        return
    st.subheader("Weights brought here")
    if entries:
        specs = services.specs(entries)
        begun = {name: user_weights.begun(name) for name in entries}
        page_frame.table(texts.rows(entries, specs, begun), formats=texts.FORMATS)
        state.ensure_option(state.WEIGHTS_CHOSEN, list(entries), next(iter(entries)))
        chosen = st.selectbox(
            "Detected configuration", list(entries), **keyed(state.WEIGHTS_CHOSEN)
        )
        is_new = st.session_state.get(state.WEIGHTS_TOLD) == chosen
        _account(texts.account(entries[chosen], specs[chosen]), expanded=is_new)
        with st.container(horizontal=True):
            if st.button("Inspect a video with it", icon=":material/arrow_forward:",
                         key="weights_inspect"):
                state.put(Key.MODEL, chosen)
                st.switch_page(page_file("inspect"))
            _offer_delete(chosen)
        _ask_once_more(chosen)
    for name, fault in faults.items():
        st.error(
            f"**{ui_text.escape(name)}** is damaged and on no page: {ui_text.escape(fault)}",
            icon=":material/error:",
        )
        _offer_delete(name)
        _ask_once_more(name)


def _account(account: texts.Account, *, expanded: bool) -> None:
    if account.warnings:
        st.warning(f"**Doubtful:**\n\n{texts.bullets(account.warnings)}", icon=":material/warning:")
    if account.assumed:
        st.info(
            "**Assumed, since nobody said:**\n\n" + texts.bullets(account.assumed) +
            "\n\nWhere that is wrong, bring the file again under another name and say so in the "
            "form.",
            icon=":material/help:",
        )
    with st.expander("All that was understood", icon=":material/list:", expanded=expanded):
        st.table({"What": list(account.rows), "How": list(account.rows.values())}, hide_index=True)


def _offer_delete(name: str) -> None:
    if user_weights.is_open() and st.button(
        f"Delete {ui_text.escape(name)}", icon=":material/delete:", key=f"delete_{name}"
    ):
        st.session_state[state.WEIGHTS_DELETE] = name


def _ask_once_more(name: str) -> None:
    if st.session_state.get(state.WEIGHTS_DELETE) != name:
        return
    st.warning(
        f"Delete the weights {ui_text.escape(name)} for everybody? Runs and files that were made "
        "with them stay.",
        icon=":material/delete:",
    )
    with st.container(horizontal=True), page_frame.show_errors():
        if st.button("Yes, delete them", key="weights_delete_yes", type="primary"):
            st.session_state[state.WEIGHTS_DELETE] = None
            user_weights.delete(name)
            st.toast("The weights are deleted.", icon=":material/delete:")
            st.rerun()
        if st.button("No, keep them", key="weights_delete_no"):
            st.session_state[state.WEIGHTS_DELETE] = None
            st.rerun()
