"""Checkpoints are checked in a process of their own (`app.server.weights_worker`), one for each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from app import ROOT, python_path
from app.server import settings
from app.server.fair_queue import Job
from app.server.network_process import OMP_ENV, POLL_SECONDS, WorkerError
from dsanet_core.errors import CheckpointError

GRACE_SECONDS = 2.0
"""How long a stopped check may take to remove what it has begun."""
USUAL_SECONDS = 10.0
"""Of a check: how the bar moves, which no step of it does."""


def ask(order: dict[str, Any], job: Job, doing: str) -> dict[str, Any]:
    """What comes of an order (`weights_worker.carry_out`). The process is gone when this returns.

    Raises CancelledError within moments of `job.cancel`, CheckpointError where it takes too long,
    WorkerError where it dies before its answer.
    """
    begin = time.monotonic()
    process = _begin(order)
    try:
        while process.poll() is None:
            seconds = time.monotonic() - begin
            job.report(f"{doing}: {seconds:.0f} s", seconds / (seconds + USUAL_SECONDS))
            if seconds > settings.IMPORT_SECONDS:
                raise CheckpointError(
                    f"The check took more than {seconds:.0f} s", "less",
                    "Import the file on the server's machine: python -m dsanet_core import FILE",
                )
            job.cancel.wait(POLL_SECONDS)
        assert process.stdout is not None
        return dict(json.loads(process.stdout.read()))
    except ValueError as error:
        code = process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        raise WorkerError(
            f"The process that checks weights {how} before its answer", "one that lives to it",
            "Bring the file again; if that is killed too, the machine may be short of memory.",
        ) from error
    finally:
        _end(process)


def _begin(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(
            # -P: nothing is imported from the folder that it works in.
            (sys.executable, "-P", "-m", "app.server.weights_worker"),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=OMP_ENV | os.environ | {"PYTHONPATH": python_path()},
            start_new_session=True,
        )
    except OSError as error:
        raise WorkerError(
            f"No process can be started to check weights ({error.strerror})",
            "memory and processes to spare", "Bring the file again in a minute.",
        ) from error
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as inlet:  # one that has died says so below
        inlet.write(json.dumps(order).encode())
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
