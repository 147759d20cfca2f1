"""Checkpoints of users are checked and kept by a process of their own, one for each.

It may be killed, and whatever a file does to it, it does to no other. The process runs this module:
`python -m app.server.weights_check`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from app import ROOT, python_path
from app.server import settings
from app.server.fair_queue import Job
from app.server.network_process import WorkerError
from dsanet_core import checkpoints
from dsanet_core.checkpoints import DEFAULT_LIMITS, Choices
from dsanet_core.child_process import (
    OMP_ENV,
    POLL_SECONDS,
    Child,
    DeadlineError,
    MessageError,
    parent_channel,
)
from dsanet_core.errors import CheckpointError, LensError

GRACE_SECONDS = 2.0
"""Time for a stopped check to remove its unfinished files."""
USUAL_SECONDS = 10.0
"""Usual length of a check: moves the progress bar, since it reports no steps."""
NICENESS = 5
"""Pages and analyses come first."""


def check(order: dict[str, Any], job: Job, doing: str) -> dict[str, Any]:
    """The result of an order (`carry_out`). The process is gone when this returns.

    Raises CancelledError within moments of `job.cancel`, CheckpointError where it takes too long,
    WorkerError where it dies before its answer.
    """
    begin = time.monotonic()
    try:
        child = Child(
            # -P: nothing is imported from the folder that it works in.
            (sys.executable, "-P", "-m", "app.server.weights_check"),
            cwd=ROOT, env=OMP_ENV | os.environ | {"PYTHONPATH": python_path()},
        )
    except OSError as error:
        raise WorkerError(
            f"No process can be started to check weights ({error.strerror})",
            "memory and processes to spare", "Upload the file again in a minute.",
        ) from error
    try:
        child.channel.send(order)
        while True:
            seconds = time.monotonic() - begin
            job.report(f"{doing}: {seconds:.0f} s", seconds / (seconds + USUAL_SECONDS))
            if seconds > settings.IMPORT_SECONDS:
                raise CheckpointError(
                    f"The check took more than {seconds:.0f} s", "less",
                    "Import the file on the server's machine: python -m dsanet_core import FILE",
                )
            try:
                child.channel.wait(time.monotonic() + POLL_SECONDS, job.cancel)
                return child.channel.receive(cancel=job.cancel)[0]
            except DeadlineError:
                pass
    except (EOFError, MessageError, OSError) as error:
        raise WorkerError(
            f"The process that checks weights {child.exit_reason()} before its answer",
            "a process that finishes its work",
            "Upload the file again; if that is killed too, the machine may be short of memory.",
        ) from error
    finally:
        child.end(GRACE_SECONDS)


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """`name` of the checkpoint that is kept now, or `error`: the three parts of a LensError.

    order: `folder`, where `file` lies; `name`, None for one like the file's; `choices`, as
    `checkpoints.Choices`; `embedded` and `users`, the folders of weights; `most_bytes` of a file.
    """
    os.chdir(order["folder"])  # class names are called by their file's name, without its folder
    checkpoints.FOLDER = Path(order["embedded"])
    checkpoints.USER_FOLDER = Path(order["users"])
    limits = replace(DEFAULT_LIMITS, file_bytes=order["most_bytes"])
    try:
        name = checkpoints.import_checkpoint(
            order["file"], order["name"], choices=Choices(**order["choices"]), limits=limits
        )
    except LensError as error:
        return {"error": [error.value, error.expected, error.next_step]}
    return {"name": name}


def main() -> None:
    channel = parent_channel()
    os.nice(NICENESS)
    # Not the default, which would leave an unfinished file behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    channel.send(carry_out(channel.receive()[0]))


if __name__ == "__main__":
    main()
