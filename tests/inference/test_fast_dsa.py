"""The fast form of DSA against the plain one."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import Tensor

from dsanet_core.hooks import capture
from dsanet_core.inference import prepare
from dsanet_core.inference.dsa import FastDSA
from dsanet_core.models.dsa import DSA, insert_dsa
from dsanet_core.models.resnet import VideoResNet
from tests.models.test_dsa import POSITIONS, identity_kernel, make_dsa

LAYOUTS = (torch.contiguous_format, torch.channels_last_3d)


def fast_of(dsa: DSA, *, owns_input: bool = False) -> FastDSA:
    fast = prepare(copy.deepcopy(dsa))
    assert isinstance(fast, FastDSA)
    fast.owns_input = owns_input
    return fast


@pytest.mark.parametrize(
    ("num_snippets", "kernel_size", "beta"),
    itertools.product((1, 2, 4, 8), (3, 5), (1 / 8, 1 / 2, 1)),
)
def test_it_equals_the_equations(num_snippets: int, kernel_size: int, beta: float) -> None:
    dsa = make_dsa(8, num_snippets=num_snippets, kernel_size=kernel_size, beta=beta)
    frames = torch.randn(2 * num_snippets, 8, 2, 3, 2, dtype=torch.float64)
    with torch.no_grad():
        for x, owns_input in itertools.product((frames, frames[:, :, 0]), (False, True)):
            expected = dsa(x)
            out = fast_of(dsa, owns_input=owns_input)(x.clone())
            torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


def test_gradients_are_those_of_the_equations() -> None:
    dsa = make_dsa(8, beta=1 / 2)
    fast = fast_of(dsa, owns_input=True)
    x = torch.randn(4, 8, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    gradients = []
    for module in (dsa, fast):
        inputs = (x, *module.parameters())
        gradients.append(torch.autograd.grad(module(x).square().sum(), inputs))
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_features_that_nobody_else_reads_are_changed_in_place(layout: torch.memory_format) -> None:
    dsa = fast_of(make_dsa(8, beta=1 / 2))
    x = torch.randn(4, 8, 2, 3, 3, dtype=torch.float64).contiguous(memory_format=layout)
    expected = dsa(x).detach()
    dsa.owns_input = True
    assert torch.equal(dsa(x).detach(), expected), "a gradient may be wanted: not in place"
    with torch.no_grad():
        out = dsa(x)
    assert out.data_ptr() == x.data_ptr()
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("position", POSITIONS)
def test_what_the_shortcut_reads_too_is_not_changed(position: str) -> None:
    network = VideoResNet(50, 3, temporal="i3d", width=8)
    insert_dsa(network, position=position)  # type: ignore[arg-type]
    prepare(network)
    owners = {module.owns_input for module in network.modules() if isinstance(module, FastDSA)}
    assert owners == {position != "I"}


def test_channels_last_gives_the_same_numbers_and_stays_channels_last() -> None:
    dsa = fast_of(make_dsa(8, beta=1 / 2))
    x = torch.randn(4, 8, 2, 3, 3, dtype=torch.float64)
    last = dsa(x.to(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(last, dsa(x), rtol=0, atol=1e-12)
    assert last.is_contiguous(memory_format=torch.channels_last_3d)


def test_its_hook_points_are_seen_and_changed() -> None:
    dsa = make_dsa(8, beta=1 / 2)
    for name, point in (("descriptor", dsa.hook_descriptor), ("kernel", dsa.hook_kernel)):
        point.name = name
    x = torch.randn(8, 8, 2, 3, 3, dtype=torch.float64)
    seen = []
    for module in (dsa, fast_of(dsa, owns_input=True)):
        with torch.no_grad(), capture() as captured:
            module(x.clone())
        seen.append(dict(captured))
        with torch.no_grad(), capture((), interventions={"kernel": identity_kernel}):
            assert torch.equal(module(x.clone()), x)
    torch.testing.assert_close(seen[1], seen[0])


def test_autocast_gives_the_format_of_the_features() -> None:
    dsa = make_dsa(8, beta=1 / 2).float()
    x: Tensor = torch.randn(4, 8, 2, 3, 3)
    with torch.no_grad():
        exact = dsa(x)
        with torch.autocast("cpu", torch.bfloat16):
            out = fast_of(dsa, owns_input=True)(x.bfloat16())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), exact, rtol=0.02, atol=0.03)
