"""Messages between processes: whole or an error, within caps and in time; how a child ends."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError

import numpy as np
import pytest

from dsanet_core import child_process
from dsanet_core.child_process import (
    ISOLATED_ENV,
    Channel,
    Child,
    DeadlineError,
    KeptChild,
    MessageError,
)

ECHO = """
from dsanet_core.child_process import parent_channel
channel = parent_channel()
print("what a library prints goes nowhere", flush=True)
while True:
    header, buffers = channel.receive()
    channel.send(header, buffers)
"""


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    pair = socket.socketpair()
    with pair[0], pair[1]:
        yield Channel(pair[0]), Channel(pair[1])


def child_that(code: str, **options: int) -> Child:
    return Child((sys.executable, "-c", code), env=ISOLATED_ENV, **options)


def soon(seconds: float = 0.1) -> float:
    return time.monotonic() + seconds


def test_pieces_arrive_in_buffers_of_the_sizes_that_were_named(
    ends: tuple[Channel, Channel],
) -> None:
    here, there = ends
    here.send({"a": 1}, [np.arange(6, dtype=np.uint8).reshape(2, 3), b"", b"xy"])
    assert there.receive() == ({"a": 1}, [bytearray(range(6)), bytearray(), bytearray(b"xy")])
    here.send({}, [b"ab", b"cd"], sizes=[4])
    assert there.receive() == ({}, [bytearray(b"abcd")])
    here.send({"no": "buffers"})
    assert there.receive() == ({"no": "buffers"}, [])


def test_files_are_handed_over(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    handle = os.open(os.devnull, os.O_RDONLY)
    here.send({"with": "a file"}, files=[handle])
    header, (copy,) = there.receive_files(1)
    assert header == {"with": "a file"}
    assert os.path.sameopenfile(handle, copy)
    os.close(handle)
    os.close(copy)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"[]", "answered nonsense"),
        (b"7", "answered nonsense"),
        (b"{", "stopped in the middle"),
        (b"\xff\xfe", "stopped in the middle"),
        (b"[" * 100_000, "stopped in the middle"),
        (b'{"buffer_bytes": 3}', "answered nonsense"),
        (b'{"buffer_bytes": [-1]}', "answered nonsense"),
        (b'{"buffer_bytes": [1.5]}', "answered nonsense"),
        (b'{"buffer_bytes": [true]}', "answered nonsense"),
        (json.dumps({"buffer_bytes": [0] * 10_001}).encode(), "answered nonsense"),
        (b'{"buffer_bytes": [60, 41]}', "answered more than was asked"),
    ],
)
def test_what_is_no_message_or_over_the_caps_is_refused_before_it_is_read(
    ends: tuple[Channel, Channel], header: bytes, problem: str
) -> None:
    here, there = ends
    here.socket.sendall(struct.pack(">Q", len(header)) + header)
    with pytest.raises(MessageError, match=problem):
        there.receive(max_payload_bytes=100)


def test_a_header_over_the_cap_is_refused_before_it_is_read(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.socket.sendall(struct.pack(">Q", child_process.MAX_HEADER_BYTES + 1))
    with pytest.raises(MessageError, match="more than was asked"):
        there.receive()


def test_a_message_that_stops_halfway_ends_in_time_when_cancelled_or_hung_up(
    ends: tuple[Channel, Channel],
) -> None:
    here, there = ends
    here.socket.sendall(struct.pack(">Q", 100) + b'{"a')
    with pytest.raises(DeadlineError):
        there.receive(deadline=soon())
    here.socket.sendall(struct.pack(">Q", 100) + b'{"a')
    cancel = threading.Event()
    threading.Timer(0.1, cancel.set).start()
    with pytest.raises(CancelledError):
        there.receive(cancel=cancel)
    here.socket.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        while True:
            there.receive()


def test_a_child_answers_and_what_it_prints_is_no_answer() -> None:
    child = child_that(ECHO)
    try:
        for number in range(3):
            child.channel.send({"number": number}, [bytes(1 << 20)])
            header, (payload,) = child.channel.receive(deadline=soon(60))
            assert (header, len(payload)) == ({"number": number}, 1 << 20)
    finally:
        child.end()
    assert child.exit_reason() == "was killed by SIGKILL"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(3)", "ended with code 3"),
        ("import os; os.kill(os.getpid(), 15)", "was killed by SIGTERM"),
        ("raise SystemExit('no such library')", "ended: no such library"),
    ],
)
def test_a_child_that_ends_is_noticed_and_says_why(code: str, reason: str) -> None:
    child = child_that(code, stderr=subprocess.PIPE)
    with pytest.raises(EOFError):
        child.channel.receive(deadline=soon(60))
    assert child.exit_reason() == reason
    child.end()


def test_the_end_of_a_child_is_noticed_while_a_copy_of_its_socket_is_open() -> None:
    mine, theirs = socket.socketpair()
    ended = child_that("pass")
    ended.process.wait()
    with mine, theirs, pytest.raises(EOFError):
        Channel(mine, ended.is_running).receive(deadline=soon(60))
    ended.end()


def test_a_kept_child_is_replaced_when_it_is_gone_or_dropped() -> None:
    kept = KeptChild(lambda: child_that(ECHO))
    first = kept.get()
    assert kept.get() is first
    first.process.kill()
    first.process.wait()
    second = kept.get()
    assert second is not first
    kept.drop(first)
    assert kept.get() is second, "another one has been lost"
    kept.drop(second)
    assert not second.is_running() and kept.get() is not second
    kept.shut_down()
    assert kept.child is None
