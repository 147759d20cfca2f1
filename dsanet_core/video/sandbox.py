"""Start the child that decodes, read its answer, and kill it when it is late or not wanted."""

from __future__ import annotations

import json
import os
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dsanet_core.video.limits import Limits

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-P", "-B", "-m", "dsanet_core.video.worker")
POLL_SECONDS = 0.05
MAX_HEADER_BYTES = 4 << 20
MAX_COMPLAINT_BYTES = 4096


class ChildError(Exception):
    """The child gave no answer. is_late: it was stopped by the clock, else `reason` says why."""

    def __init__(self, reason: str, *, is_late: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_late = is_late


def ask_child(
    request: dict[str, Any],
    video_fd: int,
    limits: Limits,
    *,
    max_payload_bytes: int = 0,
    output_fd: int | None = None,
    cancel: threading.Event | None = None,
) -> tuple[dict[str, Any], memoryview]:
    """Run one request on an open video; return the header and the raw bytes of the answer.

    Raises ChildError, or CancelledError as soon as `cancel` is set. The child is gone
    when this returns or raises.
    """
    line = json.dumps({**request, "limits": asdict(limits), "output_fd": output_fd})
    end = time.monotonic() + limits.wall_seconds
    with _child(line, video_fd, output_fd) as child:
        answer, complaint = _listen(child, MAX_HEADER_BYTES + max_payload_bytes, end, cancel)
    if child.returncode:
        raise _obituary(child.returncode, complaint)
    return _split(answer)


@contextmanager
def _child(line: str, video_fd: int, output_fd: int | None) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        "PYTHONPATH": str(PACKAGE_ROOT),
        "OPENBLAS_NUM_THREADS": "1",  # the address space is limited
        "OMP_NUM_THREADS": "1",
    }
    os.lseek(video_fd, 0, os.SEEK_SET)
    with subprocess.Popen(
        (*COMMAND, line),
        stdin=video_fd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        close_fds=True,
        pass_fds=() if output_fd is None else (output_fd,),
        cwd="/",
        env=environment,
        start_new_session=True,
    ) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)


def _listen(
    child: subprocess.Popen[bytes], max_bytes: int, end: float, cancel: threading.Event | None
) -> tuple[bytearray, bytearray]:
    """Everything that the child writes to its standard output and error, until it closes both."""
    assert child.stdout is not None and child.stderr is not None
    answer, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, (answer, max_bytes))
        selector.register(child.stderr, selectors.EVENT_READ, (complaint, MAX_COMPLAINT_BYTES))
        while selector.get_map():
            if cancel is not None and cancel.is_set():
                raise CancelledError("reading the video was cancelled")
            if time.monotonic() > end:
                raise ChildError("out of time", is_late=True)
            for key, _ in selector.select(POLL_SECONDS):
                chunk = os.read(key.fd, 1 << 20)
                buffer, most = key.data
                if not chunk:
                    selector.unregister(key.fileobj)
                elif len(buffer) + len(chunk) <= most:
                    buffer += chunk
                elif buffer is answer:
                    raise ChildError("the decoder answered more than was asked")
    return answer, complaint


def _obituary(return_code: int, complaint: bytearray) -> ChildError:
    if -return_code in (signal.SIGXCPU, signal.SIGALRM):
        return ChildError("out of time", is_late=True)
    if return_code < 0:
        return ChildError(f"the decoder crashed ({signal.Signals(-return_code).name})")
    lines = complaint.decode(errors="replace").strip().splitlines()
    return ChildError(f"the decoder failed ({lines[-1] if lines else f'exit {return_code}'})")


def _split(answer: bytearray) -> tuple[dict[str, Any], memoryview]:
    """Header and payload of an answer; nothing in it is trusted beyond its form."""
    try:
        (length,) = struct.unpack_from(">Q", answer)
        header = json.loads(answer[8 : 8 + length])
    except (struct.error, ValueError) as error:
        raise ChildError("the decoder stopped in the middle of its answer") from error
    if not isinstance(header, dict):
        raise ChildError("the decoder answered nonsense")
    return header, memoryview(answer)[8 + length :]
