"""Training steps on one GPU: forward, backward and SGD."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from dsanet_core.models.base import VideoNetwork
from tools.bench.gpu.pairs import I3D_SHAPE, build, clip_shape, draw
from tools.bench.gpu.report import Column, Report, Section
from tools.bench.gpu.stage import Action, Failure, Precision, Stage

ROWS = ("dsa_i3d_r50", "i3d_r50")
PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16")
BATCH = 8


def named(row: str, precision: Precision) -> str:
    return f"{row}, {precision}"


def plan() -> Section:
    return Section.of(
        "training", "Training step",
        "Forward in training mode, cross-entropy, backward and SGD with momentum, eager; clips of "
        "4 snippets of 4 frames, 224 x 224. bf16: forward and loss under autocast. Peak memory: "
        "of one step, with weights, momentum and clips.",
        [Column("batch", "batch"), Column("ms per step", "ms", "{:.2f}", True),
         Column("clips/s", "clips_per_s", "{:.1f}"), Column("peak GiB", "peak_gib", "{:.2f}")],
        [named(row, precision) for row in ROWS for precision in PRECISIONS],
    )


def measure(stage: Stage, report: Report) -> None:
    made = stage.attempt("training", partial(_fitting, stage))
    if isinstance(made, Failure):
        report.sections["training"].fail_rest(made.reason)
        return
    batch, actions = made
    stage.say(f"training steps of {batch} clips")
    peaks = {
        name: stage.attempt(name, partial(_peak, stage, step)) for name, step in actions.items()
    }
    held = _held(stage, batch)
    for name, taken in stage.race(actions).items():
        line = report.line("training", name)
        if isinstance(taken, Failure):
            line.fail(taken.reason)
            continue
        peak = peaks[name]
        known = peak is not None and not isinstance(peak, Failure)
        line.fill(
            batch=batch,
            clips_per_s=batch / taken.median * 1e3,
            peak_gib=(peak + held) / 2**30 if known else None,
            **taken.values("ms"),
        )


def _peak(stage: Stage, step: Action) -> int | None:
    """Of the second step: the first tries algorithms."""
    step()
    return stage.peak_bytes(step)


def _held(stage: Stage, batch: int) -> float:
    """Bytes that the clips and one of the networks, of about one size, hold between steps."""
    if not stage.is_cuda:
        return 0.0
    clips = 4 * batch * math.prod(clip_shape(stage, I3D_SHAPE))
    return clips + (torch.cuda.memory_allocated(stage.device) - clips) / len(ROWS)


def _fitting(stage: Stage) -> tuple[int, Mapping[str, Action]]:
    """Steps of the largest batch that fits in fp32. Short memory has many names: any failure is
    tried again with fewer clips."""
    batch = 2 if stage.dry else BATCH
    while True:
        tried = stage.attempt(f"{batch} clips", partial(_tried, stage, batch))
        if not isinstance(tried, Failure):
            return batch, tried
        stage.clear()
        if batch == 1:
            raise RuntimeError(tried.reason)
        batch //= 2


def _tried(stage: Stage, batch: int) -> Mapping[str, Action]:
    clips = draw(stage, batch, clip_shape(stage, I3D_SHAPE))
    actions: dict[str, Action] = {}
    for row in ROWS:
        network = build(stage, row).train().to(stage.device)
        labels = torch.arange(batch, device=stage.device)
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
        for precision in PRECISIONS:
            actions[named(row, precision)] = _step(
                stage, network, optimizer, clips, labels, precision
            )
        actions[named(row, "fp32")]()
    return actions


def _step(
    stage: Stage, network: VideoNetwork, optimizer: torch.optim.Optimizer, clips: Tensor,
    labels: Tensor, precision: Precision,
) -> Action:
    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with stage.precision(precision, cache=True):
            loss = functional.cross_entropy(network(clips), labels)
        # the backward of tf32 is one too: its flags are read when it runs
        with stage.precision("fp32" if precision == "fp32" else "tf32"):
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step
