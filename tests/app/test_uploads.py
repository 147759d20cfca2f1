"""Uploaded files: server-named, once per content, gone with their session."""

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from app.uploads import CHUNK_BYTES, Uploads


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "line\nbreak.mp4", "видео 🎬.mp4", "", "a" * 500]
)
def test_the_file_on_disk_never_bears_the_users_name(name: str) -> None:
    uploads = Uploads()
    upload = uploads.take(io.BytesIO(b"bytes"), name)
    assert upload.name == name
    assert upload.path.name == f"{hashlib.sha256(b'bytes').hexdigest()}.upload"
    assert upload.path.parent == uploads.folder
    uploads.close()


def test_bytes_arrive_unchanged_across_chunks() -> None:
    uploads = Uploads()
    content = bytes(range(256)) * (CHUNK_BYTES // 256 + 3)
    upload = uploads.take(io.BytesIO(content), "long.mp4")
    assert upload.path.read_bytes() == content
    assert upload.sha256 == hashlib.sha256(content).hexdigest()
    uploads.close()


def test_equal_bytes_are_kept_once_and_found_by_their_sha256() -> None:
    uploads = Uploads()
    first = uploads.take(io.BytesIO(b"same"), "a.mp4")
    second = uploads.take(io.BytesIO(b"same"), "b.mp4")
    assert [path.name for path in uploads.folder.iterdir()] == [first.path.name]
    assert uploads.find(first.sha256) == second
    uploads.close()


def test_one_session_never_finds_the_file_of_another() -> None:
    mine, yours = Uploads(), Uploads()
    upload = mine.take(io.BytesIO(b"private"), "mine.mp4")
    assert yours.find(upload.sha256) is None
    mine.close()
    yours.close()


def test_closing_deletes_every_file() -> None:
    uploads = Uploads()
    upload = uploads.take(io.BytesIO(b"bytes"), "a.mp4")
    uploads.close()
    assert not uploads.folder.exists()
    assert uploads.find(upload.sha256) is None


def test_files_of_open_sessions_go_when_the_server_stops() -> None:
    program = (
        "import io; from app.uploads import Uploads; uploads = Uploads();"
        "print(uploads.take(io.BytesIO(b'private'), 'a.mp4').path)"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, check=True)
    path = Path(run.stdout.decode().strip())
    assert path.suffix == ".upload"
    assert not path.parent.exists()
