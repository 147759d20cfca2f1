"""State that all browser sessions of a server share, and that of each session.

Uploads of a session whose connection ended are kept for a while, since who lost the network comes
back, and then deleted. A closed tab and a lost connection look the same to a server.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path

from app.server import health, runtime, settings
from app.server.fair_queue import FairQueue, Job
from app.server.network_process import process_of
from app.server.run_videos import Source
from app.server.uploads import Uploads
from dsanet_core.records import Clips, Sampling

THREADS_PER_DEVICE = 2
"""While one waits for the network, the other decodes the next session's video."""
START_DELAY_SECONDS = 1.0
"""In which a browser draws the first page, with all cores to itself and the server."""
PREPARED = ("dsanet_core.checkpoints.load", "dsanet_core.runs.block_ablation")
"""Modules that take seconds to import, with torch; the first page does without."""
GPU_FILES = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/dxg", "/dev/kfd")
"""One of them is there where a driver for GPUs is: NVIDIA's, its Jetson's, WSL's, AMD's."""
MARGIN_SECONDS = 1.0
"""Streamlit only forgets a session whose time is over; one that is ended before frees its memory
too, the video that was played among it."""


@dataclass
class ServerState:
    """The state that all sessions share: a queue per device, one for copies that browsers play, one
    for checkpoints of users, the last decoded clips, and counters."""

    queues: dict[str, FairQueue]
    copies: FairQueue
    imports: FairQueue
    network_runs: int = 0
    decodes: int = 0
    _clips: OrderedDict[tuple[str, str, Sampling], Clips] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def all_queues(self) -> list[FairQueue]:
        return [*self.page_queues, self.imports]

    @property
    def page_queues(self) -> list[FairQueue]:
        """Those whose jobs end when their page is left."""
        return [*self.queues.values(), self.copies]

    def device_of(self, sha256: str) -> str:
        """A video always goes to the same device, so that models compared on it share a decode."""
        return list(self.queues)[int(sha256[:8], 16) % len(self.queues)]

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
    """The state of one browser session: its uploads, and the jobs it waits for. importing: that of
    the checkpoint that it uploaded last."""

    def __init__(self, server: ServerState) -> None:
        self.id = secrets.token_hex(8)
        self._streamlit_id, self.uploads = claim_uploads()
        self.wanted: set[Hashable] = set()
        self.importing: Job | None = None
        self._server = server

    def release(self, *, keep: Collection[Hashable] = ()) -> None:
        for queue in self._server.page_queues:
            queue.release(self.id, keep=keep)

    def close(self) -> None:
        """When the connection ends: results go at once, uploads a little later, since the page may
        come back, as after a lost network."""
        for queue in self._server.all_queues:
            queue.release(self.id)
            queue.forget(self.id)
        self._server.forget(self.id)
        leave_uploads(self._streamlit_id, self.uploads)


_lock = threading.Lock()
_left: dict[str, tuple[Uploads, object]] = {}
"""Uploads of disconnected sessions by Streamlit's id, and a token of the time they left."""


def claim_uploads() -> tuple[str, Uploads]:
    """Streamlit's id of this session, and its uploads: those that it left, or a new folder."""
    session = runtime.session_id()
    with _lock:
        found = _left.pop(session, None)
    return session, found[0] if found else Uploads()


def leave_uploads(session: str, uploads: Uploads) -> None:
    """Called when a connection has ended. After `server.disconnectedSessionTTL` the uploads are
    deleted and the session ends, unless it has claimed them before."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # no server has lost a connection: somebody cleared a cache
        uploads.close()
        return
    token = object()
    with _lock:
        _left[session] = uploads, token
    seconds = runtime.option("server.disconnectedSessionTTL") - MARGIN_SECONDS
    loop.call_later(max(0.0, seconds), _end, session, token)


def _end(session: str, token: object) -> None:
    with _lock:
        if session not in _left or _left[session][1] is not token:
            return
        uploads, _ = _left.pop(session)
    # Deleting may take a while, and this is the thread that serves everybody.
    asyncio.get_running_loop().run_in_executor(None, uploads.close)
    runtime.end_session(session)


@runtime.cache_resource(show_spinner=False)
def server_state() -> ServerState:
    devices = _devices()
    later = threading.Timer(START_DELAY_SECONDS, _prepare, (devices,))
    later.daemon = True
    later.start()
    queues = {
        device: FairQueue(f"networks.{device}", threads=THREADS_PER_DEVICE) for device in devices
    }
    server = ServerState(queues, FairQueue("copies"), FairQueue("imports"))
    for device in devices:
        health.observe(f"networks on {device}", partial(_facts, server, device))
    return server


def _devices() -> list[str]:
    """Every GPU, else the CPU. Only torch knows how many it can use, and its import takes seconds:
    it is asked where there may be one."""
    if not any(Path(file).exists() for file in GPU_FILES):
        return ["cpu"]
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]


def _prepare(devices: Sequence[str]) -> None:
    """Make ready what the first request needs, while the visitor chooses a video."""
    for device in devices:
        process_of(device).get()
    for name in PREPARED:
        import_module(name)


def _facts(server: ServerState, device: str) -> dict[str, object]:
    """Facts about a device for a health check."""
    process = process_of(device)
    pid, is_on_cpu = process.pid, bool(process.note)
    return {
        "ok": pid is not None and not is_on_cpu, "waiting": server.queues[device].waiting,
        "process": pid, "on_cpu_instead": is_on_cpu,
    }


@runtime.cache_resource(scope="session", show_spinner=False, on_release=Session.close)
def browser_session() -> Session:
    return Session(server_state())
