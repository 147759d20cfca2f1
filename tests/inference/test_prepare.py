"""Every row of the zoo computes in its fast form as it does in its plain one."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dsanet_core.checkpoints import load_model, save_checkpoint
from dsanet_core.counting import complexity
from dsanet_core.hooks import Captured, capture, hook_points
from dsanet_core.inference import FAST, prepare
from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import list_models
from tests.models.networks import stir, tiny

TOLERANCE = 1e-5
"""Of differences in float32, relative to the spread of the values."""
KINDS = ("dsa_i3d_synth", "sda_tsm_synth", "v4d_i3d_r18", "se_i3d_r18", "gst_r50")


def clip_of(network: VideoNetwork, count: int = 1, side: int = 32) -> Tensor:
    protocol = network.spec.protocol
    torch.manual_seed(1)
    frames = protocol.sampling.frames_per_snippet
    return torch.randn(count, protocol.group_size, 3, frames, side, side)


def captured_forward(network: nn.Module, clips: Tensor) -> tuple[Tensor, Captured]:
    with torch.no_grad(), capture() as captured:
        logits: Tensor = network(clips)
    return logits, captured


def relative_difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.std())


@pytest.mark.parametrize("name", list_models())
def test_a_prepared_row_equals_the_plain_one_with_and_without_capture(name: str) -> None:
    network = tiny(name, width=16)
    clips = clip_of(network)
    with torch.no_grad():
        expected = network(clips)
    captured_logits, points = captured_forward(network, clips)
    assert torch.equal(captured_logits, expected)
    prepare(network)
    with torch.no_grad():
        assert relative_difference(network(clips), expected) < TOLERANCE
    captured_logits, fast_points = captured_forward(network, clips)
    assert relative_difference(captured_logits, expected) < TOLERANCE
    assert list(fast_points) == list(points)
    for point, value in points.items():
        apart = (fast_points[point] - value).abs().max() / value.abs().max()
        assert apart < 10 * TOLERANCE, point


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[VideoNetwork, VideoNetwork]]:
    """A plain network and its prepared copy."""
    network = tiny(request.param, width=16)
    yield network, prepare(copy.deepcopy(network))


Pair = tuple[VideoNetwork, VideoNetwork]


def test_names_of_tensors_and_hook_points_stay(pair: Pair) -> None:
    plain, fast = pair
    assert list(fast.state_dict()) == list(plain.state_dict())
    assert list(hook_points(fast)) == list(hook_points(plain))
    assert all(type(module) not in FAST for module in fast.modules())


def test_gradients_of_input_and_parameters_are_those_of_the_plain_network(pair: Pair) -> None:
    clips = clip_of(pair[0]).double().requires_grad_()
    gradients = []
    for network in pair:
        network.double()
        inputs = (clips, *network.parameters())
        gradients.append(torch.autograd.grad(network(clips).square().sum(), inputs))
    for found, expected in zip(gradients[1], gradients[0], strict=True):
        assert relative_difference(found, expected) < 1e-6


def test_in_training_mode_it_is_the_plain_network(pair: Pair) -> None:
    outputs = []
    clips = clip_of(pair[0], count=2)
    for network in pair:
        network.train()
        network.dropout.p = 0.0
        outputs.append((network(clips).detach(), copy.deepcopy(network.state_dict())))
    assert relative_difference(outputs[1][0], outputs[0][0]) < 1e-4
    for key, value in outputs[0][1].items():
        torch.testing.assert_close(outputs[1][1][key], value, rtol=1e-4, atol=1e-5)


def test_parameters_that_are_changed_afterwards_are_noticed(pair: Pair) -> None:
    plain, fast = pair
    clips = clip_of(plain)

    def check(dtype: torch.dtype = torch.float32) -> Tensor:
        after: Tensor = fast(clips.to(dtype))
        assert relative_difference(after, plain(clips.to(dtype))) < 1e-4
        return after

    with torch.no_grad():
        before = check()
        stir(plain.layer3)                                       # statistics and scales
        fast.load_state_dict(plain.state_dict())
        written = check()
        assert relative_difference(written, before) > 1e-2
        values = {key: value.clone() for key, value in plain.state_dict().items()}
        values["conv1.weight"] *= -1
        for network in pair:
            network.load_state_dict(values, assign=True)
        assert relative_difference(check(), written) > 1e-2
        for network in pair:
            network.double()
        check(torch.float64)


def test_a_copy_of_a_prepared_network_is_prepared_and_its_own(pair: Pair) -> None:
    _, fast = pair
    clips = clip_of(fast)
    with torch.no_grad():
        before = fast(clips)
        other = copy.deepcopy(fast)
        assert torch.equal(other(clips), before)
        other.layer3[-1].conv2 = copy.deepcopy(fast.layer3[-1].conv2)
        other.conv1.weight.zero_()
        assert not torch.allclose(other(clips), before)
        assert torch.equal(fast(clips), before)
    assert [type(module) for module in other.modules()] == [type(m) for m in fast.modules()]


def test_bfloat16_autocast_is_the_same_to_its_rounding(pair: Pair) -> None:
    clips = clip_of(pair[0])
    outputs = []
    with torch.no_grad():
        exact = pair[0](clips)
        for network in pair:
            with torch.autocast("cpu", torch.bfloat16):
                outputs.append(network(clips).float())
    errors = [relative_difference(out, exact) for out in outputs]
    assert errors[1] < max(2 * errors[0], 0.1)


def test_costs_are_those_of_the_plain_network(pair: Pair) -> None:
    plain, fast = pair
    assert complexity(fast) == complexity(plain)


def test_preparing_twice_changes_nothing_more(pair: Pair) -> None:
    _, fast = pair
    kinds = [type(module) for module in fast.modules()]
    assert prepare(fast) is fast
    assert [type(module) for module in fast.modules()] == kinds


def test_a_loaded_network_is_prepared_and_can_be_saved_again(tmp_path: Path) -> None:
    network = tiny("dsa_i3d_synth")
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_checkpoint(first, network, trained_on="nothing")
    loaded = load_model(first, "cpu")
    assert not loaded.training
    assert all(type(module) not in FAST for module in loaded.modules())
    save_checkpoint(second, loaded, trained_on="nothing")
    assert first.read_bytes() == second.read_bytes()


def test_convolutions_of_other_kinds_stay_as_they_are() -> None:
    torch.manual_seed(0)
    kinds = [
        nn.Conv3d(4, 4, 3),
        nn.Conv3d(4, 4, 3, padding=1),
        nn.Conv3d(4, 4, 3, padding=1, bias=False, groups=2),
        nn.Conv3d(4, 4, 3, padding="same", bias=False),
        nn.Conv3d(4, 4, 3, padding=1, dilation=2, bias=False),
        nn.Conv3d(4, 4, 3, 2, padding=1, bias=False),
        nn.Conv3d(4, 4, 3, padding=1, bias=False, padding_mode="circular"),
    ]
    x = torch.randn(1, 4, 8, 8, 8)
    for conv in kinds:
        expected = conv(x)
        assert type(prepare(conv)) is nn.Conv3d
        torch.testing.assert_close(conv(x), expected)
