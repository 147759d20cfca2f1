"""What all browser sessions of a server share, and what each has for itself."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path

import streamlit as st

from app.server import disconnected, health, settings
from app.server.fair_queue import FairQueue, Job
from app.server.network_process import process_of
from app.server.source import Source
from dsanet_core.records import Clips, Sampling

THREADS_PER_DEVICE = 2
"""While one waits for the network, the other decodes the next session's video."""
BREATH_SECONDS = 1.0
"""In which a browser draws the first page, with all cores to itself and the server."""
PREPARED = ("dsanet_core.checkpoints.load", "dsanet_core.runs.block_ablation")
"""What takes seconds to import, with torch, and what the first page does without."""
GPU_FILES = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/dxg", "/dev/kfd")
"""One of them is there where a driver for GPUs is: NVIDIA's, its Jetson's, WSL's, AMD's."""


@dataclass
class ServerState:
    """What all sessions share: a workroom per device, one for copies that browsers play, one for
    checkpoints that are brought, the last decoded clips, and counters."""

    rooms: dict[str, FairQueue]
    copies: FairQueue
    imports: FairQueue
    network_runs: int = 0
    decodes: int = 0
    _clips: OrderedDict[tuple[str, str, Sampling], Clips] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def all_rooms(self) -> list[FairQueue]:
        return [*self.page_rooms, self.imports]

    @property
    def page_rooms(self) -> list[FairQueue]:
        """Those whose jobs end when their page is left."""
        return [*self.rooms.values(), self.copies]

    def device_of(self, sha256: str) -> str:
        """A video always goes to the same device, so that models compared on it share a decode."""
        return list(self.rooms)[int(sha256[:8], 16) % len(self.rooms)]

    def clips(
        self, source: Source, sampling: Sampling, cancel: threading.Event
    ) -> tuple[Clips, dict[str, float]]:
        """The decoded clips, from the last few or from the file, and the time if it took any."""
        key = (source.owner, source.sha256, sampling)
        with self._lock:
            if key in self._clips:
                self._clips.move_to_end(key)
                return self._clips[key], {}
        begin = time.perf_counter()
        clips = source.read(sampling, cancel)
        with self._lock:
            self.decodes += 1
            self._clips[key] = clips
            while len(self._clips) > 1 and _bytes(self._clips.values()) > settings.CLIPS_BYTES:
                self._clips.popitem(last=False)
        return clips, {"decode": time.perf_counter() - begin}

    def forget(self, owner: str) -> None:
        """A session is over: nothing of its uploads stays in memory."""
        with self._lock:
            for key in [key for key in self._clips if key[0] == owner]:
                del self._clips[key]

    def count_network_run(self) -> None:
        with self._lock:
            self.network_runs += 1


def _bytes(kept: Collection[Clips]) -> int:
    return sum(clips.frames.rgb.nbytes for clips in kept)


class Session:
    """What one browser session owns: its uploads, and the jobs it waits for. importing: that of the
    checkpoint that it brought last."""

    def __init__(self, house: ServerState) -> None:
        self.id = secrets.token_hex(8)
        self._known_as, self.uploads = disconnected.claim()
        self.wanted: set[Hashable] = set()
        self.importing: Job | None = None
        self._house = house

    def release(self, *, keep: Collection[Hashable] = ()) -> None:
        for room in self._house.page_rooms:
            room.release(self.id, keep=keep)

    def close(self) -> None:
        """When the connection ends: what was found goes at once, what was brought a little later,
        since the page may come back, as after a lost network."""
        for room in self._house.all_rooms:
            room.release(self.id)
            room.forget(self.id)
        self._house.forget(self.id)
        disconnected.leave(self._known_as, self.uploads)


@st.cache_resource(show_spinner=False)
def server_state() -> ServerState:
    devices = _devices()
    later = threading.Timer(BREATH_SECONDS, _prepare, (devices,))
    later.daemon = True
    later.start()
    rooms = {
        device: FairQueue(f"networks.{device}", threads=THREADS_PER_DEVICE) for device in devices
    }
    house = ServerState(rooms, FairQueue("copies"), FairQueue("imports"))
    for device in devices:
        health.observe(f"networks on {device}", partial(_facts, house, device))
    return house


def _devices() -> list[str]:
    """Every GPU, else the CPU. Only torch knows how many it can use, and its import takes seconds:
    it is asked where there may be one."""
    if not any(Path(file).exists() for file in GPU_FILES):
        return ["cpu"]
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]


def _prepare(devices: Sequence[str]) -> None:
    """What the first question needs is made ready while the visitor chooses a video."""
    for device in devices:
        process_of(device).warm()
    for name in PREPARED:
        import_module(name)


def _facts(house: ServerState, device: str) -> dict[str, object]:
    """What a health check is told of a device."""
    process = process_of(device)
    return {
        "ok": process.pid is not None and not process.note, "waiting": house.rooms[device].waiting,
        "process": process.pid, "on_cpu_instead": bool(process.note),
    }


@st.cache_resource(scope="session", show_spinner=False, on_release=Session.close)
def browser_session() -> Session:
    return Session(server_state())
