"""Files that are there whole or not at all, also after a power loss."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dsanet_core.errors import RunError

PART = ".part-"
DAMAGED = ".damaged"
"""At the end of the name of a file that was set aside: kept for whoever wants to look, read by
nobody."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, then give it its name.

    The bytes reach the disk before the name does, and the name before this returns. A writing that
    fails leaves nothing behind; one that is killed leaves a file with `PART` in its name, which
    nobody reads.
    """
    part = path.with_name(f"{path.name}{PART}{secrets.token_hex(4)}")
    try:
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def set_aside(path: Path) -> Path:
    """Give a damaged file another name, so that a good one can take its place; the new path."""
    return path.rename(path.with_name(path.name + DAMAGED))


@contextmanager
def keeping(what: str, folder: Path) -> Iterator[None]:
    """Within it, what the disk refuses becomes a RunError that says what could not be kept."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{what} could not be kept in {folder} ({error.strerror or error})",
            "a disk with room, and a folder that this process may write to",
            "Make room, or mend the permissions, and go on: what was kept before is not lost.",
        ) from error
