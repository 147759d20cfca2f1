"""Convolution, normalisation, sum and ReLU as one layer."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from dsanet_core.inference import mkldnn_bf16, prepare
from dsanet_core.inference.conv_bn import FastConv3d, conv_bn
from dsanet_core.models.base import convolution
from dsanet_core.models.insert import insert
from dsanet_core.models.resnet import BasicBlock, Bottleneck
from tests.models.networks import stir

KERNELS = [(1, 1, 1), (3, 1, 1), (1, 3, 5), (3, 1, 3), (1, 7, 7), (3, 3, 3)]


def pair(kernel: tuple[int, int, int] = (1, 3, 3), stride: int = 1) -> nn.ModuleDict:
    torch.manual_seed(0)
    layers = nn.ModuleDict({"conv": convolution(5, 6, kernel, stride), "norm": nn.BatchNorm3d(6)})
    stir(layers)
    return prepare(layers.double())


def run(layers: nn.ModuleDict, x: Tensor) -> Tensor:
    return conv_bn(layers["conv"], layers["norm"], x)


def plainly(layers: nn.ModuleDict, x: Tensor) -> Tensor:
    """By PyTorch's own two layers."""
    conv, norm = layers["conv"], layers["norm"]
    assert isinstance(conv, FastConv3d) and isinstance(norm, nn.BatchNorm3d)
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
    layers["norm"].register_forward_hook(lambda module, inputs, output: seen.append(output))
    run(layers, torch.randn(2, 5, 3, 4, 6, dtype=torch.float64))
    assert seen == []
    out = run(layers.train(), torch.randn(2, 5, 3, 4, 6, dtype=torch.float64))
    assert seen[0] is out


@pytest.mark.parametrize("key", ["conv.weight", "norm.weight", "norm.bias", "norm.running_mean",
                                 "norm.running_var"])
def test_what_is_kept_is_made_again_when_anything_it_was_made_of_changes(key: str) -> None:
    layers = pair().eval()
    x = torch.randn(1, 5, 2, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        before = run(layers, x)
        kept = layers["conv"]._folded
        assert torch.equal(run(layers, x), before) and layers["conv"]._folded is kept
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


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_what_is_inserted_before_and_after_runs(
    kind: type[BasicBlock] | type[Bottleneck]
) -> None:
    x = torch.randn(2, 8, 2, 4, 4, dtype=torch.float64)
    places = ["before1", "before2", "after2", "after_sum"]
    places += ["before3", "after3"] if kind is Bottleneck else []
    outputs = []
    for place in [None, *places]:
        torch.manual_seed(0)
        block = kind(8, 8, 2, (3, 1)).double().eval()
        stir(block)
        if place is not None:
            insert(block, place, "inserted", nn.Tanh())
        with torch.no_grad():
            outputs.append(block(x))
            torch.testing.assert_close(prepare(block)(x), outputs[-1], rtol=0, atol=1e-12)
    for out in outputs[1:]:
        assert (out - outputs[0]).abs().max() > 1e-3, "the module changes something"


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


def joined(layers: nn.ModuleDict, x: Tensor, added: Tensor | None) -> Tensor:
    return conv_bn(layers["conv"], layers["norm"], x, added=added, rectify=True)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("gradients", [True, False])
def test_a_sum_and_a_relu_behind_both(
    kernel: tuple[int, int, int], stride: int, training: bool, gradients: bool
) -> None:
    layers = pair(kernel, stride).train(training)
    x = torch.randn(2, 5, 3, 4, 6, dtype=torch.float64)
    expected = plainly(layers, x)
    added = torch.randn_like(expected)
    before = added.clone()
    with torch.set_grad_enabled(gradients):
        for shortcut in (None, added):
            out = joined(layers, x, shortcut)
            sum_ = expected if shortcut is None else expected + shortcut
            torch.testing.assert_close(out, sum_.relu(), rtol=0, atol=1e-12)
    assert torch.equal(added, before), "the shortcut is not ours to write to"


@pytest.mark.parametrize(
    "watched", ["conv1", "bn1", "relu", "conv2", "bn2", "conv3", "bn3", "downsample.1"]
)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_who_looks_in_between_sees_what_there_is(
    watched: str, before: bool, precision: torch.dtype
) -> None:
    torch.manual_seed(0)
    block = Bottleneck(8, 4, 2, (3, 1))
    stir(block)
    block = block.to(precision).eval()
    x = torch.randn(1, 8, 2, 4, 4, dtype=precision)

    def values_seen(block: nn.Module) -> list[Tensor]:
        seen: list[Tensor] = []
        layer = block.get_submodule(watched)
        hook = (
            layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
            if before
            else layer.register_forward_hook(lambda _, given, out: seen.append(out.clone()))
        )
        with torch.no_grad():
            seen.append(block(x))
        hook.remove()
        return seen

    plain, prepared = values_seen(block), values_seen(prepare(copy.deepcopy(block)))
    assert len(plain) == (4 if watched == "relu" else 2)
    tolerance = 1e-12 if precision == torch.float64 else 0.05
    torch.testing.assert_close(prepared, plain, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("autocast", [True, False])
def test_in_bfloat16_it_is_the_same_to_its_rounding(
    kernel: tuple[int, int, int], stride: int, autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    convolve = mkldnn_bf16.convolve

    def spy(*given: object, **named: object) -> Tensor:
        calls.append(1)
        return convolve(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(mkldnn_bf16, "convolve", spy)
    exact = pair(kernel, stride).float().eval()
    rough = exact if autocast else copy.deepcopy(exact).to(torch.bfloat16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        # More sizes than weights are packed for, and back to the first.
        for clips, edge in ((1, 4), (1, 6), (2, 4), (3, 8), (1, 4)):
            x = torch.randn(clips, 5, 3, edge, edge)
            with torch.autocast("cpu", enabled=False):
                added = torch.randn_like(joined(exact, x, None))
                expected = joined(exact, x, added)
            kind = torch.float32 if autocast else torch.bfloat16
            out = joined(rough, x.to(kind), added.to(kind))
            torch.testing.assert_close(out.float(), expected, rtol=0.02, atol=0.06)
    two_dimensions = kernel[0] == 1 or (kernel[1:] == (1, 1) and stride == 1)
    supported = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert len(calls) == (5 if two_dimensions and supported else 0)


def test_a_copy_of_packed_weights_and_weights_that_change() -> None:
    layers = pair().eval()
    layers = layers.to(torch.bfloat16)
    x = torch.randn(1, 5, 2, 4, 4, dtype=torch.bfloat16)
    with torch.no_grad():
        before = joined(layers, x, None)
        other = copy.deepcopy(layers)
        assert torch.equal(joined(other, x, None), before)
        other["conv"].weight.mul_(-1)
        assert not torch.allclose(joined(other, x, None), before)
        assert torch.equal(joined(layers, x, None), before)
