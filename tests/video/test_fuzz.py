"""Damaged files in small: pictures or a message, whatever is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dsanet_core.errors import VideoError
from dsanet_core.video import read_clips
from tests.video.make import Children, write_video
from tools.fuzz import trace
from tools.fuzz.attempt import FINDINGS, PICTURES, SAMPLING, attempt
from tools.fuzz.bases import CONTAINERS, bases
from tools.fuzz.damage import damaged
from tools.fuzz.elements import elements

SEEDS = range(100_000, 100_024)


@pytest.mark.parametrize("container", CONTAINERS)
def test_damaged_files_give_pictures_or_a_message(tmp_path: Path, container: str) -> None:
    outcomes = [attempt(container, seed, tmp_path) for seed in SEEDS]
    assert [o for o in outcomes if {o.kind, o.proxy} & set(FINDINGS)] == []
    assert sum(outcome.kind == PICTURES for outcome in outcomes) >= 2
    assert len({outcome.kind for outcome in outcomes}) >= 2
    assert all(0 < outcome.peak_bytes < 1 << 30 for outcome in outcomes)
    assert list(tmp_path.iterdir()) == []


def test_one_bit_cannot_make_the_decoder_fill_the_memory(tmp_path: Path) -> None:
    """A size of 1 shifts what follows, and a flag becomes a count of 33 million frames: it took
    2.5 GB before small files got less."""
    data = bytearray(bases("mp4")[-1])
    data[data.index(b"trun") - 1] = 1
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with Children() as children, pytest.raises(VideoError, match="or a damaged header claims"):
        read_clips(path, SAMPLING)
    assert children.ends[0].peak_bytes < 1_200 << 20


def test_a_place_that_no_file_has_is_as_good_as_its_end(tmp_path: Path) -> None:
    """FFmpeg seeks to before the start; the exception became the decoder's failure."""
    outcome = attempt("mp4", 2747, tmp_path)
    assert outcome.kind not in FINDINGS, outcome.text


def test_damage_is_determined_by_container_and_seed() -> None:
    for container in CONTAINERS:
        files = [damaged(container, seed) for seed in range(30)]
        assert files == [damaged(container, seed) for seed in range(30)]
        assert len(set(files)) >= 29
        assert not set(files) & set(bases(container))


def test_the_elements_of_an_intact_file_fill_it() -> None:
    for container in CONTAINERS:
        for data in bases(container):
            parts = elements(container, data)
            assert max(part.end for part in parts) >= len(data) - 1
            assert all(part.start < part.body <= part.end for part in parts)
            assert len(parts) >= 15


TRACE = """\
10 prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, {len=120, filter=0x7f}) = 0
10 clone(child_stack=0x1, flags=CLONE_VM|CLONE_THREAD <unfinished ...>
11 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3
10 <... clone resumed>, parent_tid=[11]) = 11
10 openat(AT_FDCWD, "/a(b)", O_RDONLY) = -1 EPERM (Operation not permitted)
12 openat(AT_FDCWD, "/of/the/parent", O_RDONLY) = 3
10 +++ exited with 0 +++
"""


def test_a_trace_tells_what_children_and_their_threads_reached() -> None:
    reach = trace.reach(TRACE.splitlines())
    assert reach.children == 1
    assert [call.split('"')[1] for call in reach.reached] == ["/etc/passwd"]
    assert [call.split('"')[1] for call in reach.refused] == ["/a(b)"]


READ = """
import sys
from pathlib import Path
from dsanet_core.records import Sampling
from dsanet_core.video import read_clips
assert read_clips(sys.argv[1], Sampling(1, 1, 1)).frames.video.num_frames == 5
"""


@pytest.mark.parametrize("how", trace.HOW)
def test_a_traced_child_opens_nothing(tmp_path: Path, how: str) -> None:
    try:
        subprocess.run(["strace", "-f", "--seccomp-bpf", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("strace is not there or may not trace")
    path = write_video(tmp_path / "a.mp4", range(5))
    log = tmp_path / "log"
    before = trace.command(str(log), how)
    subprocess.run([*before, sys.executable, "-c", READ, str(path)], check=True)
    text = log.read_text()
    assert str(path) in text  # opened by the parent
    reach = trace.reach(text.splitlines())
    assert reach.children == 1
    assert reach.reached == {}
