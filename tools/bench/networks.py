"""Networks against the same ones without DSA or SDA: plain, captured, compiled; shares of modules.

Compiled code passes no hook point, so analyses and runs, which capture, use none of it. It shows
the gain that is left from joining the small operations of a module.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dsanet_core.hooks import HookPoint, capture, hook_points
from dsanet_core.inference import prepare
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from dsanet_core.zoo import create_model
from tools.bench.table import Line, Wanted, line_of
from tools.bench.timing import Action, in_turns

SECTION, COMPILED = "networks", "compiled"
SIDE = 224
PAIRS: tuple[tuple[str, str, int, Wanted | None], ...] = (
    ("dsa_i3d_r50", "tsn_i3d_r50", 20, Wanted("ratio", "<=", 1.01)),
    ("sda_tsn_r50", "tsn_r50", 30, Wanted("ratio", "<=", 1.05)),
    ("dsa_i3d_synth", "tsn_i3d_synth", 100, None),
    ("sda_tsn_synth", "tsn_synth", 100, None),
)
"""Row, the row without its module, repeats, and the target for one over the other."""
DIVIDED = ("dsa_i3d_synth", "sda_tsn_synth")
REPEATS = 50
COMPILED_PAIR, COMPILED_REPEATS = ("sda_tsn_r50", "tsn_r50"), 20
EQUAL = 1e-4


def measure_networks(repeats: int | None = None) -> Iterator[Line]:
    """Random weights, evaluation, one clip; R50 rows at 224 x 224."""
    for row, against, usual, wanted in PAIRS:
        yield from compare(row, against, repeats=repeats or usual, wanted=wanted, captured=True)
    for row in DIVIDED:
        yield from shares_within(row, repeats=repeats)


def compare(
    row: str | VideoNetwork,
    against: str | VideoNetwork,
    *,
    repeats: int | None = None,
    wanted: Wanted | None = None,
    captured: bool = False,
) -> Iterator[Line]:
    """Forwards of two networks in turns, each of one clip as its own protocol shapes it. captured:
    also with every hook point captured."""
    variants: dict[str, Action] = {}
    inputs = {}
    for network in (_network(row), _network(against)):
        name, clip = network.spec.name, one_clip(network)
        inputs[name] = describe_input(clip)
        variants[name] = partial(network, clip)
        if captured:
            both = f"{name}, captured"
            inputs[both] = f"{inputs[name]}, all {len(hook_points(network))} points"
            variants[both] = partial(_captured, network, clip)
    with torch.inference_mode():
        turns = in_turns(variants, repeats or REPEATS)
    first, second = (name for name in inputs if not name.endswith(", captured"))
    yield turns.line(SECTION, first, inputs[first], over=second, wanted=wanted)
    yield turns.line(SECTION, second, inputs[second])
    if captured:
        for name in (first, second):
            both = f"{name}, captured"
            yield turns.line(SECTION, both, inputs[both], over=name)


def shares_within(row: str | VideoNetwork, *, repeats: int | None = None) -> Iterator[Line]:
    """A forward of one network, and the shares of idle hook points, DSA and SDA in it.

    A share is measured inside one run: the difference of two noisy forwards would be noise.
    """
    network = _network(row)
    clip, name = one_clip(network), network.spec.name
    protocol, count = describe_input(clip), repeats or REPEATS
    with torch.inference_mode():
        turns = in_turns({name: lambda: network(clip)}, count)
        with capture() as captured:
            network(clip)
        yield turns.line(SECTION, name, protocol, name=f"{name}, alone")
        forward = turns.median(name)
        points = [100 * seconds * len(captured) / forward for seconds in idle_point(min(count, 25))]
        yield line_of(SECTION, f"{len(hook_points(network))} idle hook points of {name}",
                      f"{protocol}; a point alone, as often as points fire in a forward", points,
                      "% of the forward")
        for kind in (DSA, SDA):
            if any(isinstance(module, kind) for module in network.modules()):
                shares = share_of(network, clip, kind, count)
                yield line_of(SECTION, f"all {kind.__name__} modules of {name}",
                              f"{protocol}; a stop-watch at each", shares, "% of the forward")


def measure_compiled(repeats: int | None = None) -> Iterator[Line]:
    """The network with SDA and the one without; takes a C++ compiler and two minutes."""
    networks = [prepare(create_model(row)) for row in COMPILED_PAIR]
    return compare_compiled(networks, repeats or COMPILED_REPEATS)


def compare_compiled(
    networks: list[VideoNetwork], repeats: int, *, backend: str = "inductor"
) -> Iterator[Line]:
    """The first network over the second, compiled, and each over itself uncompiled; all in turns.

    backend: of torch.compile.
    """
    from torch._inductor import config as inductor

    with torch.no_grad(), inductor.patch(freezing=True):
        variants: dict[str, Action] = {}
        inputs, differences = {}, {}
        for network in networks:
            name, clip = network.spec.name, one_clip(network)
            compiled = torch.compile(network, backend=backend)
            differences[name] = float((compiled(clip) - network(clip)).abs().max())
            variants[name] = partial(network, clip)
            variants[f"{name}, compiled"] = partial(compiled, clip)
            inputs[name] = describe_input(clip)
        turns = in_turns(variants, repeats)
    first, second = inputs
    frozen = "torch.compile, weights frozen"
    yield turns.line(COMPILED, f"{first}, compiled", f"{inputs[first]}, {frozen}",
                     over=f"{second}, compiled", wanted=Wanted("ratio", "<=", 1.05))
    for name, protocol in inputs.items():
        yield turns.line(COMPILED, f"{name}, compiled", f"{protocol}, {frozen}", over=name)
        yield line_of(COMPILED, f"{name}, compiled against not, largest difference of logits",
                      protocol, [differences[name]], "of a logit",
                      wanted=Wanted("median", "<=", EQUAL))


def one_clip(network: VideoNetwork) -> Tensor:
    """A random clip as the network's protocol shapes it, of 224 x 224 where that has more."""
    *shape, side, _ = network.spec.protocol.view_shape
    torch.manual_seed(0)
    return torch.randn(*shape, min(side, SIDE), min(side, SIDE))


def describe_input(clip: Tensor) -> str:
    _, snippets, _, frames, height, _ = clip.shape
    size = f"{snippets} x {frames} x {height}\u00b2"
    return f"one clip of {size}, random weights, evaluation, float32"


def idle_point(repeats: int, calls: int = 1000) -> list[float]:
    """Seconds of one hook point without a listener."""
    point, x = HookPoint("clip"), torch.zeros(1)

    def call_often() -> None:
        for _ in range(calls):
            point(x)

    return [seconds / calls for seconds in in_turns({"": call_often}, repeats).of("")]


def share_of(
    network: VideoNetwork, clip: Tensor, kind: type[nn.Module], repeats: int
) -> list[float]:
    """Percent of each forward that all modules of a kind take together."""
    spent, started, shares = [0.0], [0.0], []

    def enter(module: nn.Module, inputs: Any) -> None:
        started[0] = time.perf_counter()

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        spent[0] += time.perf_counter() - started[0]

    with ExitStack() as hooks:
        for module in network.modules():
            if isinstance(module, kind):
                hooks.callback(module.register_forward_pre_hook(enter).remove)
                hooks.callback(module.register_forward_hook(leave).remove)
        network(clip)
        for _ in range(max(1, repeats)):
            spent[0], begin = 0.0, time.perf_counter()
            network(clip)
            shares.append(100 * spent[0] / (time.perf_counter() - begin))
    return shares


def _network(row: str | VideoNetwork) -> VideoNetwork:
    return row if isinstance(row, VideoNetwork) else prepare(create_model(row))


def _captured(network: VideoNetwork, clip: Tensor) -> None:
    with capture():
        network(clip)
