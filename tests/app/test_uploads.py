"""Uploaded files: server-named, once per content, gone with their session."""

import errno
import fcntl
import hashlib
import io
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.server import settings
from app.server.uploads import CHUNK_BYTES, LOCK, Uploads
from dsanet_core.errors import VideoError


def files_of(uploads: Uploads) -> list[str]:
    return sorted(path.name for path in uploads.folder.iterdir() if path.name != LOCK)


def take(uploads: Uploads, content: bytes) -> str:
    return uploads.take(io.BytesIO(content), "a.mp4").sha256


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
    assert files_of(uploads) == [first.path.name]
    assert uploads.find(first.sha256) == second
    assert second.name == "b.mp4"
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
        "import io; from app.server.uploads import Uploads; uploads = Uploads();"
        "print(uploads.take(io.BytesIO(b'private'), 'a.mp4').path)"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, check=True)
    path = Path(run.stdout.decode().strip())
    assert path.suffix == ".upload"
    assert not path.parent.exists()


def test_nobody_else_on_the_machine_may_enter_or_read() -> None:
    uploads = Uploads()
    upload = uploads.take(io.BytesIO(b"private"), "a.mp4")
    assert stat.S_IMODE(uploads.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(upload.path.stat().st_mode) == 0o600
    uploads.close()


def test_a_folder_is_locked_for_as_long_as_it_is_in_use() -> None:
    uploads = Uploads()
    with (uploads.folder / LOCK).open("rb") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        uploads.close()
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_oldest_uploads_go_when_a_new_one_needs_their_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "UPLOAD_BYTES_PER_SESSION", 10)
    uploads = Uploads()
    first, second, third = (take(uploads, text) for text in (b"1111", b"2222", b"33"))
    assert len(files_of(uploads)) == 3
    take(uploads, b"1111")  # again: now the second is the oldest
    (uploads.folder / f"{second}.mp4").touch()  # its copy for the browser
    fourth = take(uploads, b"4444")
    assert uploads.find(second) is None
    assert files_of(uploads) == sorted(f"{each}.upload" for each in (first, third, fourth))
    uploads.close()


def test_the_oldest_upload_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "UPLOADS_PER_SESSION", 2)
    uploads = Uploads()
    kept = [take(uploads, text) for text in (b"1", b"2", b"3")][1:]
    assert files_of(uploads) == sorted(f"{each}.upload" for each in kept)
    uploads.close()


def test_a_file_too_large_for_a_session_is_refused_and_takes_nothing_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "UPLOAD_BYTES_PER_SESSION", 10_000_000)
    uploads = Uploads()
    take(uploads, b"kept")
    before = files_of(uploads)
    with pytest.raises(VideoError, match=r"long\.mp4 has 10\.5 MiB; expected at most 9\.5 MiB"):
        uploads.take(io.BytesIO(bytes(11_000_000)), "long.mp4")
    assert files_of(uploads) == before
    uploads.close()


def test_a_disk_that_would_be_too_full_is_said_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uploads = Uploads()
    kept = take(uploads, b"kept")
    monkeypatch.setattr(settings, "FREE_DISK_BYTES", shutil.disk_usage("/").total * 1000)
    with pytest.raises(VideoError, match=r"no room on the server's disk for b\.mp4"):
        uploads.take(io.BytesIO(b"new"), "b.mp4")
    assert files_of(uploads) == [f"{kept}.upload"]
    uploads.close()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_no_half_of_a_file_stays_whatever_went_wrong(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    uploads = Uploads()

    def copy_half(source: io.BytesIO, spool: io.BufferedWriter, _: int) -> None:
        spool.write(source.read(2))
        spool.flush()
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", copy_half)
        with pytest.raises(VideoError if isinstance(error, OSError) else KeyboardInterrupt):
            take(uploads, b"1234")
    assert files_of(uploads) == []
    assert files_of(uploads) != [take(uploads, b"1234")], "the next try works"
    uploads.close()


def test_a_disk_that_is_really_full_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Uploads()
    monkeypatch.setattr("secrets.token_hex", lambda count: "0a1b2c3d")
    part = uploads.folder / f".{hashlib.sha256(b'1234').hexdigest()}.part-0a1b2c3d.upload"
    part.symlink_to("/dev/full")  # "xb" refuses what is there; nothing is written elsewhere
    with pytest.raises(VideoError, match="no room"):
        take(uploads, b"1234")
    assert not part.is_symlink()
    uploads.close()
