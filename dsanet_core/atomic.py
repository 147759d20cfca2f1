"""Files that appear whole or not at all, also after a power loss."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PART = re.compile(r"\..+\.part-[0-9a-f]{8}(\.[^.]+)?")


@contextmanager
def atomic_file(path: str | os.PathLike[str], *, sync: bool = True) -> Iterator[Path]:
    """A new path beside `path` for the block to write a file to, which then becomes `path`.

    sync: the bytes reach the disk before the name does, and the name before the block ends; False
    for what may be lost with the power, such as a cache. A block that raises leaves nothing
    behind, one that is killed a file that `is_unfinished` recognises. Raises OSError.
    """
    path = Path(path)
    with unfinished_file(path) as part:
        yield part
        if sync:
            _sync(part)
        part.replace(path)
    if sync:
        _sync(path.parent)


@contextmanager
def unfinished_file(path: Path) -> Iterator[Path]:
    """A new path beside `path` and with its suffix, removed at the end if something lies there."""
    part = path.with_name(f".{path.stem}.part-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield part
    finally:
        with suppress(OSError):
            part.unlink()


def is_unfinished(path: Path) -> bool:
    """True for a name that only `unfinished_file` gives: that of a file being written, or left by
    a process that was killed."""
    return _PART.fullmatch(path.name) is not None


def write_text(path: Path, text: str, *, sync: bool = True) -> None:
    """Write a UTF-8 file with `atomic_file`, lines ending in a line feed."""
    with atomic_file(path, sync=sync) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file with `atomic_file`."""
    with atomic_file(path) as part:
        part.write_bytes(data)


def private_opener(path: str, flags: int) -> int:
    """Opener for `open` of a file that only this user may read."""
    return os.open(path, flags, mode=0o600)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
