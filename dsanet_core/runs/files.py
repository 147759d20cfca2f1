"""Files of a run that are damaged, or that the disk does not take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsanet_core.errors import RunError

DAMAGED = ".damaged"
"""At the end of the name of a file that was set aside: kept for whoever wants to look, read by
nobody."""


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
