"""Files that are there whole or not at all, also after a power loss."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

PART = ".part-"


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
