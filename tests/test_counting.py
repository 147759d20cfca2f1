"""Parameters and multiply-adds against the figures of the paper."""

from __future__ import annotations

import pytest
import torch

import dsanet_core as dc
from dsanet_core.counting import complexity
from dsanet_core.errors import ModelError
from dsanet_core.models.dsa import insert_dsa
from dsanet_core.models.resnet import VideoResNet
from dsanet_core.zoo import create_model

PAPER_VIEW = (1, 4, 3, 4, 224, 224)


@pytest.mark.parametrize("name", ["tsn_i3d_r50", "dsa_i3d_r50"])
def test_r50_on_4_snippets_of_4_frames_has_the_papers_multiply_adds(name: str) -> None:
    count = complexity(create_model(name), input_shape=PAPER_VIEW)
    assert count.macs == pytest.approx(83.8e9, rel=0.01)  # Table 2i


@pytest.mark.parametrize(("frames", "snippets", "macs"), [(8, 1, 41.9e9), (8, 4, 167.7e9)])
def test_r50_of_8_frames_has_the_papers_multiply_adds(
    frames: int, snippets: int, macs: float
) -> None:
    count = complexity(
        create_model("i3d_r50"), input_shape=(1, snippets, 3, frames, 224, 224)
    )
    assert count.macs == pytest.approx(macs, rel=0.01)  # Table 4


def test_dsa_adds_less_than_a_thousandth() -> None:
    plain = complexity(create_model("tsn_i3d_r50"), input_shape=PAPER_VIEW)
    with_dsa = complexity(create_model("dsa_i3d_r50"), input_shape=PAPER_VIEW)
    assert (plain.dsa_macs, plain.dsa_params) == (0, 0)
    assert 0 < with_dsa.dsa_macs < 0.001 * plain.macs
    assert with_dsa.macs - plain.macs == with_dsa.dsa_macs
    assert with_dsa.params - plain.params == with_dsa.dsa_params == 5 * (4 * 8 + 2 * 8 + 8 * 3)


@pytest.mark.parametrize(("classes", "millions"), [(1000, 32.3), (200, 31.9)])
def test_r18_has_the_papers_parameters(classes: int, millions: float) -> None:
    count = complexity(create_model("i3d_r18", num_classes=classes))
    assert round(count.params / 1e6, 1) == millions


def test_dsa_macs_are_those_counted_by_hand() -> None:
    with torch.device("meta"):
        network = VideoResNet(18, 5, width=8, temporal="i3d")
    insert_dsa(network, stages=(3,), beta=1 / 4, kernel_size=5)
    count = complexity(network, input_shape=(2, 4, 3, 2, 32, 32))
    channels, values = 4, 4 * 2 * 4 * 4  # of 16 channels; snippets x frames x 4 x 4 per channel
    kernel_mlp = 4 * 8 + 8 * 5
    assert count.dsa_macs == 2 * channels * (kernel_mlp + values * (1 + 5))


def test_counting_leaves_the_network_as_it_was() -> None:
    network = create_model("dsa_i3d_synth")
    count = complexity(network)
    assert count.input_shape == (1, 4, 3, 4, 64, 64)
    assert network.training
    assert all(p.device.type == "cpu" for p in network.parameters())
    assert not any(m._forward_hooks for m in network.modules())


def test_without_a_spec_a_shape_is_asked_for() -> None:
    with pytest.raises(ModelError, match="input_shape"):
        complexity(VideoResNet(18, 5, width=4, temporal="i3d"))


def test_complexity_unpacks_as_parameters_and_multiply_adds() -> None:
    network = create_model("dsa_i3d_synth")
    params, macs, *_ = dc.complexity(network)
    assert params == sum(p.numel() for p in network.parameters())
    assert macs == dc.complexity(network).macs > 0
