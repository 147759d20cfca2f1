"""Tasks that go wrong in their own ways, where the process with the networks imports them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import torch

from app.server import tasks
from dsanet_core.analysis import StepProgress
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Clips


def who(clips: Clips, network: VideoNetwork, report: StepProgress) -> dict[str, Any]:
    """The process, the network, where it is, and the video that was asked about."""
    device = next(network.parameters()).device
    return {
        "pid": os.getpid(), "network": network.spec.name, "device": str(device),
        "video": clips.frames.video.name, "rgb": clips.frames.rgb,
    }


def killed(clips: Clips, network: VideoNetwork, report: StepProgress) -> None:
    """Killed from outside in the middle of a forward, as the kernel does when memory is short."""
    network.conv1.register_forward_pre_hook(lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    tasks.analysis(clips, network, report)


def endless(
    clips: Clips, network: VideoNetwork, report: StepProgress, *, note: Path, **_: Any
) -> None:
    """Long, but in short steps. note: says "begun", then "stopped"."""
    note.write_text("begun")
    try:
        for _ in range(6000):
            report("network", 0.5)
            time.sleep(0.01)
    finally:
        note.write_text("stopped")


def deaf(clips: Clips, network: VideoNetwork, report: StepProgress, *, note: Path) -> None:
    """One step that takes a minute."""
    note.write_text("begun")
    time.sleep(60)


def device_lost(clips: Clips, network: VideoNetwork, report: StepProgress) -> None:
    raise torch.AcceleratorError("CUDA error: unspecified launch failure\nmore of it")


def device_lost_late(
    clips: Clips, network: VideoNetwork, report: StepProgress, *, note: Path
) -> None:
    """Cancelled by then."""
    note.write_text("begun")
    time.sleep(0.3)
    device_lost(clips, network, report)


def too_large(clips: Clips, network: VideoNetwork, report: StepProgress) -> None:
    torch.empty(2**55)


def broken(clips: Clips, network: VideoNetwork, report: StepProgress) -> None:
    raise KeyError("inner secret")
