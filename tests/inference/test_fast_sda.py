"""The fast form of SDA against the plain one, and the grids that it works on."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dsanet_core.hooks import capture
from dsanet_core.inference import prepare
from dsanet_core.inference.conv_bn import FastConv3d
from dsanet_core.inference.grids import pool_plan, pool_to, resize_to, sum_plan
from dsanet_core.inference.sda import FastSDA
from dsanet_core.models.dependencies import NAMED, Dependency
from tests.models.test_sda import FOUR, TABLE_6, module

SIZES = [(1, 2, 2), (4, 4, 6), (3, 7, 5), (8, 8, 8), (2, 1, 3)]


def fast_module(dependencies: tuple[str, ...], aggregation: str, channels: int = 20) -> FastSDA:
    fast = prepare(module(dependencies, aggregation, channels))
    assert isinstance(fast, FastSDA)
    return fast


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("aggregation", ["avg", "sec"])
@pytest.mark.parametrize(
    "dependencies", [FOUR, ("S222", "S144", "S122"), ("LS", "2x1x1/1x3x3"), TABLE_6]
)
def test_it_equals_the_equations(
    dependencies: tuple[str, ...], aggregation: str, size: tuple[int, int, int]
) -> None:
    x = torch.randn(2, 20, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = module(dependencies, aggregation)(x)
        out = fast_module(dependencies, aggregation)(x)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_those_of_the_equations(training: bool) -> None:
    x = torch.randn(2, 20, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    gradients = []
    for sda in (module(FOUR, "sec"), fast_module(FOUR, "sec")):
        inputs = (x, *sda.train(training).parameters())
        gradients.append(torch.autograd.grad(sda(x).square().sum(), inputs))
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=1e-10)


def test_its_hook_points_are_those_of_the_equations() -> None:
    x = torch.randn(2, 20, 4, 6, 6, dtype=torch.float64)
    seen = []
    for sda in (module(FOUR, "sec"), fast_module(FOUR, "sec")):
        for name, point in sda.named_modules():
            if "hook_" in name:
                point.name = name
        with torch.no_grad(), capture() as captured:
            sda(x)
        seen.append(dict(captured))
    assert len(seen[0]) == 3 + len(FOUR)
    torch.testing.assert_close(seen[1], seen[0])


def test_a_point_that_nobody_wants_computes_no_second_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    sda, calls = fast_module(FOUR, "sec"), []
    gate = sda.gate_on
    monkeypatch.setattr(sda, "gate_on", lambda *args: calls.append(1) or gate(*args))
    x = torch.randn(1, 20, 2, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        sda(x)
    assert len(calls) == 1
    sda.hook_average_gate.name = "average"
    with torch.no_grad(), capture(["average"]):
        sda(x)
    assert len(calls) == 3


@pytest.mark.parametrize("layer", ["down", "bn1", "up", "bn2", "mdm.1.conv", "mdm.2.bn", "mdm.3"])
def test_who_looks_in_between_sees_what_there_is(layer: str) -> None:
    x = torch.randn(2, 20, 4, 6, 6, dtype=torch.float64)
    seen: list[Tensor] = []
    for sda in (module(FOUR, "sec"), fast_module(FOUR, "sec")):
        watched = sda.get_submodule(layer)
        watched.register_forward_hook(lambda _, given, out: seen.append(out.clone()))
        with torch.no_grad():
            sda(x)
    plain, fast = seen
    torch.testing.assert_close(fast, plain)


@pytest.mark.parametrize("size", [(1, 7, 9), (5, 8, 8), (8, 7, 4), (2, 1, 3)])
@pytest.mark.parametrize("name", [*NAMED, *TABLE_6])
def test_pooling_and_resizing_are_adaptive_average_pooling(
    name: str, size: tuple[int, int, int]
) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    grid = Dependency.parse(name).grid(size)
    squeezed = pool_to(x, grid)
    torch.testing.assert_close(squeezed, functional.adaptive_avg_pool3d(x, grid))
    back = resize_to(squeezed, size).expand(-1, -1, *size)
    torch.testing.assert_close(back, functional.adaptive_avg_pool3d(squeezed, size))


def test_nothing_is_squeezed_or_lifted_at_a_finer_grid_than_it_needs(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (8, 28, 28)
    lst, lt, ls, s122 = grids = tuple(Dependency.parse(name).grid(size) for name in FOUR)
    assert dict(pool_plan(grids, size)) == {s122: size, lt: size, ls: s122, lst: ls}
    assert sum_plan(grids) == ((1,), (0, 2, 3)), "LT alone, the others on the grid of S122"
    uneven = Dependency.parse("S122").grid((8, 7, 7))
    assert dict(pool_plan((ls, uneven), (8, 7, 7)))[ls] == (8, 7, 7), "its places overlap"

    sda, lifted = fast_module(FOUR, "sec"), []
    for name in ("fused", "further_term"):
        method = getattr(FastConv3d, name)

        def spy(layer, x, *more, method=method, **named):  # type: ignore[no-untyped-def]
            out = method(layer, x, *more, **named)
            if layer is sda.up:
                lifted.append(tuple(out.shape[2:]))
            return out

        monkeypatch.setattr(FastConv3d, name, spy)
    with torch.no_grad():
        sda(torch.randn(1, 20, 4, 8, 8, dtype=torch.float64))
    assert lifted == [(1, 8, 8), (4, 4, 4)]


def test_the_input_is_left_alone_and_gradients_change_nothing() -> None:
    sda = fast_module(FOUR, "sec")
    x = torch.randn(2, 20, 4, 6, 6, dtype=torch.float64)
    before = x.clone()
    with torch.no_grad():
        quick = sda(x)
    torch.testing.assert_close(quick, sda(x.requires_grad_()).detach(), rtol=0, atol=0)
    assert torch.equal(x, before)


@pytest.mark.parametrize("prepared", [False, True])
def test_an_interventions_own_tensor_is_not_written_to(prepared: bool) -> None:
    sda = fast_module(FOUR, "sec") if prepared else module(FOUR, "sec")
    sda.hook_gate.name = "gate"
    x = torch.randn(1, 20, 2, 4, 4, dtype=torch.float64)
    ones = torch.ones_like(x)
    with torch.no_grad(), capture((), interventions={"gate": lambda gate: ones}):
        torch.testing.assert_close(sda(x), x)
    assert torch.equal(ones, torch.ones_like(x))


def test_autocast_stays_close() -> None:
    sda = module(FOUR, "sec").float()
    x = torch.randn(2, 20, 4, 6, 6)
    with torch.no_grad():
        exact = sda(x)
        with torch.autocast("cpu", torch.bfloat16):
            rough = [form(x) for form in (sda, prepare(copy.deepcopy(sda)))]
    for out in rough:
        torch.testing.assert_close(out.float(), exact, rtol=0.05, atol=0.05)
