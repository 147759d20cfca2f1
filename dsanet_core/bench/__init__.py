"""What things cost on this machine: idle hook points, DSA, SDA, decoding and analysing a clip.

Medians of repeated runs. A share is measured inside one run (a point alone times how often it
fires, over a forward), as the difference of two noisy forwards would say nothing.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dsanet_core.hooks import HookPoint, capture, hook_points
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from dsanet_core.zoo import create_model

CLIP_SIZE = (256, 340)
CLIP_SECONDS = 10
CLIP_FPS = 25


def run_bench(
    *, model: str = "dsa_i3d_synth", against: str | None = None, repeats: int = 15
) -> dict[str, Any]:
    """Measure on the CPU with random weights; JSON values, seconds unless the name says a share.

    The clip is a 10 s 340x256 H.264 file at 25 frames per second, made for the occasion.
    against: another row of the zoo, whose forwards alternate with those of `model`.
    """
    from dsanet_core.analysis import analyze
    from dsanet_core.video import read_clips

    network = create_model(model).eval()
    protocol = network.spec.protocol
    view = torch.randn(protocol.view_shape)
    with torch.inference_mode():
        network(view)
        forward = _median(lambda: network(view), repeats)
        dsa, sda = (_inside(network, kind, lambda: network(view), repeats) for kind in (DSA, SDA))
        with capture() as captured:
            network(view)
    point = _idle_point()
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "clip.mp4")
        decode = _median(lambda: read_clips(clip, protocol.sampling), repeats // 3)
        analyze(clip, network)
        whole = _median(lambda: analyze(clip, network), repeats // 3)
    return {
        "model": model,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "forward_seconds": forward,
        "hook_points": len(hook_points(network)),
        "idle_hook_point_seconds": point,
        "idle_hook_points_share": point * len(captured) / forward,
        "dsa_seconds": dsa,
        "dsa_share": dsa / forward,
        "sda_seconds": sda,
        "sda_share": sda / forward,
        "decode_seconds": decode,
        "analyze_seconds": whole,
        **({} if against is None else _race(network, create_model(against).eval(), repeats)),
    }


def _race(network: VideoNetwork, other: VideoNetwork, repeats: int) -> dict[str, Any]:
    """Forwards of two networks in turn, so that what slows the machine slows both."""
    times: dict[VideoNetwork, list[float]] = {network: [], other: []}
    views = {each: torch.randn(each.spec.protocol.view_shape) for each in times}
    with torch.inference_mode():
        for _ in range(repeats + 2):
            for runner, spent in times.items():
                start = time.perf_counter()
                runner(views[runner])
                spent.append(time.perf_counter() - start)
    mine, theirs = (statistics.median(spent[2:]) for spent in times.values())
    return {
        "against": other.spec.name,
        "alternating_seconds": mine,
        "against_seconds": theirs,
        "ratio": mine / theirs,
    }


def write_clip(path: Path) -> Path:
    """A 10 s 340x256 H.264 file: the first benchmark video of a seed, slowed down."""
    from dsanet_core import synthetic
    from dsanet_core.video import encode_h264

    made = synthetic.make_video(0, 0, size=CLIP_SIZE)
    count = CLIP_SECONDS * CLIP_FPS
    shown = np.arange(count) * synthetic.NUM_FRAMES // count
    encode_h264(made.rgb[shown], fps=CLIP_FPS, path=path)
    return path


def _median(action: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(max(3, repeats)):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _idle_point(calls: int = 1000) -> float:
    """Seconds that one hook point takes when nobody listens."""
    point, x = HookPoint("clip"), torch.zeros(1)

    def call_often() -> None:
        for _ in range(calls):
            point(x)

    return _median(call_often, 25) / calls


def _inside(
    network: VideoNetwork, kind: type[nn.Module], action: Callable[[], object], repeats: int
) -> float:
    """Median seconds that all modules of a kind take together in one run of `action`."""
    spent = [0.0]
    started: list[float] = []

    def enter(module: nn.Module, inputs: Any) -> None:
        started.append(time.perf_counter())

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        spent[-1] += time.perf_counter() - started.pop()

    with ExitStack() as hooks:
        for module in network.modules():
            if isinstance(module, kind):
                hooks.callback(module.register_forward_pre_hook(enter).remove)
                hooks.callback(module.register_forward_hook(leave).remove)
        for _ in range(max(3, repeats)):
            spent.append(0.0)
            action()
    return statistics.median(spent[1:])
