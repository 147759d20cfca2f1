"""What the measurements are made of; no figure is asserted, as machines differ."""

from __future__ import annotations

import torch

from dsanet_core import bench
from dsanet_core.models.dsa import DSA
from dsanet_core.video import read_clips
from tests.weights import tiny_network


def test_time_inside_modules_counts_those_modules_alone() -> None:
    view = torch.zeros(1, 4, 3, 4, 32, 32)
    for row, has_dsa in (("dsa_i3d_synth", True), ("tsn_i3d_synth", False)):
        network = tiny_network(row)
        spent = bench._inside(network, DSA, lambda network=network: network(view), 1)
        assert (spent > 0) == has_dsa
        assert not any(
            m._forward_hooks or m._forward_pre_hooks
            for m in network.modules()
            if isinstance(m, DSA)
        ), "the stop-watches are gone"


def test_two_networks_take_turns() -> None:
    network, other = tiny_network("sda_tsn_synth"), tiny_network("tsn_synth")
    turns: list[str] = []
    for runner in (network, other):
        runner.register_forward_hook(lambda module, x, y: turns.append(module.spec.name))
    raced = bench._race(network, other, 3)
    assert turns == ["tiny_sda_tsn_synth", "tiny_tsn_synth"] * 5
    assert raced["against"] == "tiny_tsn_synth"
    assert raced["ratio"] == raced["alternating_seconds"] / raced["against_seconds"]


def test_the_clip_is_what_the_figures_are_quoted_for(tmp_path) -> None:
    network = tiny_network()
    video = read_clips(
        bench.write_clip(tmp_path / "clip.mp4"), network.spec.protocol.sampling
    ).frames.video
    assert (video.width, video.height, video.codec) == (340, 256, "h264")
    assert abs(video.duration_seconds - 10) < 0.1 and abs(video.fps - 25) < 0.01
