"""Curves that tell a good map from a bad one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dsanet_core.analysis import analyze, run_network
from dsanet_core.attribution import attribute, faithfulness, randomised, rank_correlation
from dsanet_core.attribution.faithfulness import STEPS, in_parts
from dsanet_core.attribution.target import without_patches
from dsanet_core.errors import ModelError
from dsanet_core.video import to_tensor
from tests.attribution.made import bright_clips, clips_of, looking, small


def test_a_map_of_what_the_network_looks_at_beats_random_orders_and_its_opposite_does_not() -> None:
    network = looking()
    clips = bright_clips(network)
    attribution = attribute(clips, network, "integrated_gradients", category=0)
    good = faithfulness(clips, network, attribution)
    bad = faithfulness(clips, network, replace(attribution, maps=-attribution.maps))
    assert good.gain > 0.2 and bad.gain < -0.2
    assert good.gain > good.random_gains.max() and bad.gain < bad.random_gains.min()
    np.testing.assert_array_equal(good.random_deletion, bad.random_deletion)


@pytest.mark.parametrize("method", ["grad_cam", "ablation"])
def test_the_curves_run_from_the_whole_video_to_nothing(method) -> None:
    network = small()
    clips = clips_of(network)
    attribution = attribute(clips, network, method, category=3)
    curves = faithfulness(clips, network, attribution, orders=2)
    assert curves.shares.shape == (STEPS,) and curves.random_insertion.shape == (2, STEPS)
    whole = float(analyze(clips, network).video_scores[3])
    for start in (curves.deletion[0], curves.insertion[-1], *curves.random_deletion[:, 0]):
        assert start == pytest.approx(whole, abs=1e-5)
    nothing = {round(float(x), 6) for x in (curves.deletion[-1], curves.insertion[0])}
    assert len(nothing) == 1
    if method == "grad_cam":
        empty = torch.zeros_like(to_tensor(clips, network.spec.protocol))
        scores = run_network(network, empty).video_scores
        assert curves.deletion[-1] == pytest.approx(float(scores[3]), abs=1e-5)
    assert (curves.parts == "frames") == (method == "ablation")


def test_curves_of_a_snippet_are_about_its_own_probability() -> None:
    network = small("sda_tsn_synth")
    clips = clips_of(network, 13)
    attribution = attribute(clips, network, "grad_cam", category=1, snippet=6)
    curves = faithfulness(clips, network, attribution, orders=1)
    logits = run_network(network, to_tensor(clips, network.spec.protocol)).snippet_logits
    odds = np.exp(logits[0, 6] - logits[0, 6].max())
    assert curves.deletion[0] == pytest.approx(float(odds[1] / odds.sum()), abs=1e-5)


def test_parts_add_up_to_the_map_also_where_sides_do_not_divide() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 7, 20))
    parts = in_parts(maps, 8)
    assert parts.shape == (2, 3, 7, 8)
    np.testing.assert_allclose(parts.sum((2, 3)), maps.sum((2, 3)))
    np.testing.assert_allclose(parts[..., 0], maps[..., :3].sum(-1))


def test_absent_patches_have_the_mean_colour_and_only_they() -> None:
    view = torch.rand(4, 3, 2, 20, 20) + 1
    present = torch.ones(1, 4, 1, 8, 8, dtype=torch.bool)
    present[0, 2, 0, 0, 0] = False
    shown = without_patches(view, present)[0]
    changed = (shown != view).nonzero()
    assert set(changed[:, 0].tolist()) == {2} and set(changed[:, 2].tolist()) == {0, 1}
    assert changed[:, 3:].max() == 2 and (shown[2, :, :, :3, :3] == 0).all()


def test_an_attribution_of_another_protocol_is_refused() -> None:
    network = small()
    attribution = attribute(clips_of(network), network, "grad_cam", category=0)
    other = small("tsn_synth")
    with pytest.raises(ModelError, match="the network that the attribution explains"):
        faithfulness(clips_of(other), other, attribution)


@pytest.mark.parametrize("row", ["dsa_i3d_synth", "sda_tsn_synth"])
def test_random_weights_change_the_map_but_not_the_network_that_was_given(row: str) -> None:
    network = small(row)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    clips = clips_of(network, 19)
    other = randomised(network, seed=1)
    first = attribute(clips, network, "integrated_gradients", category=19)
    second = attribute(clips, other, "integrated_gradients", category=19)
    assert abs(rank_correlation(first.maps, second.maps)) < 0.3
    assert rank_correlation(first.maps, first.maps * 2) == pytest.approx(1)
    assert all(bool((value == before[key]).all()) for key, value in network.state_dict().items())
    assert not bool((other.conv1.weight == network.conv1.weight).any())


def test_a_flat_map_is_like_nothing() -> None:
    assert rank_correlation(np.zeros((2, 3)), np.arange(6).reshape(2, 3)) == 0
