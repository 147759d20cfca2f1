"""A convolution that takes the normalisation behind it in."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from dsanet_core.models.folding import FoldedBatchNorm3d, FoldedConv3d, normalised
from dsanet_core.models.insert import insert_after, insert_before
from tests.models.networks import stir

KERNELS = [(1, 1, 1), (3, 1, 1), (1, 3, 5), (3, 1, 3), (1, 7, 7), (3, 3, 3)]


def pair(kernel: tuple[int, int, int] = (1, 3, 3), stride: int = 1) -> nn.ModuleDict:
    torch.manual_seed(0)
    conv, norm = FoldedConv3d(5, 6, kernel, stride), FoldedBatchNorm3d(6)
    stir(norm)
    return nn.ModuleDict({"conv": conv, "norm": norm}).double()


def run(layers: nn.ModuleDict, x: Tensor) -> Tensor:
    return normalised(layers["conv"], layers["norm"], x)


def plainly(layers: nn.ModuleDict, x: Tensor) -> Tensor:
    """By PyTorch's own two layers."""
    conv, norm = layers["conv"], layers["norm"]
    assert isinstance(conv, FoldedConv3d) and isinstance(norm, FoldedBatchNorm3d)
    plain = nn.Conv3d(5, 6, conv.kernel_size, conv.stride, conv.padding, bias=False).double()
    plain.load_state_dict(conv.state_dict())
    after = nn.BatchNorm3d(6).double()
    after.load_state_dict(norm.state_dict())
    out: Tensor = after.train(norm.training)(plain(x))
    return out


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_it_equals_the_two_layers(
    kernel: tuple[int, int, int], stride: int, frames: int, layout: torch.memory_format
) -> None:
    layers = pair(kernel, stride)
    x = torch.randn(2, 5, frames, 4, 6, dtype=torch.float64)
    for training in (True, False):
        layers.train(training)
        expected = plainly(layers, x)
        layers.to(memory_format=layout)
        out = run(layers, x.contiguous(memory_format=layout))
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
        with torch.no_grad():
            out = run(layers.eval(), x)
        torch.testing.assert_close(out, plainly(layers, x).detach(), rtol=0, atol=1e-12)


def test_one_convolution_runs_where_nothing_is_learnt_of_the_batch() -> None:
    layers = pair().eval()
    seen: list[Tensor] = []
    layers["conv"].register_forward_hook(lambda module, inputs, output: seen.append(output))
    out = run(layers, torch.randn(2, 5, 3, 4, 6, dtype=torch.float64))
    assert seen[0] is out
    out = run(layers.train(), torch.randn(2, 5, 3, 4, 6, dtype=torch.float64))
    assert not torch.allclose(seen[1], out)


@pytest.mark.parametrize("key", ["conv.weight", "norm.weight", "norm.bias", "norm.running_mean",
                                 "norm.running_var"])
def test_what_is_kept_is_made_again_when_anything_it_was_made_of_changes(key: str) -> None:
    layers = pair().eval()
    x = torch.randn(1, 5, 2, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        before = run(layers, x)
        kept = layers["conv"]._kept
        assert torch.equal(run(layers, x), before) and layers["conv"]._kept is kept
        layers.state_dict()[key].mul_(1.5)
        after = run(layers, x)
        assert not torch.allclose(before, after)
        torch.testing.assert_close(after, plainly(layers, x), rtol=0, atol=1e-12)
        layers.load_state_dict(pair().state_dict())
        assert torch.equal(run(layers, x), before)


def test_a_copy_keeps_its_own() -> None:
    layers = pair().eval()
    x = torch.randn(1, 5, 2, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        before = run(layers, x)
        other = copy.deepcopy(layers)
        other["conv"].weight.zero_()
        assert not torch.allclose(run(other, x), before)
        assert torch.equal(run(layers, x), before)


def test_gradients_reach_both_layers_and_values_do_not_depend_on_them() -> None:
    layers = pair().eval()
    x = torch.randn(1, 5, 2, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        quick = run(layers, x)
    out = run(layers, x)
    assert torch.equal(out.detach(), quick)
    out.square().sum().backward()
    mine = [parameter.grad for parameter in layers.parameters()]
    assert all(grad is not None and grad.abs().max() > 0 for grad in mine)


def test_a_replaced_normalisation_still_runs() -> None:
    layers = pair().eval()
    x = torch.randn(1, 5, 2, 4, 4, dtype=torch.float64)
    expected = run(layers, x)
    plain = nn.BatchNorm3d(6).double().eval()
    plain.load_state_dict(layers["norm"].state_dict())
    layers["norm"] = plain  # as for statistics that processes share
    torch.testing.assert_close(run(layers, x), expected, rtol=0, atol=1e-12)


def test_what_is_inserted_before_and_after_runs() -> None:
    layers = pair().eval()
    insert_before(layers, layers["conv"], "first", nn.ReLU())
    insert_after(layers, layers["norm"], "last", nn.Sigmoid())
    x = torch.randn(1, 5, 2, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(
        run(layers, x), plainly(layers, x.relu()).sigmoid(), rtol=0, atol=1e-12
    )


def test_autocast_keeps_weights_of_its_own() -> None:
    layers = pair().float().eval()
    x = torch.randn(1, 5, 2, 4, 4)
    with torch.no_grad():
        exact = run(layers, x)
        with torch.autocast("cpu", torch.bfloat16):
            rough = run(layers, x)
        assert rough.dtype == torch.bfloat16
        torch.testing.assert_close(rough.float(), exact, rtol=0.02, atol=0.05)
        assert torch.equal(run(layers, x), exact)


def test_the_terms_of_a_sum_are_normalised_once() -> None:
    layers = pair().eval()
    first, second = torch.randn(2, 1, 5, 2, 4, 4, dtype=torch.float64)
    further = layers["conv"].further_term(second, layers["norm"])
    torch.testing.assert_close(
        run(layers, first) + further, run(layers, first + second), rtol=0, atol=1e-12
    )
