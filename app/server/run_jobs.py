"""Starts, stops, resumes and deletes runs: the only place of the app that does.

A run is a process of its own, `python -m dsanet_core run`, in a session of its own, so that it
outlives the page and the server that started it. Everything about it is stored in its folder
(`dsanet_core.runs.store`). Runs that this server starts go one after the other (`run_queue`), each
has the machine for itself.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.server import (
    runs,
    settings,
)
from app.server.run_queue import Queue
from dsanet_core.cli import build_parser
from dsanet_core.cli.output import load_ensemble
from dsanet_core.cli.runs import run as run_command
from dsanet_core.errors import LensError, RunError
from dsanet_core.runs.metrics import match_categories
from dsanet_core.runs.shards import DAMAGED, keeping, set_aside
from dsanet_core.runs.store import MANIFEST, RunFolder
from dsanet_core.runs.summary import FILE as SUMMARY
from dsanet_core.runs.summary import load_run

_VIEWS = re.compile(r"[1-9]\d*x[13]")


queue = Queue()
"""Of this server; no cache of Streamlit, which a user may clear."""


def adopt() -> int:
    """Take over the runs that an earlier server left, at work or waiting; return their number."""
    return queue.adopt(runs.FOLDER, _check)


def arguments(
    dataset: str,
    model: str,
    *,
    split: str = "",
    limit: int | None = None,
    views: str = "",
    untrimmed: bool = False,
) -> list[str]:
    """Arguments of the command line for such a run. views: KxC, clips and crops of each.
    Raises RunError for views that are none."""
    if views and not _VIEWS.fullmatch(views):
        raise RunError(
            f"views {views!r}", "clips x crops, with 1 or 3 crops, such as 10x3",
            "Write it so, or leave it empty for the model's own protocol.",
        )
    chosen = {
        "split": split or None, "limit": None if limit is None else str(limit),
        "views": views or None,
    }
    options = [f"--{name}={value}" for name, value in chosen.items() if value is not None]
    # A path that begins with a dash is no option.
    path = f"./{dataset}" if dataset.startswith("-") else dataset
    return ["run", path, f"--model={model}", *options, *(["--untrimmed"] if untrimmed else [])]


def start(wanted: Sequence[str]) -> str:
    """Queue the run that the arguments of a command line ask for; its id.

    One that has been finished, or is at work, is left as it is. What is wrong with dataset,
    network or protocol, or lies outside the data roots, is raised here, as LensError, before any
    process starts.
    """
    run_id, manifest = next(iter(_check(wanted).items()))
    _queue(RunFolder.make(runs.FOLDER / run_id, manifest), wanted)
    return run_id


def resume(run_id: str) -> None:
    """Queue a run that was stopped, by the command that began it.

    Raises LensError where that would be another run by now, or the folder cannot be read.
    """
    folder = RunFolder(folder_of(run_id))
    command = folder.manifest.get("command")
    if not command or run_id not in _check(command):
        raise RunError(
            f"What began the run {run_id} " + (
                "gives another run now: the dataset, the weights or the protocol have changed"
                if command else "was no command, so it cannot be given again from here"
            ),
            "the same videos, weights and protocol as when it began",
            "Restore them, or start a new run and delete this one.",
        )
    _queue(folder, command)


def stop(run_id: str) -> None:
    """Stop a run, whoever started it; it keeps what is done. Returns at once.

    Raises RunError for a process that cannot be reached from here.
    """
    if queue.cancel(run_id):
        return
    folder = RunFolder(folder_of(run_id))
    if not folder.is_at_work:
        return
    progress = folder.progress()
    if progress.host != socket.gethostname() or progress.process <= 1:
        where = f"runs on {progress.host}" if progress.host else "has not said yet who it is"
        raise RunError(
            f"The process at work on {run_id} {where}", f"a process of {socket.gethostname()}",
            "Stop it where it runs." if progress.host else "Try again in a few seconds.",
        )
    try:
        os.kill(progress.process, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has just ended
    except PermissionError as error:
        raise RunError(
            f"Process {progress.process} at work on {run_id} belongs to another user",
            "one of this server's user", "Ask them to stop it.",
        ) from error


def delete(run_id: str) -> None:
    """Remove a run and all that it found. Raises RunError while somebody is at work on it."""
    path = folder_of(run_id)
    if queue.turn(run_id) is not None:
        raise RunError(f"{run_id} is in the queue", "one that is stopped", "Stop it first.")
    try:
        try:
            folder = RunFolder(path)
        except RunError:
            shutil.rmtree(path)
        else:
            folder.delete()
    except OSError as error:
        raise RunError(
            f"{path.name} could not be deleted whole ({error})", "files that may be removed",
            "Mend the permissions and delete it again.",
        ) from error


def folder_of(run_id: str) -> Path:
    """The folder of a run that was made here. Raises RunError for whatever else is named."""
    path = runs.FOLDER / run_id
    try:
        found = path.resolve()
        inside = found.parent == runs.FOLDER.resolve() and found.name == run_id
        if inside and is_run(found):
            return path
    except (OSError, ValueError):
        pass  # a name that no file can have
    raise RunError(
        f"{run_id!r} is no run that was made here", f"a folder of a run in {runs.FOLDER.name}/",
        "Choose one of the page Runs.",
    )


def is_run(path: Path) -> bool:
    """True for a folder that holds a run, damaged or not, and not something else of the user's."""
    return any(next(path.glob(name), None) for name in (MANIFEST, SUMMARY, "videos.*.parquet"))


def _check(wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Manifests of the runs that a command line asks for by their ids, several for an ensemble."""
    from dsanet_core.runs.engine import describe_run

    args = _parse(wanted)
    args.device = "cpu"  # the process at work takes the GPU, not the server
    dataset = settings.open_inside(
        args.dataset, split=args.split, limit=args.limit, reader=args.reader
    )
    found = {}
    for network in load_ensemble(args.model, args).members:
        match_categories(dataset.categories, network.spec.classes)
        run_id, manifest = describe_run(
            dataset, network, untrimmed=args.untrimmed, command=wanted
        )
        found[run_id] = manifest
    return found


def _parse(wanted: Sequence[str]) -> Any:
    try:
        args = build_parser().parse_args(wanted)
        if args.command is run_command:
            return args
    except (SystemExit, TypeError, AttributeError):
        pass
    raise RunError(
        f"The command {' '.join(map(str, wanted))!r} is not understood", "a command that runs",
        "Start the run again with the form.",
    )


def _queue(folder: RunFolder, wanted: Sequence[str]) -> None:
    """Unless somebody is at work on the run, or it has been finished."""
    if folder.is_at_work:
        return
    try:
        load_run(folder.path / SUMMARY)
    except LensError:
        if (folder.path / SUMMARY).exists():  # damaged: made again from what has been kept
            with keeping(f"{SUMMARY}{DAMAGED}", folder.path):
                set_aside(folder.path / SUMMARY)
        queue.add(folder.path, wanted)
