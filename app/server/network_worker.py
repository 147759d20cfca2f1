"""The process with the networks of one device: `python -m app.server.network_worker DEVICE`.

It is given requests over its channel, one at a time, and reports its progress, then the outcome.
It knows no Streamlit and no session; the other end is `app.server.network_process`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from concurrent.futures import CancelledError
from functools import partial
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch

from app.server import logs, memory, settings, tasks
from app.server.network_process import NetworkRequest, Recent, receive_object, send_object
from dsanet_core import checkpoints
from dsanet_core.analysis import StepProgress
from dsanet_core.child_process import Channel, parent_channel
from dsanet_core.errors import CheckpointError, LensError, ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Clips, Frames, Sampling, Video

logger = logging.getLogger(__name__)


class Networks:
    """Loaded networks of one device by the sha256 of their weights: those that were not asked for
    longest go once their parameters take more than `settings.NETWORK_BYTES`."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._loaded: OrderedDict[str, VideoNetwork] = OrderedDict()

    def get(self, request: NetworkRequest) -> VideoNetwork:
        if request.sha256 not in self._loaded:
            network = checkpoints.load_model(request.weights, self.device)
            if network.weights.sha256 != request.sha256:
                raise CheckpointError(
                    f"{request.weights.name} is another file now",
                    f"sha256 {request.sha256[:12]}…", "Reload the page.",
                )
            # What a process does once (buffers, counting) must not stand as a network's time.
            blank = _blank(network.spec.protocol.sampling)
            tasks.analysis(blank, network, lambda step, share: None)
            self._loaded[request.sha256] = network
        self._loaded.move_to_end(request.sha256)
        while len(self._loaded) > 1 and sum(map(_size, self._loaded.values())) > (
            settings.NETWORK_BYTES
        ):
            self._loaded.popitem(last=False)
            self._free()
        return self._loaded[request.sha256]

    def clear(self) -> None:
        self._loaded.clear()
        self._free()

    def _free(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _size(network: VideoNetwork) -> int:
    return sum(p.numel() * p.element_size() for p in network.parameters())


def _blank(sampling: Sampling) -> Clips:
    """Clips of a video of one black frame."""
    facts = Video("blank", "", "", "", width=64, height=64, fps=1, duration_seconds=1, num_frames=1)
    black = np.zeros((1, facts.height, facts.width, 3), np.uint8)
    position = np.zeros((sampling.num_snippets, sampling.frames_per_snippet), np.int64)
    return Clips(Frames(facts, black, np.zeros(1, np.int64), np.zeros(1)), sampling, position)


class TaskInbox:
    """Requests as they come in, each with a number, by which it may be cancelled."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._requests: SimpleQueue[tuple[int, NetworkRequest]] = SimpleQueue()
        self._cancelled = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> tuple[int, NetworkRequest]:
        return self._requests.get()

    def report(self, number: int, step: str, share: float) -> None:
        """Raises CancelledError for a request that was cancelled."""
        if self._cancelled == number:
            raise CancelledError
        send_object(self._channel, ("progress", (step, share)))

    def _listen(self) -> None:
        while True:
            try:
                message, _ = receive_object(self._channel)
            except (EOFError, OSError):
                os._exit(0)  # the server is gone, and the result has nobody to go to
            if isinstance(message, int):
                self._cancelled = message
            else:
                self._requests.put(message)


def outcome(
    request: NetworkRequest, clips: Clips, networks: Networks, report: StepProgress
) -> tuple[str, Any]:
    """("done", result), ("failed", error), ("crashed", kind of error), ("stopped",
    None), or ("lost", reason) for a device that will not work again in this process."""

    def run() -> Any:
        report("load", 0.0)
        return request.task(clips, networks.get(request), report)

    try:
        try:
            return "done", run()
        except (torch.OutOfMemoryError, MemoryError):
            networks.clear()  # other networks may have been in the way
            return "done", run()
    except CancelledError:
        return "stopped", None
    except LensError as error:
        return "failed", error
    except (torch.OutOfMemoryError, MemoryError) as error:
        return "failed", _too_large(networks.device, error)
    except torch.AcceleratorError as error:
        return "lost", str(error).splitlines()[0]
    except Exception as error:
        if "can't allocate memory" in str(error):  # torch's words for the CPU's
            return "failed", _too_large(networks.device, error)
        logger.exception("a task failed")
        return "crashed", type(error).__name__


def _too_large(device: str, error: Exception) -> ModelError:
    reason = (str(error).splitlines() or ["out of memory"])[0][:120]
    return ModelError(
        f"This needs more memory than {device} has left ({reason})",
        "room for the model's features", "Choose a smaller model, or try again later.",
    )


def usable(device: str) -> str:
    """The device, or "cpu" where it does not answer."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        logger.exception("%s does not answer: the CPU takes over", device)
        return "cpu"
    return device


def main(device: str) -> None:
    """Serve until the other end is gone."""
    channel = parent_channel()
    logs.configure()
    memory.share_heaps()
    networks, clips = Networks(usable(device)), Recent[Clips]()
    inbox = TaskInbox(channel)
    send_object(channel, ("ready", networks.device))
    given_back = time.monotonic()
    while True:
        number, request = inbox.next()
        shown = clips.take(request.video, request.clips)
        send_object(channel, outcome(request, shown, networks, partial(inbox.report, number)))
        del request, shown
        if time.monotonic() - given_back > memory.SECONDS:
            memory.give_back()
            given_back = time.monotonic()


if __name__ == "__main__":
    # Under its own name, which its lines in the log then bear.
    from app.server import network_worker

    network_worker.main(sys.argv[1])
