"""Whatever happens to a child, or to the server that forks them, is a message, and over."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from dsanet_core.errors import VideoError
from dsanet_core.records import Sampling
from dsanet_core.video import (
    DEFAULT_LIMITS,
    browser_proxy,
    clips,
    read_clips,
    sandbox,
)
from tests.video.make import number_of, write_video

SAMPLING = Sampling(4, 3, 5)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", range(20))


@pytest.fixture
def own_server() -> Iterator[None]:
    """A server for one test alone."""
    sandbox.server.shut_down()
    yield
    sandbox.server.shut_down()


def children_that(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on children run this, with their socket as `data`, instead of decoding."""
    body = "\n    ".join(code.splitlines())
    program = (
        "import os, signal, time\n"
        "from dsanet_core.video import confine, fork_server, limits\n"
        f"def work(data, isolation):\n    data.recv(65536)\n    {body}\n"
        "fork_server.serve(work)"
    )
    monkeypatch.setattr(sandbox, "COMMAND", (sys.executable, "-B", "-c", program))


def message(path: Path, **kwargs: object) -> str:
    with pytest.raises(VideoError) as caught:
        read_clips(path, SAMPLING, **kwargs)  # type: ignore[arg-type]
    return str(caught.value)


def wait_until_gone(pid: int) -> None:
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError(f"process {pid} lived on")


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT"])
def test_a_crash_is_reported(
    video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    children_that(f"os.kill(os.getpid(), signal.{name})", monkeypatch)
    text = message(video)
    assert f"the decoder crashed ({name})" in text and "may be damaged or made to do harm" in text


def test_a_kill_from_outside_is_not_blamed_on_the_file(
    video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    children_that("os.kill(os.getpid(), signal.SIGKILL)", monkeypatch)
    text = message(video)
    assert "killed from outside (SIGKILL)" in text and "the file may be all right" in text
    assert "harm" not in text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os._exit(3)", "the decoder failed (exit 3)"),
        ("raise ValueError", "the decoder failed (exit 1)"),
        ("pass", "stopped in the middle of its answer"),
        ("data.send(bytes(7) + b'\\x02[]')", "answered nonsense"),
        ("data.send(bytes(7) + b'\\x02{}')", "makes no sense"),
        ('data.send(bytes(7) + b\'\\x15{"failed": "because"}\')', "the decoder failed (because)"),
        ("while True: data.sendall(bytes(1 << 20))", "answered more than was asked"),
    ],
)
def test_nonsense_from_the_child_is_reported(
    video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    children_that(code, monkeypatch)
    assert words in message(video)


FACTS = {
    "num_frames_claimed": None,
    "container": "avi",
    "brand": "",
    "codec": "mpeg4",
    "width": 2,
    "height": 2,
    "fps": 25.0,
    "duration_seconds": 1.0,
    "num_frames": 25,
    "rotation": 0,
    "notes": [],
    "pixel_format": "yuv420p",
    "frame_size": [2, 2],
    "frame_index": [],
    "pts_seconds": [],
    "position": [],
}


@pytest.mark.parametrize(
    "lie",
    [
        {"width": float("inf")},
        {"num_frames": 10**30},
        {"frame_size": [-1, 2]},
        {"frame_size": [2]},
        {"frame_size": 5},
        {"frame_index": {"a": 1}},
        {"frame_index": [1e300]},
        {"position": [[0, 1]]},
        {"notes": 3},
        {"fps": [1]},
    ],
)
def test_facts_of_no_sense_are_reported(
    video: Path, monkeypatch: pytest.MonkeyPatch, lie: dict[str, object]
) -> None:
    """Answers of a child that has been taken over."""
    monkeypatch.setattr(
        clips, "ask_child", lambda *_, **__: (json.loads(json.dumps(FACTS | lie)), memoryview(b""))
    )
    assert "the decoder's answer makes no sense" in message(video)


def test_a_proxy_of_no_sense_is_reported(tmp_path: Path, video: Path, own_server: None) -> None:
    for code in ("'[' * 100_000", "'{\"seconds\": 1}'", '\'{"seconds": "x"}\''):
        with pytest.MonkeyPatch.context() as patch:
            children_that(
                f"said = {code}\ndata.sendall(len(said).to_bytes(8, 'big') + said.encode())", patch
            )
            with pytest.raises(VideoError, match="could not be decoded: the decoder"):
                browser_proxy(video, tmp_path / "proxy.mp4")
            sandbox.server.shut_down()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_hash_that_nobody_wants_is_given_up(video: Path) -> None:
    is_over = threading.Event()
    with clips.open_upload(video, DEFAULT_LIMITS) as upload:
        assert upload.sha256(is_over) == hashlib.sha256(video.read_bytes()).hexdigest()
        is_over.set()
        with pytest.raises(CancelledError):
            upload.sha256(is_over)


def test_a_child_that_hangs_is_killed_with_its_children(
    tmp_path: Path, video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pids"
    children_that(
        "fork = os.fork()\n"
        f"fork or open({str(note)!r}, 'a').write(f'{{os.getpid()}} {{os.getppid()}}')\n"
        "time.sleep(600)",
        monkeypatch,
    )
    text = message(video, limits=replace(DEFAULT_LIMITS, wall_seconds=1.0))
    assert "took longer to decode than allowed; expected at most 1 s" in text
    pids = [int(pid) for pid in note.read_text().split()]
    assert len(pids) == 2
    for pid in pids:
        wait_until_gone(pid)


def test_processor_time_is_limited_too(video: Path) -> None:
    limits = replace(DEFAULT_LIMITS, wall_seconds=0.0)
    assert "took longer to decode than allowed" in message(video, limits=limits)


def test_cancelling_kills_the_child(
    tmp_path: Path, video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pid"
    children_that(f"open({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)", monkeypatch)
    cancel = threading.Event()

    def set_when_started() -> None:
        while not (note.exists() and note.read_text()):
            time.sleep(0.01)
        cancel.set()

    threading.Thread(target=set_when_started).start()
    with pytest.raises(CancelledError):
        read_clips(video, SAMPLING, cancel=cancel)
    assert not Path("/proc", note.read_text()).exists()


def test_a_child_has_nothing_of_its_parent(
    tmp_path: Path, video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its environment nor its descriptors, its own socket and the void apart."""
    monkeypatch.setenv("LENS_SECRET", "swordfish")
    note = tmp_path / "seen"
    children_that(
        "fds = {int(n): os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
        " if os.path.exists(f'/proc/self/fd/{n}')}\n"
        f"open({str(note)!r}, 'w').write(repr((fds, dict(os.environ))))",
        monkeypatch,
    )
    inherited = os.open(video, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        message(video)
    finally:
        os.close(inherited)
    text = note.read_text()
    descriptors, environment = eval(text)
    assert set(descriptors) <= {0, 1, 2, 3}
    assert [descriptors[fd] for fd in (0, 1, 2)] == ["/dev/null"] * 3
    assert descriptors[3].startswith("socket:")
    assert set(environment) <= {
        *("PYTHONPATH", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LC_CTYPE")
    }
    assert "swordfish" not in text


def test_threads_that_ask_and_cancel_at_once_get_their_own_video(tmp_path: Path) -> None:
    paths = [
        write_video(tmp_path / f"{first}.mp4", range(first, first + 20))
        for first in range(0, 80, 20)
    ]
    delays = random.Random(0)

    def read(turn: int) -> bool:
        cancel = threading.Event()
        if turn % 3 == 0:
            threading.Timer(delays.random() * 0.1, cancel.set).start()
        try:
            frames = read_clips(paths[turn % 4], Sampling(1, 2, 1), cancel=cancel).frames
        except CancelledError:
            return False
        numbers = [number_of(rgb) for rgb in frames.rgb]
        assert numbers == [turn % 4 * 20 + index for index in frames.frame_index]
        return True

    with ThreadPoolExecutor(8) as threads:
        was_read = list(threads.map(read, range(40)))
    assert all(was_read[turn] for turn in range(40) if turn % 3)
    server = sandbox.server.get().pid
    assert Path(f"/proc/{server}/task/{server}/children").read_text() == ""


def test_a_killed_server_is_replaced(video: Path) -> None:
    read_clips(video, SAMPLING)
    before = sandbox.server.get()
    os.kill(before.pid, signal.SIGKILL)
    assert read_clips(video, SAMPLING).frames.video.num_frames == 20
    assert sandbox.server.get() is not before
    assert not Path("/proc", str(before.pid)).exists()


def test_a_server_that_does_not_answer_is_replaced(
    video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_clips(video, SAMPLING)
    before = sandbox.server.get()
    os.kill(before.pid, signal.SIGSTOP)
    monkeypatch.setattr(sandbox, "START_SECONDS", 5.0)
    monkeypatch.setattr(sandbox, "STOP_SECONDS", 0.1)
    assert read_clips(video, SAMPLING).frames.video.num_frames == 20
    assert not Path("/proc", str(before.pid)).exists()


def test_a_server_killed_while_a_child_works_costs_nothing_but_time(
    tmp_path: Path, video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first child waits for ever; those of the next server answer."""
    note = tmp_path / "pids"
    children_that(
        f"was_there = os.path.exists({str(note)!r})\n"
        f"open({str(note)!r}, 'a').write(f'{{os.getpid()}} ')\n"
        "was_there or time.sleep(600)\n"
        'data.send(bytes(7) + b\'\\x15{"failed": "because"}\')',
        monkeypatch,
    )

    def kill_server() -> None:
        while not (note.exists() and note.read_text()):
            time.sleep(0.01)
        os.kill(sandbox.server.get().pid, signal.SIGKILL)

    threading.Thread(target=kill_server, daemon=True).start()  # a child that never starts fails
    assert "the decoder failed (because)" in message(video)
    first, second = (int(pid) for pid in note.read_text().split())
    wait_until_gone(first)
    wait_until_gone(second)


def test_a_server_that_cannot_start_is_a_message(
    video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "raise SystemExit('no such library')"
    monkeypatch.setattr(sandbox, "COMMAND", (sys.executable, "-S", "-c", program))
    assert "the decoder was lost, its server ended: no such library" in message(video)


def test_a_machine_without_room_for_a_server_is_a_message(
    video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_long = "#" * (8 << 20)  # for the command line of a process
    monkeypatch.setattr(sandbox, "COMMAND", (sys.executable, "-c", too_long))
    assert "this machine has no room for a decoder (Argument list too long" in message(video)


def test_a_missing_decoder_library_is_a_message(
    video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import sys; sys.modules['av'] = None\n"
        "from dsanet_core.video import fork_server\n"
        "fork_server.serve(fork_server.decode_one)"
    )
    monkeypatch.setattr(sandbox, "COMMAND", (sys.executable, "-B", "-c", program))
    assert "cannot be read without PyAV" in message(video)


def test_the_server_and_its_children_end_with_their_parent(
    tmp_path: Path, video: Path, own_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pids"
    children_that(
        f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} {{os.getppid()}}')\ntime.sleep(600)",
        monkeypatch,
    )
    parent = multiprocessing.get_context("fork").Process(target=_read_elsewhere, args=(video,))
    parent.start()
    while not (note.exists() and len(note.read_text().split()) == 2):
        time.sleep(0.01)
    parent.kill()
    parent.join()
    parent.close()
    for left in note.read_text().split():
        wait_until_gone(int(left))


def _read_elsewhere(path: Path) -> tuple[int, int]:
    return read_clips(path, SAMPLING).frames.video.num_frames, sandbox.server.get().pid


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_process_has_a_server_of_its_own(video: Path, method: str) -> None:
    read_clips(video, SAMPLING)
    here = sandbox.server.get()
    with multiprocessing.get_context(method).Pool(1) as pool:
        num_frames, elsewhere = pool.apply(_read_elsewhere, (video,))
    assert num_frames == 20
    assert elsewhere != here.pid
    assert sandbox.server.get() is here
    assert read_clips(video, SAMPLING).frames.video.num_frames == 20
    wait_until_gone(elsewhere)


def test_nothing_is_left_of_the_children(video: Path) -> None:
    """No zombies below the server, no descriptors here."""
    read_clips(video, SAMPLING)
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        read_clips(video, SAMPLING)
    server = sandbox.server.get().pid
    assert Path(f"/proc/{server}/task/{server}/children").read_text() == ""
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
