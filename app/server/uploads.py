"""Uploaded files: each belongs to one session, lies under a name of our own, and goes with it."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
import threading
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, BinaryIO

from app.server import settings
from dsanet_core.atomic import atomic_file, private_opener
from dsanet_core.errors import VideoError
from dsanet_core.text_format import file_size
from dsanet_core.video.refusals import shown_as

PREFIX = "dsanet-lens-"
"""Of the folders in the system's folder of temporary files."""
LOCK = ".lock"
"""Held (flock) in each folder by the process that it belongs to, for as long as that lives."""
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Upload:
    """A file on disk. name: what its owner called it, only ever shown; sha256: of its bytes."""

    name: str
    sha256: str
    path: Path
    size: int


@dataclass(frozen=True)
class Spooled:
    """A file of weights on disk, not yet checked. shown: what its owner calls it; path: alone in a
    folder of its own, under that name with all but letters and digits cleaned out of it: names of
    published files say what no tensor does (8x8, TSM)."""

    shown: str
    path: Path
    size: int

    def remove(self) -> None:
        shutil.rmtree(self.path.parent, ignore_errors=True)


class Uploads:
    """The uploads of one session, by sha256, in a folder of their own that no other user of the
    machine may enter. weights: a file that waits to be checked."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 0700
        held = (self.folder / LOCK).open("wb")
        fcntl.flock(held, fcntl.LOCK_EX)
        self._by_sha256: dict[str, Upload] = {}  # the oldest first
        self._lock = threading.Lock()
        self.weights: Spooled | None = None
        # Also when the server stops while the session is still open.
        self._delete = weakref.finalize(self, _delete, self.folder, held)

    def take(self, source: BinaryIO, name: str) -> Upload:
        """Copy an uploaded file to disk, chunk by chunk; the same bytes are kept once.

        The session's oldest uploads go where this one needs their room. Raises VideoError for a
        file that is too large for a session, and where the disk is full or cannot be written.
        """
        sha256, size = _digest(source)
        with self._lock:
            known = self._by_sha256.pop(sha256, None)
            if known is None:
                self._make_room(size, name)
                known = Upload(name, sha256, self._copy(source, sha256, name), size)
            self._by_sha256[sha256] = replace(known, name=name)
            return self._by_sha256[sha256]

    def find(self, sha256: str) -> Upload | None:
        return self._by_sha256.get(sha256)

    def close(self) -> None:
        """Delete every file."""
        self._delete()
        self._by_sha256.clear()
        self.weights = None

    def _make_room(self, size: int, name: str) -> None:
        most, kept = settings.UPLOAD_BYTES_PER_SESSION, list(self._by_sha256.values())
        if size > most:
            raise VideoError(
                f"{shown_as(name)} has {file_size(size)}", f"at most {file_size(most)}",
                "Cut out the part you are interested in and upload that.",
            )
        room = shutil.disk_usage(self.folder).free - settings.FREE_DISK_BYTES
        if size > room + sum(upload.size for upload in kept):
            raise _no_room(name)
        for oldest in kept:
            held = sum(upload.size for upload in self._by_sha256.values())
            full = len(self._by_sha256) >= settings.UPLOADS_PER_SESSION
            if not full and held + size <= most and size <= room:
                return
            room += oldest.size
            del self._by_sha256[oldest.sha256]
            for file in self.folder.glob(f"{oldest.sha256}.*"):  # and the copy that browsers play
                file.unlink(missing_ok=True)

    def _copy(self, source: BinaryIO, sha256: str, name: str) -> Path:
        path = self.folder / f"{sha256}.upload"
        try:
            with (
                atomic_file(path, sync=False) as part,
                open(part, "xb", opener=private_opener) as spool,
            ):
                source.seek(0)
                shutil.copyfileobj(source, spool, CHUNK_BYTES)
        except OSError as error:
            raise _no_room(name) from error
        return path


def _digest(source: BinaryIO) -> tuple[str, int]:
    """SHA-256 (hex) and size in bytes."""
    digest = hashlib.sha256()
    source.seek(0)
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest(), source.tell()


def _delete(folder: Path, held: IO[bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    held.close()


def _no_room(name: str) -> VideoError:
    return VideoError(
        f"There is no room on the server's disk for {shown_as(name)}",
        f"{file_size(settings.FREE_DISK_BYTES)} free besides it",
        "Upload a shorter video, or ask the server's administrator to make room.",
    )
