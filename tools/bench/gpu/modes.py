"""The networks that are measured, their input, and the modes in which they are run: precisions,
compiled, as a CUDA graph."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from dsanet_core.hooks import HookPoint
from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import build_model, model_spec
from tools.bench.gpu.device import Device, Precision
from tools.bench.timing import Action

I3D_SHAPE = (4, 3, 4, 224, 224)
TSN_SHAPE = (8, 3, 1, 224, 224)
COMPILE_SHARE = 0.6
"""Nothing is compiled after this share of the time."""
TOLERANCE = 0.05
"""Largest difference of compiled and graphed outputs from eager ones of the same precision, as the
norm of the difference over the norm: bf16 keeps 8 bits, and fused operations round less often."""


class Mode(NamedTuple):
    """A precision and how the network is run in it."""

    name: str
    precision: Precision
    how: Literal["eager", "compiled", "graphed"] = "eager"


FP32 = Mode("fp32", "fp32")
TF32 = Mode("tf32", "tf32")
BF16 = Mode("bf16 autocast", "bf16")
COMPILED = Mode("bf16 compiled", "bf16", "compiled")
GRAPHED = Mode("bf16 CUDA graph", "bf16", "graphed")
MODES = (FP32, TF32, BF16, COMPILED, GRAPHED)


class Pair(NamedTuple):
    """A network and its backbone without the addition; shape of one clip, (U, 3, T, H, W)."""

    network: str
    plain: str
    shape: tuple[int, ...]
    max_batch: int

    @property
    def rows(self) -> tuple[str, str]:
        return self.network, self.plain


PAIRS = (
    Pair("dsa_i3d_r50", "i3d_r50", I3D_SHAPE, 64),
    Pair("sda_tsn_r50", "tsn_r50", TSN_SHAPE, 128),
)
DSANET = PAIRS[0].network


def in_mode(row: str, mode: Mode) -> str:
    """Name of a line."""
    return f"{row}, {mode.name}"


def build(device: Device, row: str) -> VideoNetwork:
    """A row with random weights, the same every time; in a dry run a small one of its kind."""
    spec = model_spec(row)
    if device.dry:
        spec = replace(spec, args=spec.args | {"depth": 18, "width": 8})
    torch.manual_seed(0)
    return build_model(spec)


def clip_shape(device: Device, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:3], 32, 32) if device.dry else shape


def draw(device: Device, batch: int, shape: tuple[int, ...]) -> Tensor:
    """Clips of normally distributed pixels, (batch, U, 3, T, H, W)."""
    generator = torch.Generator(device.device).manual_seed(0)
    return torch.randn(batch, *shape, device=device.device, generator=generator)


class Passthrough(nn.Module):
    """In the place of a hook point: returns its input, cannot be captured."""

    is_wanted = False

    def forward(self, x: Tensor) -> Tensor:
        return x


def without_hook_points(network: nn.Module) -> nn.Module:
    """A copy of a network that cannot be captured."""
    plain = copy.deepcopy(network)
    for module in list(plain.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, HookPoint):
                setattr(module, name, Passthrough())
    return plain


def forward_in(device: Device, network: nn.Module, clips: Tensor, mode: Mode) -> Action:
    """A call that returns the logits, of a copy of the network of its own: networks keep weights
    of the precision they ran in last. Raises TimeoutError where it is too late to compile."""
    if mode.how == "eager":
        return _eager(device, copy.deepcopy(network), clips, mode)
    plain = without_hook_points(network)
    if mode.how == "graphed":
        return _graphed(device, _eager(device, plain, clips, mode))
    if not device.has_time(COMPILE_SHARE):
        raise TimeoutError("too late to begin to compile")
    backend = "inductor" if device.is_cuda else "eager"
    compiled: Any = torch.compile(plain, dynamic=False, backend=backend)
    return _eager(device, compiled, clips, mode)


def _eager(device: Device, network: nn.Module, clips: Tensor, mode: Mode) -> Action:
    def run() -> Tensor:
        with torch.no_grad(), device.precision(mode.precision):
            logits: Tensor = network(clips)
        return logits

    return run


def _graphed(device: Device, run: Action) -> Action:
    """Replays of `run`, with the memory of its one recording."""
    if not device.is_cuda:
        return run
    side: Any = torch.cuda.Stream(device.device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(device.device))
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream(device.device).wait_stream(side)
    device.sync()
    graph = torch.cuda.CUDAGraph()
    tries = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False  # a trial of algorithms cannot be recorded
    try:
        with torch.cuda.graph(graph):
            logits = run()
    finally:
        torch.backends.cudnn.benchmark = tries

    def replay() -> Any:
        graph.replay()
        return logits

    # the recording reads the memory of the network that `run` holds
    replay.run = run  # type: ignore[attr-defined]
    return replay


def difference(logits: Tensor, reference: Tensor) -> float:
    """Norm of the difference over the norm."""
    apart = (logits.double() - reference.double()).norm() / reference.double().norm()
    return float(apart)
