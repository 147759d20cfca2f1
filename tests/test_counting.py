"""Parameters and multiply-adds against the figures of the paper."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

import dsanet_core as dc
from dsanet_core.counting import complexity
from dsanet_core.errors import ModelError
from dsanet_core.models.dsa import insert_dsa
from dsanet_core.models.resnet import VideoResNet
from dsanet_core.models.sda import insert_sda
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


def test_sda_adds_what_its_modules_hold_and_do() -> None:
    frames = (1, 8, 3, 1, 224, 224)
    plain = complexity(create_model("tsn_r50"), input_shape=frames)
    with_sda = complexity(create_model("sda_tsn_r50"), input_shape=frames)
    assert (plain.sda_macs, plain.sda_params) == (0, 0)
    assert with_sda.macs - plain.macs == with_sda.sda_macs
    assert with_sda.params - plain.params == with_sda.sda_params
    assert with_sda.sda_params / plain.params == pytest.approx(0.08, abs=0.002)  # SDA, section 4.3
    assert with_sda.sda_macs / plain.macs == pytest.approx(0.03, abs=0.002)


@pytest.mark.parametrize(("aggregation", "per_response"), [("avg", 1), ("sec", 2)])
def test_sda_macs_are_those_counted_by_hand(
    aggregation: Literal["avg", "sec"], per_response: int
) -> None:
    with torch.device("meta"):
        network = VideoResNet(18, 5, width=8, temporal="none", axis="clip")
    insert_sda(network, dependencies=("LS", "S122"), aggregation=aggregation, stages=(3,))
    count = complexity(network, input_shape=(3, 4, 3, 1, 32, 32))
    places, grids = 4 * 4 * 4, 4 * 1 * 1 + 4 * 2 * 2  # of 4 frames x 4 x 4: LS and S122
    channels = 16  # reduced ones too, as there are never fewer
    convolutions = channels * channels * (2 * places + 3 * grids)
    squeezes_sum_and_gate = channels * (2 * places + places + places)
    weights_and_keys = channels * per_response * grids
    blocks, clips = 2, 3
    by_hand = convolutions + squeezes_sum_and_gate + weights_and_keys
    assert count.sda_macs == blocks * clips * by_hand


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
