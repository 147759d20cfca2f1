"""Training steps on one GPU: forward, backward and SGD."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from dsanet_core.models.base import VideoNetwork
from tools.bench.gpu.device import PRECISIONS, Device, Precision
from tools.bench.gpu.modes import I3D_SHAPE, build, clip_shape, draw
from tools.bench.table import Report, Section
from tools.bench.timing import Action

SECTION = "training"
ROWS = ("dsa_i3d_r50", "i3d_r50")
BATCH = 8


def in_precision(row: str, precision: Precision) -> str:
    """Name of a line."""
    return f"{row}, {precision}"


def plan() -> Section:
    return Section.planned(
        SECTION, "Training step",
        "Forward in training mode, cross-entropy, backward and SGD with momentum, eager; clips of "
        "4 snippets of 4 frames, 224 x 224. bf16: forward and loss under autocast. Peak memory: "
        "of one step, with weights, momentum and clips.",
        {in_precision(row, precision): "one step" for row in ROWS for precision in PRECISIONS},
    )


def measure(device: Device, report: Report) -> None:
    section = report.sections[SECTION]
    with device.attempt(SECTION, *section.lines):
        batch, steps = _largest_batch(device)
        device.log(f"training steps of {batch} clips")
        peaks: dict[str, int | None] = {}
        for name, step in steps.items():
            with device.attempt(name):
                step()  # tries algorithms
                peaks[name] = device.peak_bytes(step)
        held = _bytes_between_steps(device, batch)
        turns = device.in_turns(steps)
        for line in section.lines:
            with device.attempt(line.name, line):
                more = {"batch": batch, "clips/s": batch / turns.median(line.name)}
                if (peak := peaks.get(line.name)) is not None:
                    more["peak GiB"] = (peak + held) / 2**30
                line.fill(turns.of(line.name), more)


def _bytes_between_steps(device: Device, batch: int) -> float:
    """Bytes of the clips and of one of the networks, which are of about one size."""
    if not device.is_cuda:
        return 0.0
    clips = 4 * batch * math.prod(clip_shape(device, I3D_SHAPE))
    return clips + (torch.cuda.memory_allocated(device.device) - clips) / len(ROWS)


def _largest_batch(device: Device) -> tuple[int, Mapping[str, Action]]:
    """Steps of the largest batch that fits in fp32. Short memory has many names: after any failure
    it is tried again with fewer clips. Raises RuntimeError where one clip does not fit."""
    batch = 2 if device.dry else BATCH
    while batch:
        steps: Mapping[str, Action] = {}
        with device.attempt(f"{batch} clips"):
            steps = _steps(device, batch)
        if steps:
            return batch, steps
        device.clear()
        batch //= 2
    raise RuntimeError("not even a batch of 1 fits")


def _steps(device: Device, batch: int) -> Mapping[str, Action]:
    clips = draw(device, batch, clip_shape(device, I3D_SHAPE))
    steps: dict[str, Action] = {}
    for row in ROWS:
        network = build(device, row).train().to(device.device)
        labels = torch.arange(batch, device=device.device)
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
        for precision in PRECISIONS:
            name = in_precision(row, precision)
            steps[name] = _step(device, network, optimizer, clips, labels, precision)
        steps[in_precision(row, "fp32")]()
    return steps


def _step(
    device: Device, network: VideoNetwork, optimizer: torch.optim.Optimizer, clips: Tensor,
    labels: Tensor, precision: Precision,
) -> Action:
    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with device.precision(precision, cache=True):
            loss = functional.cross_entropy(network(clips), labels)
        # the backward of tf32 is one too: its flags are read when it runs
        with device.precision("fp32" if precision == "fp32" else "tf32"):
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step
