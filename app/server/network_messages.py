"""What the server and a process with networks send each other, over a socket."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Generic, TypeVar

from app.server.tasks import Answer
from dsanet_core.records import Clips

CLIPS_KEPT = 2
"""Of the videos asked about last; the other end counts along and does not send them again."""


@dataclass(frozen=True)
class Task:
    """weights: a file, sha256: of it. video: tells clips from others; clips: None where those of
    this video were sent before (`Recent`). answer: what is asked, as `app.server.tasks` has it."""

    weights: Path
    sha256: str
    video: tuple[Any, ...]
    clips: Clips | None
    answer: Answer


Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The last `CLIPS_KEPT` values by key: both ends keep the same keys."""

    def __init__(self) -> None:
        self._values: OrderedDict[Any, Value] = OrderedDict()

    def __contains__(self, key: Any) -> bool:
        return key in self._values

    def take(self, key: Any, value: Value | None) -> Value:
        """The value of this key, which is given where it is not at hand."""
        if value is not None:
            self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > CLIPS_KEPT:
            self._values.popitem(last=False)
        return self._values[key]


def send(connection: Connection, message: Any) -> None:
    """Arrays travel beside the pickle, so that they are not copied into it."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    arrays = [buffer.raw() for buffer in buffers]
    connection.send((head, [array.nbytes for array in arrays]))
    for array in arrays:
        connection.send_bytes(array)


def receive(connection: Connection) -> tuple[Any, int]:
    """A message and its size in bytes. Raises EOFError when the other end is gone."""
    head, sizes = connection.recv()
    arrays = [bytearray(size) for size in sizes]
    for array in arrays:
        connection.recv_bytes_into(array)
    return pickle.loads(head, buffers=arrays), len(head) + sum(sizes)
