"""Opening the file that a user names, without following it into devices, pipes or folders."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dsanet_core.errors import VideoError
from dsanet_core.text_format import file_size
from dsanet_core.video.limits import Limits
from dsanet_core.video.refusals import EXPECTED, TRIM, shown_as

HEAD_BYTES = 4096
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Upload:
    """An open regular file. fd: its descriptor, whose position belongs to the child that reads
    it. name: what to call it in messages. head: its first bytes."""

    fd: int
    name: str
    head: bytes

    def sha256(self, is_over: threading.Event) -> str:
        """Hash of the whole file, read in pieces without moving the file position. Raises
        concurrent.futures.CancelledError soon after is_over is set."""
        digest = hashlib.sha256()
        offset = 0
        while chunk := os.pread(self.fd, CHUNK_BYTES, offset):
            digest.update(chunk)
            offset += len(chunk)
            if is_over.is_set():
                raise CancelledError("nobody wants the hash any more")
        return digest.hexdigest()


@contextmanager
def open_upload(path: str | os.PathLike[str], limits: Limits) -> Iterator[Upload]:
    """Open a video file for reading. Raises VideoError if it cannot be one."""
    name = shown_as(Path(path).name or os.fspath(path))
    try:
        # A named pipe would block without O_NONBLOCK.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        where = shown_as(os.fspath(path), 300)
        raise VideoError(f"{where} does not exist", EXPECTED, "Check the path.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise VideoError(
            f"{name} cannot be opened ({reason})", EXPECTED, "Check the path and its permissions."
        ) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
            raise VideoError(f"{name} is {kind}", EXPECTED, "Name one video file.")
        if status.st_size == 0:
            raise VideoError(
                f"{name} is empty (0 bytes)", EXPECTED, "Fetch it again: nothing of it arrived."
            )
        if status.st_size > limits.max_file_bytes:
            most = f"at most {file_size(limits.max_file_bytes)}"
            raise VideoError(f"{name} has {file_size(status.st_size)}", most, TRIM)
        yield Upload(fd, name, os.pread(fd, HEAD_BYTES, 0))
    finally:
        os.close(fd)
