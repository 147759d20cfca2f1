"""Uploaded files: each belongs to one session, lies under a name of our own, and goes with it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Upload:
    """A file on disk. name: what its owner called it, only ever shown; sha256: of its bytes."""

    name: str
    sha256: str
    path: Path


class Uploads:
    """The uploads of one session, by sha256, in a folder of their own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dsanet-lens-"))
        self._by_sha256: dict[str, Upload] = {}
        self._lock = threading.Lock()
        # Also when the server stops while the session is still open.
        self._delete = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def take(self, source: BinaryIO, name: str) -> Upload:
        """Copy an uploaded file to disk, chunk by chunk; the same bytes are kept once."""
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as spool:
            source.seek(0)
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
                spool.write(chunk)
        sha256 = digest.hexdigest()
        path = Path(spool.name).replace(self.folder / f"{sha256}.upload")
        with self._lock:
            self._by_sha256[sha256] = Upload(name, sha256, path)
            return self._by_sha256[sha256]

    def find(self, sha256: str) -> Upload | None:
        return self._by_sha256.get(sha256)

    def close(self) -> None:
        """Delete every file. Called when the session ends."""
        self._delete()
        self._by_sha256.clear()
