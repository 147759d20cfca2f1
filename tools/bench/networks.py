"""Networks against the same ones without DSA or SDA, and what hook points and modules cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
from tools.bench.timing import Line, Wanted, in_turns, line_of, median_and_spread

SECTION = "networks"
SIDE = 224
PAIRS: tuple[tuple[str, str, int, Wanted | None], ...] = (
    ("dsa_i3d_r50", "tsn_i3d_r50", 20, Wanted("ratio", "<=", 1.01)),
    ("sda_tsn_r50", "tsn_r50", 30, Wanted("ratio", "<=", 1.05)),
    ("dsa_i3d_synth", "tsn_i3d_synth", 100, None),
    ("sda_tsn_synth", "tsn_synth", 100, None),
)
"""Row, the row without its module, repeats, and what is wanted of one over the other."""
LOOKED_INTO = ("dsa_i3d_synth", "sda_tsn_synth")
INSIDE_REPEATS = 50


def measure(repeats: int | None = None) -> Iterator[Line]:
    """Random weights, evaluation, one clip; R50 rows at 224 x 224."""
    for row, against, usual, wanted in PAIRS:
        yield from race(row, against, repeats=repeats or usual, wanted=wanted, captured=True)
    for row in LOOKED_INTO:
        yield from inside(row, repeats=repeats)


def race(
    row: str | VideoNetwork,
    against: str | VideoNetwork,
    *,
    repeats: int | None = None,
    wanted: Wanted | None = None,
    captured: bool = False,
) -> Iterator[Line]:
    """Forwards of two networks in turns, each of one clip as its own protocol shapes it. captured:
    also with every hook point captured."""
    networks = [_network(row), _network(against)]
    mine, theirs = (network.spec.name for network in networks)
    variants: dict[str, Callable[[], object]] = {}
    words = {}
    for network in networks:
        name, clip = network.spec.name, one_clip(network)
        words[name] = in_words(clip)
        variants[name] = partial(network, clip)
        if captured:
            words[with_capture(name)] = f"{words[name]}, all {len(hook_points(network))} points"
            variants[with_capture(name)] = partial(_seen, network, clip)
    with torch.inference_mode():
        turns = in_turns(variants, repeats or INSIDE_REPEATS)
    yield turns.line(SECTION, mine, words[mine], over=theirs, wanted=wanted)
    yield turns.line(SECTION, theirs, words[theirs])
    if captured:
        for name in (mine, theirs):
            yield turns.line(SECTION, with_capture(name), words[with_capture(name)], over=name)


def with_capture(name: str) -> str:
    return f"{name}, captured"


def inside(row: str | VideoNetwork, *, repeats: int | None = None) -> Iterator[Line]:
    """A forward of one network, and the shares of idle hook points, DSA and SDA in it.

    A share is measured inside one run: the difference of two noisy forwards would say nothing.
    """
    network = _network(row)
    clip, name = one_clip(network), network.spec.name
    words, count = in_words(clip), repeats or INSIDE_REPEATS
    with torch.inference_mode():
        turns = in_turns({name: lambda: network(clip)}, count)
        with capture() as captured:
            network(clip)
        forward, _ = median_and_spread(turns.seconds[name])
        yield turns.line(SECTION, name, words, name=f"{name}, alone")
        points = [100 * seconds * len(captured) / forward for seconds in idle_point(min(count, 25))]
        yield line_of(SECTION, f"{len(hook_points(network))} idle hook points of {name}",
                      f"{words}; a point alone, as often as points fire in a forward", points,
                      "% of the forward")
        for kind in (DSA, SDA):
            if any(isinstance(module, kind) for module in network.modules()):
                shares = share_of(network, clip, kind, count)
                yield line_of(SECTION, f"all {kind.__name__} modules of {name}",
                              f"{words}; a stop-watch at each", shares, "% of the forward")


def one_clip(network: VideoNetwork) -> Tensor:
    """A random clip as the network's protocol shapes it, of 224 x 224 where that has more."""
    *shape, side, _ = network.spec.protocol.view_shape
    torch.manual_seed(0)
    return torch.randn(*shape, min(side, SIDE), min(side, SIDE))


def idle_point(repeats: int, calls: int = 1000) -> list[float]:
    """Seconds that one hook point takes when nobody listens."""
    point, x = HookPoint("clip"), torch.zeros(1)

    def call_often() -> None:
        for _ in range(calls):
            point(x)

    turns = in_turns({"calls": call_often}, repeats)
    return [seconds / calls for seconds in turns.seconds["calls"]]


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


def _seen(network: VideoNetwork, clip: Tensor) -> None:
    with capture():
        network(clip)


def in_words(clip: Tensor) -> str:
    _, snippets, _, frames, height, _ = clip.shape
    shown = f"{snippets} x {frames} x {height}\u00b2"
    return f"one clip of {shown}, random weights, evaluation, float32"
