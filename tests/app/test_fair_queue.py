"""The queue: fair turns, shared by key, limited, cancellable, forgetting the oldest."""

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from app.server.fair_queue import WAITING, BusyError, FairQueue, Job
from dsanet_core.errors import VideoError

TIMEOUT = 10


def finished(job: Job) -> Job:
    assert job.finished.wait(TIMEOUT)
    return job


@pytest.fixture
def room() -> FairQueue:
    return FairQueue("test", keep=3)


def test_two_sessions_that_ask_the_same_share_one_job(room: FairQueue) -> None:
    runs = []
    jobs = [room.submit("key", session, lambda job: runs.append(1)) for session in "ab"]
    assert jobs[0] is jobs[1]
    finished(jobs[0])
    assert runs == [1]


def test_jobs_run_one_after_the_other(room: FairQueue) -> None:
    running, most = [], []

    def work(job: Job) -> int:
        running.append(job)
        most.append(len(running))
        threading.Event().wait(0.005)
        running.remove(job)
        return len(most)

    jobs = [room.submit(n, "a", work) for n in range(5)]
    assert [finished(job).result for job in jobs] == [1, 2, 3, 4, 5]
    assert max(most) == 1


def test_a_released_job_stops_at_its_next_step_unless_another_session_waits(
    room: FairQueue,
) -> None:
    started, go_on = threading.Event(), threading.Event()

    def work(job: Job) -> str:
        started.set()
        assert go_on.wait(TIMEOUT)
        job.report("second step", 0.5)
        return "done"

    shared = room.submit("shared", "a", work)
    room.submit("shared", "b", work)
    assert started.wait(TIMEOUT)
    alone = room.submit("alone", "a", work)
    room.release("a")
    go_on.set()
    assert finished(shared).result == "done"
    assert isinstance(finished(alone).error, CancelledError)


def test_release_keeps_the_jobs_it_is_told_to_keep(room: FairQueue) -> None:
    hold = threading.Event()
    blocker = room.submit("blocker", "other", lambda job: hold.wait(TIMEOUT))
    kept = room.submit("kept", "a", lambda job: "kept")
    dropped = room.submit("dropped", "a", lambda job: "dropped")
    room.release("a", keep={"kept"})
    hold.set()
    finished(blocker)
    assert finished(kept).result == "kept"
    assert isinstance(finished(dropped).error, CancelledError)


def test_a_cancelled_job_runs_anew_when_asked_for_again(room: FairQueue) -> None:
    hold = threading.Event()
    blocker = room.submit("blocker", "other", lambda job: hold.wait(TIMEOUT))
    first = room.submit("key", "a", lambda job: "first")
    room.release("a")
    second = room.submit("key", "a", lambda job: "second")
    hold.set()
    finished(blocker)
    assert isinstance(finished(first).error, CancelledError)
    assert finished(second).result == "second"


def test_a_failure_is_kept_for_its_session_and_the_room_works_on(room: FairQueue) -> None:
    def fail(job: Job) -> None:
        raise VideoError("zero bytes", "a video", "Choose another file.")

    failed = finished(room.submit("bad", "a", fail))
    assert isinstance(failed.error, VideoError)
    assert room.submit("bad", "a", fail) is failed
    assert finished(room.submit("good", "a", lambda job: 7)).result == 7
    assert room.submit("bad", "b", lambda job: "better") is not failed


def test_a_failure_is_tried_again_after_its_session_let_go(room: FairQueue) -> None:
    def fail(job: Job) -> None:
        raise RuntimeError("out of luck")

    failed = finished(room.submit("key", "a", fail))
    room.release("a")
    assert finished(room.submit("key", "a", lambda job: "luck")).result == "luck"
    assert isinstance(failed.error, RuntimeError)


def test_only_the_last_finished_jobs_stay_at_hand(room: FairQueue) -> None:
    first = finished(room.submit(0, "a", lambda job: 0))
    for key in range(1, 5):
        finished(room.submit(key, "a", lambda job: 0))
    assert room.submit(4, "a", lambda job: 1).result == 0
    assert room.submit(0, "a", lambda job: 1) is not first


@pytest.fixture
def held() -> Iterator[tuple[FairQueue, list[str], threading.Event]]:
    """A room whose thread is busy until the event is set, and the order in which jobs then run."""
    room, order, go_on = FairQueue("held", waiting=3, waiting_in_all=5), [], threading.Event()
    begun = threading.Event()

    def block(job: Job) -> None:
        begun.set()
        assert go_on.wait(TIMEOUT)

    room.submit("block", "somebody", block)
    assert begun.wait(TIMEOUT)
    yield room, order, go_on
    go_on.set()


def test_sessions_take_turns_whatever_number_of_jobs_each_has(
    held: tuple[FairQueue, list[str], threading.Event],
) -> None:
    room, order, go_on = held
    names = ("a1", "a2", "a3", "b1", "c1")
    jobs = {
        name: room.submit(name, name[0], lambda job, name=name: order.append(name))
        for name in names
    }
    assert {name: room.ahead(job) for name, job in jobs.items()} == {
        "a1": 0, "b1": 1, "c1": 2, "a2": 3, "a3": 4,
    }
    go_on.set()
    for job in jobs.values():
        finished(job)
    assert order == ["a1", "b1", "c1", "a2", "a3"]
    assert room.ahead(jobs["a3"]) is None


def test_a_session_and_the_room_take_so_many_and_say_so(
    held: tuple[FairQueue, list[str], threading.Event],
) -> None:
    room, _, _ = held
    jobs = [room.submit(f"a{n}", "a", lambda job: 0) for n in range(3)]
    with pytest.raises(BusyError, match=r"3 of your analyses wait.*at most 3"):
        room.submit("a3", "a", lambda job: 0)
    assert room.submit("a0", "a", lambda job: 0) is jobs[0], "what waits already may be asked for"
    for n in range(2):
        room.submit(f"b{n}", "b", lambda job: 0)
    with pytest.raises(BusyError, match=r"5 analyses wait.*on this server.*Try again"):
        room.submit("c", "c", lambda job: 0)
    room.release("b")
    assert room.waiting == 3
    assert room.submit("c", "c", lambda job: 0).stage == WAITING


def test_a_job_that_is_let_go_leaves_its_line_at_once(
    held: tuple[FairQueue, list[str], threading.Event],
) -> None:
    room, order, _ = held
    job = room.submit("key", "a", lambda job: order.append("ran"))
    behind = room.submit("other", "b", lambda job: None)
    room.release("a")
    assert isinstance(finished(job).error, CancelledError)
    assert room.ahead(behind) == 0 and not order


def test_two_threads_serve_two_sessions_and_never_one_session_twice() -> None:
    room, both = FairQueue("pair", threads=2), threading.Barrier(2)
    running: list[str] = []
    doubled: list[str] = []

    def work(job: Job, session: str) -> None:
        doubled.extend(running.count(session) * [session])
        running.append(session)
        both.wait(TIMEOUT)  # nobody goes on alone
        running.remove(session)

    jobs = [
        room.submit((session, n), session, lambda job, s=session: work(job, s))
        for n in range(3) for session in "ab"
    ]
    assert [finished(job).error for job in jobs] == [None] * 6
    assert not doubled


def test_finished_jobs_are_bounded_by_size_those_nobody_shows_go_first() -> None:
    room = FairQueue("small", keep_bytes=100)

    def weigh(job: Job) -> str:
        job.nbytes = 40
        return "result"

    shown = finished(room.submit("shown", "a", weigh))
    left = finished(room.submit("left", "b", weigh))
    room.release("b")
    finished(room.submit("new", "c", weigh))
    assert room.submit("shown", "a", weigh) is shown
    assert room.submit("left", "b", weigh) is not left


def test_a_result_too_large_to_keep_is_still_given_to_whoever_asked() -> None:
    room = FairQueue("small", keep_bytes=100)

    def weigh(job: Job) -> str:
        job.nbytes = 1000
        return "result"

    job = finished(room.submit("big", "a", weigh))
    assert room.submit("big", "a", weigh) is job


def test_what_belongs_to_a_session_that_is_gone_is_forgotten() -> None:
    room = FairQueue("rooms")
    mine = finished(room.submit(("a", "file"), "a", lambda job: 1))
    other = finished(room.submit(("", "sample"), "a", lambda job: 1))
    room.release("a")
    room.forget("a")
    assert room.submit(("", "sample"), "b", lambda job: 2) is other
    assert finished(room.submit(("a", "file"), "b", lambda job: 2)) is not mine
