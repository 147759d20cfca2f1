"""The slow-only I3D ResNets against Table 1, torchvision and the properties of averaging."""

from __future__ import annotations

import pytest
import torch
import torchvision

from dsanet_core.errors import ModelError
from dsanet_core.hooks import capture
from dsanet_core.models.resnet import VideoResNet
from tests.models.networks import tiny

# Table 1: kernels (time, space) of the convolutions of a block, blocks and output channels.
TABLE_1 = {
    18: [
        ([(1, 3), (1, 3)], 2, 64),
        ([(1, 3), (1, 3)], 2, 128),
        ([(3, 3), (3, 3)], 2, 256),
        ([(3, 3), (3, 3)], 2, 512),
    ],
    50: [
        ([(1, 1), (1, 3), (1, 1)], 3, 256),
        ([(1, 1), (1, 3), (1, 1)], 4, 512),
        ([(3, 1), (1, 3), (1, 1)], 6, 1024),
        ([(3, 1), (1, 3), (1, 1)], 3, 2048),
    ],
}


@pytest.mark.parametrize("depth", [18, 50])
def test_kernels_blocks_and_sizes_are_those_of_table_1(depth: int) -> None:
    with torch.device("meta"):
        network = VideoResNet(depth, 400, temporal="i3d")
        x = torch.empty(1, 3, 4, 224, 224)
    assert network.conv1.kernel_size == (1, 7, 7)
    x = network.conv1(x)
    assert x.shape == (1, 64, 4, 112, 112)
    x = network.maxpool(x)
    assert x.shape == (1, 64, 4, 56, 56)
    for stage, (kernels, count, channels) in enumerate(TABLE_1[depth]):
        layer = network.get_submodule(f"layer{stage + 1}")
        assert len(layer) == count
        for block in layer:
            convs = [m for name, m in block.named_children() if name.startswith("conv")]
            assert [conv.kernel_size for conv in convs] == [(t, s, s) for t, s in kernels]
        x = layer(x)
        assert x.shape == (1, channels, 4, 56 // 2**stage, 56 // 2**stage)


@pytest.mark.parametrize("depth", [18, 50])
def test_names_are_those_of_torchvision(depth: int) -> None:
    flat = getattr(torchvision.models, f"resnet{depth}")()
    with torch.device("meta"):
        network = VideoResNet(depth, 1000, temporal="i3d")
    assert set(network.state_dict()) == set(flat.state_dict())


@pytest.mark.parametrize("name", ["i3d_synth", "tsn_i3d_synth"])
def test_the_order_of_snippets_never_changes_averaging(name: str) -> None:
    network = tiny(name).double()
    clips = torch.randn(2, 4, 3, 4, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        expected = network(clips)
        for order in ([3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]):
            torch.testing.assert_close(network(clips[:, order]), expected, rtol=0, atol=1e-12)


def test_the_order_of_snippets_changes_dsanet() -> None:
    network = tiny("dsa_i3d_synth").double()
    clips = torch.randn(2, 4, 3, 4, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        difference = (network(clips[:, [3, 2, 1, 0]]) - network(clips)).abs().max()
    assert difference > 1e-2


@pytest.mark.parametrize("name", ["tsn_i3d_synth", "dsa_i3d_synth"])
def test_video_logits_are_the_mean_of_snippet_scores(name: str) -> None:
    network = tiny(name)
    with torch.no_grad(), capture() as captured:
        logits = network(torch.randn(2, 4, 3, 4, 32, 32))
    scores = captured["hook_snippet_scores"]
    assert scores.shape == (2, 4, len(network.spec.classes))
    torch.testing.assert_close(scores.mean(1), logits)
    torch.testing.assert_close(network.fc(captured["hook_features"]), scores)


def test_clips_of_a_batch_do_not_see_each_other() -> None:
    network = tiny("dsa_i3d_synth").double()
    clips = torch.randn(3, 4, 3, 4, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        together = network(clips)
        alone = torch.cat([network(clip[None]) for clip in clips])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["tsn_i3d_synth", "dsa_i3d_synth"])
def test_gradients_reach_every_parameter(name: str) -> None:
    network = tiny(name).train()
    network(torch.randn(4, 4, 3, 4, 32, 32)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert bool((parameter.grad != 0).any()), key


def test_other_shapes_are_refused_in_words() -> None:
    network = tiny("dsa_i3d_synth")
    with pytest.raises(ModelError, match=r"\(4, 3, 4, 32, 32\).*clips\[None\]"):
        network(torch.zeros(4, 3, 4, 32, 32))
    with pytest.raises(ModelError, match=r"8 snippets; expected 4"):
        network(torch.zeros(1, 8, 3, 4, 32, 32))
    with pytest.raises(ModelError, match="depth 34"):
        VideoResNet(34, 10, temporal="i3d")
