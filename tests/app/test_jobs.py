"""The queue: one at a time, shared by key, cancellable, forgetting the oldest."""

import threading
from concurrent.futures import CancelledError

import pytest

from app.jobs import Job, Workroom
from dsanet_core.errors import VideoError

TIMEOUT = 10


def finished(job: Job) -> Job:
    assert job.finished.wait(TIMEOUT)
    return job


@pytest.fixture
def room() -> Workroom:
    return Workroom("test", keep=3)


def test_two_sessions_that_ask_the_same_share_one_job(room: Workroom) -> None:
    runs = []
    jobs = [room.submit("key", session, lambda job: runs.append(1)) for session in "ab"]
    assert jobs[0] is jobs[1]
    finished(jobs[0])
    assert runs == [1]


def test_jobs_run_one_after_the_other(room: Workroom) -> None:
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
    room: Workroom,
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


def test_release_keeps_the_jobs_it_is_told_to_keep(room: Workroom) -> None:
    hold = threading.Event()
    blocker = room.submit("blocker", "other", lambda job: hold.wait(TIMEOUT))
    kept = room.submit("kept", "a", lambda job: "kept")
    dropped = room.submit("dropped", "a", lambda job: "dropped")
    room.release("a", keep={"kept"})
    hold.set()
    finished(blocker)
    assert finished(kept).result == "kept"
    assert isinstance(finished(dropped).error, CancelledError)


def test_a_cancelled_job_runs_anew_when_asked_for_again(room: Workroom) -> None:
    hold = threading.Event()
    blocker = room.submit("blocker", "other", lambda job: hold.wait(TIMEOUT))
    first = room.submit("key", "a", lambda job: "first")
    room.release("a")
    second = room.submit("key", "a", lambda job: "second")
    hold.set()
    finished(blocker)
    assert isinstance(finished(first).error, CancelledError)
    assert finished(second).result == "second"


def test_a_failure_is_kept_for_its_session_and_the_room_works_on(room: Workroom) -> None:
    def fail(job: Job) -> None:
        raise VideoError("zero bytes", "a video", "Choose another file.")

    failed = finished(room.submit("bad", "a", fail))
    assert isinstance(failed.error, VideoError)
    assert room.submit("bad", "a", fail) is failed
    assert finished(room.submit("good", "a", lambda job: 7)).result == 7
    assert room.submit("bad", "b", lambda job: "better") is not failed


def test_a_failure_is_tried_again_after_its_session_let_go(room: Workroom) -> None:
    def fail(job: Job) -> None:
        raise RuntimeError("out of luck")

    failed = finished(room.submit("key", "a", fail))
    room.release("a")
    assert finished(room.submit("key", "a", lambda job: "luck")).result == "luck"
    assert isinstance(failed.error, RuntimeError)


def test_only_the_last_finished_jobs_stay_at_hand(room: Workroom) -> None:
    first = finished(room.submit(0, "a", lambda job: 0))
    for key in range(1, 5):
        finished(room.submit(key, "a", lambda job: 0))
    assert room.submit(4, "a", lambda job: 1).result == 0
    assert room.submit(0, "a", lambda job: 1) is not first
