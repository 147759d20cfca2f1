"""Processes that train or evaluate together, as torchrun describes them, and their devices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch

T = TypeVar("T")

PATIENCE = timedelta(days=7)
"""Time that processes wait for each other: torchrun notices failures, not a timeout."""


@dataclass(frozen=True)
class Workers:
    """The processes of this training or run; one where torchrun started none."""

    rank: int
    count: int
    local_rank: int = 0

    @classmethod
    def join(cls, device: torch.device) -> Workers:
        """This process, once all are connected."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        rank, local_rank = (int(os.environ.get(key, "0")) for key in ("RANK", "LOCAL_RANK"))
        if count > 1 and not torch.distributed.is_initialized():
            if device.type == "cuda":
                torch.cuda.set_device(device)
            backend = "nccl" if device.type == "cuda" else "gloo"
            torch.distributed.init_process_group(backend, timeout=PATIENCE)
        return cls(rank, count, local_rank)

    @contextmanager
    def one_of_a_machine_first(self) -> Iterator[None]:
        """The first process of each machine runs the block while the others wait for it."""
        if self.local_rank:
            self.wait()
        yield
        if not self.local_rank:
            self.wait()

    def wait(self) -> None:
        """Wait until every process calls this."""
        if self.count > 1:
            torch.distributed.barrier()

    def share(self, value: T | None) -> T:
        """The first process's value, in every process."""
        values = [value]
        if self.count > 1:
            torch.distributed.broadcast_object_list(values, src=0)
        shared = values[0]
        assert shared is not None
        return shared

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of what all processes have, in place."""
        if self.count > 1:
            torch.distributed.all_reduce(value)
        return value

    def gather(self, value: T) -> list[T]:
        """The values of all processes by rank, in every process."""
        if self.count == 1:
            return [value]
        values: list[T] = [value] * self.count
        torch.distributed.all_gather_object(values, value)
        return values


def is_first() -> bool:
    """True in the process of rank 0, and without torchrun."""
    return int(os.environ.get("RANK", "0")) == 0


def leave() -> None:
    """Disconnect from the other processes, at the end of a command."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def pick_local(device: torch.device) -> torch.device:
    """Of several GPUs the one that torchrun gave this process."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return device


def free_bytes(device: torch.device) -> int:
    """Bytes that this process can still take of a GPU, with those that torch holds unused."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
