"""Which runs wait, as their folders say: a server that starts finds the queue of one that went.

A mark is a file in the run's folder, and a lock on it that the server holds while it lives. A mark
that nobody holds was left behind.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dsanet_core.errors import RunError
from dsanet_core.runs.files import keeping

FILE = "queued.json"


class Mark:
    """Of one run that waits. path: of its folder. order: the lower, the earlier its turn.
    arguments: of the command that begins it."""

    def __init__(self, path: Path, order: int, arguments: Sequence[str], handle: int) -> None:
        self.path, self.order, self.arguments = path, order, list(arguments)
        self._handle: int | None = handle

    @property
    def is_held(self) -> bool:
        return self._handle is not None

    def remove(self) -> None:
        """The run waits no more. Another time does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):  # the whole folder may have gone
                (self.path / FILE).unlink()
            os.close(handle)


def mark(path: Path, arguments: Sequence[str]) -> Mark:
    """Note in the folder of a run that it waits here.

    Raises RunError where it waits in another server's queue, or the disk takes no more.
    """
    order = time.time_ns()
    with keeping(FILE, path):
        handle = _hold(path / FILE, os.O_CREAT)
        if handle is None:
            raise RunError(
                f"{path.name} waits in the queue of another server", "a run that is stopped",
                "Wait for it, or take it out of the queue there.",
            )
        try:
            text = json.dumps({"order": order, "arguments": list(arguments)})
            os.ftruncate(handle, 0)
            os.write(handle, text.encode())
            os.fsync(handle)
        except OSError:
            Mark(path, order, arguments, handle).remove()
            raise
    return Mark(path, order, arguments, handle)


def left_behind(folder: Path) -> list[Mark]:
    """The marks that nobody holds, now held by this process, in the order of their turns. One that
    cannot be read is removed: its run is a stopped one."""
    found = []
    for file in folder.glob(f"*/{FILE}"):
        with suppress(OSError):
            handle = _hold(file, 0)
            if handle is None:
                continue
            held = Mark(file.parent, 0, (), handle)
            try:
                values = json.loads(os.read(handle, 1 << 20))
                held.order, arguments = int(values["order"]), values["arguments"]
                if not all(isinstance(argument, str) for argument in arguments):
                    raise TypeError("arguments are text")
                held.arguments = list(arguments)
            except (ValueError, KeyError, TypeError):
                held.remove()
            else:
                found.append(held)
    return sorted(found, key=lambda held: held.order)


def _hold(file: Path, flags: int) -> int | None:
    """The locked file; None where another holds it. Raises OSError."""
    handle = os.open(file, os.O_RDWR | os.O_NOFOLLOW | flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink == 0:  # removed by its holder in this moment
            raise FileNotFoundError(file)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return handle
