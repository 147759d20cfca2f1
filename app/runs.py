"""Finished runs that this server knows: those that come with the project, and those made here."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dsanet_core import checkpoints
from dsanet_core.errors import RecordError
from dsanet_core.records import Run
from dsanet_core.runs.summary import FILE, load_run

FOLDER = Path(__file__).parent.parent / "runs"
RUNS_KEPT = 32


def folders() -> dict[str, Path]:
    """The folder of every finished run by its id: the embedded ones, then those made here, the
    newest first."""
    embedded = sorted((checkpoints.FOLDER / "runs").glob(f"*/{FILE}"))
    made = sorted(FOLDER.glob(f"*/{FILE}"), key=lambda path: -path.stat().st_mtime)
    return {path.parent.name: path.parent for path in (*embedded, *made)}


def find(run_id: str) -> Run:
    """The finished run of an id. Raises RecordError for one that is not here."""
    folder = folders().get(run_id)
    if folder is None:
        raise RecordError(
            f"There is no finished run {run_id!r}", "one of the page Runs",
            "Choose another run, or start it on the page Runs.",
        )
    path = folder / FILE
    return _load(path, path.stat().st_mtime_ns)


@st.cache_resource(max_entries=RUNS_KEPT, show_spinner=False)
def _load(path: Path, changed: int) -> Run:
    """Read once for all sessions; nobody writes into a record."""
    return load_run(path)
