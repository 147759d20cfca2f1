"""The DSA module against Eqs. 2-4 written as loops, and its place in the residual block."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
import torchvision
from torch import Tensor, nn

from dsanet_core.errors import ModelError
from dsanet_core.hooks import capture
from dsanet_core.inference.dsa import FastDSA
from dsanet_core.models.dsa import DSA, insert_dsa
from dsanet_core.models.resnet import BasicBlock, Bottleneck
from tests.models.networks import stir, tiny

POSITIONS = ("I", "II", "III", "IV")


def reference_kernel(dsa: DSA, descriptor: list[float]) -> list[float]:
    """Eq. 2 for one channel: Linear, BatchNorm with running statistics, ReLU, Linear, Softmax."""
    first, norm, _, second, _ = dsa.generate
    hidden = []
    for j in range(first.out_features):
        value = sum(float(first.weight[j, u]) * descriptor[u] for u in range(dsa.num_snippets))
        deviation = math.sqrt(float(norm.running_var[j]) + norm.eps)
        value = (value - float(norm.running_mean[j])) / deviation
        hidden.append(max(0.0, value * float(norm.weight[j]) + float(norm.bias[j])))
    scores = [
        sum(float(second.weight[tap, j]) * value for j, value in enumerate(hidden))
        for tap in range(dsa.kernel_size)
    ]
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def reference(dsa: DSA, x: Tensor) -> Tensor:
    """Eqs. 2-4, one number after another; x: (N*U, C, T, H, W) float64."""
    num_snippets, out = dsa.num_snippets, x.clone()
    for clip in range(len(x) // num_snippets):
        rows = range(clip * num_snippets, (clip + 1) * num_snippets)
        for channel in range(dsa.aggregated):
            descriptor = []
            for row in rows:
                values = x[row, channel].flatten().tolist()
                descriptor.append(sum(values) / len(values))
            kernel = reference_kernel(dsa, descriptor)
            for u, row in enumerate(rows):
                total = torch.zeros_like(x[row, channel])
                for tap, weight in enumerate(kernel):
                    neighbour = u + tap - dsa.kernel_size // 2
                    if 0 <= neighbour < num_snippets:
                        total += weight * x[rows[neighbour], channel]
                out[row, channel] = total
    return out


def make_dsa(channels: int, **settings: object) -> DSA:
    torch.manual_seed(3)
    dsa = DSA(channels, **settings).double().eval()  # type: ignore[arg-type]
    stir(dsa)
    return dsa


@pytest.mark.parametrize("alpha", [1, 2, 4])
@pytest.mark.parametrize(
    ("num_snippets", "kernel_size", "beta"),
    itertools.product((2, 4, 8), (3, 5), (1 / 8, 1 / 4, 1 / 2, 1)),
)
def test_the_module_equals_equations_2_to_4(
    num_snippets: int, kernel_size: int, beta: float, alpha: int
) -> None:
    dsa = make_dsa(
        8, num_snippets=num_snippets, kernel_size=kernel_size, alpha=alpha, beta=beta
    )
    x = torch.randn(2 * num_snippets, 8, 2, 3, 2, dtype=torch.float64)
    with torch.no_grad():
        out = dsa(x)
        torch.testing.assert_close(out, reference(dsa, x), rtol=0, atol=1e-10)
    assert not torch.allclose(out, x, atol=1e-3)


def reference_block(block: nn.Module, dsa: DSA, position: str, x: Tensor) -> Tensor:
    """A residual block with DSA written out where Figure 2(b) has it."""

    def aggregate(here: str, value: Tensor) -> Tensor:
        return reference(dsa, value) if position == here else value

    shortcut = x if block.downsample is None else block.downsample(x)
    x = torch.relu(block.bn1(block.conv1(aggregate("I", x))))
    x = block.bn2(block.conv2(aggregate("II", x)))
    if isinstance(block, Bottleneck):
        x = block.bn3(block.conv3(aggregate("III", torch.relu(x))))
    else:
        x = aggregate("III", x)
    return torch.relu(aggregate("IV", x) + shortcut)


@pytest.mark.parametrize("beta", [1 / 8, 1 / 4, 1 / 2, 1])
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_each_position_of_a_block_equals_the_written_out_block(
    kind: type[BasicBlock] | type[Bottleneck], position: str, beta: float
) -> None:
    torch.manual_seed(1)
    block = kind(16, 8, 2, (3, 1))
    network = nn.Module()
    network.layer3 = nn.Sequential(block)
    plain = copy.deepcopy(block)
    insert_dsa(network, stages=(4,), position=position, every=1, beta=beta)  # type: ignore[arg-type]
    network.double().eval()
    stir(network)
    plain.double().eval().load_state_dict(
        {key: value for key, value in block.state_dict().items() if not key.startswith("dsa.")}
    )
    x = torch.randn(4, 16, 2, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        out = block(x)
        expected = reference_block(plain, block.dsa, position, x)
        assert not torch.allclose(out, plain(x), atol=1e-3)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("every", "blocks"),
    [
        (1, ["layer2.0", "layer2.1", "layer2.2", "layer2.3"]),
        (2, ["layer2.1", "layer2.3"]),
    ],
)
def test_blocks_are_every_one_or_every_second(every: int, blocks: list[str]) -> None:
    network = torchvision.models.resnet50(width_per_group=4)
    names = set(network.state_dict())
    insert_dsa(network, stages=(3,), every=every)
    found = [name for name, module in network.named_modules() if isinstance(module, DSA)]
    assert found == [f"{block}.dsa" for block in blocks]
    assert {key for key in network.state_dict() if ".dsa." not in key} == names


def test_the_paper_default_blocks_of_resnet_50() -> None:
    network = tiny("dsa_i3d_r50")
    found = [name for name, module in network.named_modules() if isinstance(module, DSA)]
    assert found == [
        "layer2.1.dsa", "layer2.3.dsa", "layer3.1.dsa", "layer3.3.dsa", "layer3.5.dsa",
    ]  # fmt: skip
    assert [network.get_submodule(name).channels for name in found] == [16, 16, 32, 32, 32]
    assert [network.get_submodule(name).aggregated for name in found] == [2, 2, 4, 4, 4]


@pytest.mark.parametrize("position", POSITIONS)
def test_a_2d_network_of_torchvision_takes_dsa(position: str) -> None:
    torch.manual_seed(0)
    network = torchvision.models.resnet18()
    plain = copy.deepcopy(network).eval()
    insert_dsa(network, position=position, beta=1 / 2)  # type: ignore[arg-type]
    network.eval()
    frames = torch.randn(4, 3, 32, 32)
    with torch.no_grad(), capture() as captured:
        out = network(frames)
        without = plain(frames)
    assert captured["layer3.1.dsa.hook_kernel"].shape == (1, 128, 3)
    assert not torch.allclose(out, without, atol=1e-4)
    assert out.shape == without.shape


def test_kernel_taps_sum_to_one_and_points_see_their_dimensions() -> None:
    dsa = DSA(16, num_snippets=4, kernel_size=5, beta=1 / 4).eval()
    dsa.hook_kernel.name, dsa.hook_descriptor.name = "kernel", "descriptor"
    x = torch.randn(8, 16, 2, 3, 3)
    with torch.no_grad(), capture() as captured:
        dsa(x)
    assert captured["kernel"].shape == (2, 4, 5)
    torch.testing.assert_close(captured["kernel"].sum(-1), torch.ones(2, 4))
    means = x.mean((2, 3, 4)).reshape(2, 4, 16)[:, :, :4].transpose(1, 2)
    torch.testing.assert_close(captured["descriptor"], means)


def identity_kernel(kernel: Tensor) -> Tensor:
    out = torch.zeros_like(kernel)
    out[..., kernel.shape[-1] // 2] = 1
    return out


def test_the_identity_kernel_leaves_features_unchanged() -> None:
    dsa = make_dsa(8, beta=1 / 2)
    dsa.hook_kernel.name = "kernel"
    x = torch.randn(8, 8, 2, 3, 3, dtype=torch.float64)
    with torch.no_grad(), capture((), interventions={"kernel": identity_kernel}):
        assert torch.equal(dsa(x), x)


def test_with_identity_kernels_dsanet_is_the_network_without_dsa() -> None:
    network = tiny()
    plain = tiny("tsn_i3d_synth")
    shared = {key: v for key, v in network.state_dict().items() if ".dsa." not in key}
    plain.load_state_dict(shared)
    clips = torch.randn(2, 4, 3, 4, 32, 32)
    kernels = {f"layer{i}.1.dsa.hook_kernel": identity_kernel for i in (2, 3)}
    with torch.no_grad():
        assert not torch.allclose(network(clips), plain(clips), atol=1e-4)
        with capture((), interventions=kernels):
            assert torch.equal(network(clips), plain(clips))


@pytest.mark.parametrize("num_snippets", [4, 8])
def test_a_module_that_begins_as_a_shift_mostly_takes_the_snippet_before(num_snippets: int) -> None:
    torch.manual_seed(0)
    dsa = DSA(16, num_snippets, beta=1.0)
    kernels: list[Tensor] = []
    dsa.hook_kernel.register_forward_hook(lambda m, i, kernel: kernels.append(kernel.detach()))
    x = torch.randn(6 * num_snippets, 16, 2, 5, 5)
    dsa(x)
    dsa.init_as_shift()
    out = dsa(x).detach().unflatten(0, (6, num_snippets))
    before, after = kernels
    assert before[..., 0].mean() < 0.5
    assert after[..., 0].mean() > 0.85
    assert after[..., 0].min() > 0.5
    torch.testing.assert_close(after.sum(-1), torch.ones(6, 16))
    snippets = x.unflatten(0, (6, num_snippets))
    likeness = torch.corrcoef(torch.stack([out[:, 1:].flatten(), snippets[:, :-1].flatten()]))
    assert likeness[0, 1] > 0.95


def test_the_input_is_left_as_it_was() -> None:
    x = torch.randn(4, 8, 2, 3, 3)
    kept = x.clone()
    DSA(8, beta=1)(x)
    assert torch.equal(x, kept)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_gradients_check(kernel_size: int, training: bool) -> None:
    dsa = make_dsa(4, num_snippets=4, kernel_size=kernel_size, beta=1 / 2).train(training)
    x = torch.randn(8, 4, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    parameters = {k: v.detach().clone().requires_grad_() for k, v in dsa.named_parameters()}
    assert len(parameters) == 4

    def function(x: Tensor, *values: Tensor) -> Tensor:
        given = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(dsa, given, (x,))

    assert torch.autograd.gradcheck(function, (x, *parameters.values()))


def test_bfloat16_autocast_trains_and_stays_close() -> None:
    torch.manual_seed(0)
    dsa = DSA(16, beta=1 / 2).train()
    x = torch.randn(8, 16, 2, 4, 4)
    exact = dsa(x)
    half = x.bfloat16().requires_grad_()
    dsa.hook_kernel.name = "kernel"
    with torch.autocast("cpu", torch.bfloat16), capture() as captured:
        out = dsa(half)
    assert (captured["kernel"].sum(-1) - 1).abs().max() < 1e-6
    assert out.dtype == torch.bfloat16
    assert (out.float() - exact).abs().max() < 0.05
    out.float().square().sum().backward()
    for gradient in (half.grad, *(p.grad for p in dsa.parameters())):
        assert gradient is not None and bool(gradient.isfinite().all())


def test_a_deep_copy_runs_its_own_dsa() -> None:
    network = tiny()
    clips = torch.randn(1, 4, 3, 4, 32, 32)
    with torch.no_grad():
        before = network(clips)
        other = copy.deepcopy(network)
        nn.init.normal_(other.layer3[1].dsa.generate[3].weight, std=5)
        assert torch.equal(network(clips), before)
        assert not torch.allclose(other(clips), before, atol=1e-4)


def test_bad_settings_are_refused_in_words() -> None:
    with pytest.raises(ModelError, match="is 0 channels"):
        DSA(4, beta=1 / 8)
    with pytest.raises(ModelError, match="odd"):
        DSA(8, kernel_size=4)
    with pytest.raises(ModelError, match=r"\(6, 8, 1, 1, 1\).*multiple of 4"):
        DSA(8)(torch.zeros(6, 8, 1, 1, 1))
    with pytest.raises(ModelError, match="once"):
        insert_dsa(tiny())
    with pytest.raises(ModelError, match="res6"):
        insert_dsa(tiny("i3d_synth"), stages=(6,))
    with pytest.raises(ModelError, match="'V'"):
        insert_dsa(tiny("i3d_synth"), position="V")  # type: ignore[arg-type]


def test_autocast_rounds_no_average() -> None:
    x = torch.randn(2, 4, 8, 2, 3, 3)
    last = x.flatten(0, 1).to(memory_format=torch.channels_last_3d).unflatten(0, (2, 4))
    with torch.autocast("cpu", torch.bfloat16):
        for kind in (DSA, FastDSA):
            for layout in (x, last):
                found = kind.squeeze(layout)
                assert found.dtype == torch.float32
                torch.testing.assert_close(found, x.mean((3, 4, 5)).transpose(1, 2))
