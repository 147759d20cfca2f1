"""The ways in which a network is run: precisions, compiled, as a CUDA graph."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from dsanet_core.hooks import HookPoint
from tools.bench.gpu.stage import Action, Precision, Stage

COMPILE_SHARE = 0.6
"""Nothing is compiled any more after this share of the time."""
TOLERANCE = 0.05
"""How far compiled and graphed answers may be from the eager ones of the same precision, as the
norm of the difference over the norm: bf16 keeps 8 bits, and what is fused is rounded less often."""


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


class Silent(nn.Module):
    """Stands where a hook point was: passes what comes, and nobody listens."""

    is_wanted = False

    def forward(self, x: Tensor) -> Tensor:
        return x


def without_hook_points(network: nn.Module) -> nn.Module:
    """A copy of a network that cannot be captured."""
    mute = copy.deepcopy(network)
    for module in list(mute.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, HookPoint):
                setattr(module, name, Silent())
    return mute


@contextmanager
def hooks_are_guarded() -> Iterator[None]:
    """Within it torch.compile tells networks apart that differ in inserted modules alone; what it
    made is forgotten afterwards.

    They run from forward hooks, which compiled code is not checked against unless asked to: of two
    such networks the first would be run by the code of the second, without its own modules."""
    try:
        compiler: Any = import_module("torch._dynamo")
    except Exception:  # a broken compiler is a matter of the compiled passes alone
        yield
        return
    name = "skip_nnmodule_hook_guards"
    was = getattr(compiler.config, name, None)
    if was is not None:
        setattr(compiler.config, name, False)
    try:
        yield
    finally:
        compiler.reset()
        if was is not None:
            setattr(compiler.config, name, was)


def prepare(stage: Stage, network: nn.Module, clips: Tensor, mode: Mode) -> Action:
    """A call that gives the answers, of a copy of the network of its own: networks keep weights
    of the precision they ran in last."""
    if mode.how == "eager":
        return _eager(stage, copy.deepcopy(network), clips, mode)
    mute = without_hook_points(network)
    if mode.how == "graphed":
        return _graphed(stage, _eager(stage, mute, clips, mode))
    if not stage.has_time(COMPILE_SHARE):
        raise TimeoutError("too late to begin to compile")
    backend = "inductor" if stage.is_cuda else "eager"
    compiled: Any = torch.compile(mute, dynamic=False, backend=backend)
    return _eager(stage, compiled, clips, mode)


def _eager(stage: Stage, network: nn.Module, clips: Tensor, mode: Mode) -> Action:
    def run() -> Tensor:
        with torch.no_grad(), stage.precision(mode.precision):
            answers: Tensor = network(clips)
        return answers

    return run


def _graphed(stage: Stage, run: Action) -> Action:
    """Replays of what `run` does, with the memory of its one recording."""
    if not stage.is_cuda:
        return run
    side: Any = torch.cuda.Stream(stage.device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(stage.device))
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream(stage.device).wait_stream(side)
    stage.sync()
    graph = torch.cuda.CUDAGraph()
    tries = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False  # a trial of algorithms cannot be recorded
    try:
        with torch.cuda.graph(graph):
            answers = run()
    finally:
        torch.backends.cudnn.benchmark = tries

    def replay() -> Any:
        graph.replay()
        return answers

    # the recording reads the memory of the network that `run` holds
    replay.run = run  # type: ignore[attr-defined]
    return replay


def difference(answers: Tensor, reference: Tensor) -> float:
    """Norm of the difference over the norm."""
    apart = (answers.double() - reference.double()).norm() / reference.double().norm()
    return float(apart)
