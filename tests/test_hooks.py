"""Capture: what is seen, by whom, and that looking changes nothing."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn

from dsanet_core.analysis import NetworkOutput, run_network
from dsanet_core.hooks import HookPoint, capture, hook_points, name_hook_points
from tests.models.networks import tiny

KERNEL = "layer2.1.dsa.hook_kernel"


def clips(seed: int, count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, 3, 4, 32, 32, generator=generator)


def test_every_point_is_seen_in_order_with_its_named_dimensions() -> None:
    network = tiny()
    with torch.no_grad(), capture() as captured:
        network(clips(0, count=2))
    points = hook_points(network)
    assert set(captured) == set(points)
    assert list(captured)[-2:] == ["hook_features", "hook_snippet_scores"]
    for name, value in captured.items():
        assert value.ndim == len(points[name].dims)
        assert value.shape[0] == {"clip": 2, "snippet": 2 * 4}[points[name].dims[0]]


@pytest.mark.parametrize("name", ["i3d_synth", "tsn_i3d_synth", "dsa_i3d_synth"])
def test_logits_are_equal_with_capture_on_and_off(name: str) -> None:
    network = tiny(name)
    with torch.no_grad():
        off = network(clips(0))
        with capture():
            on = network(clips(0))
    assert torch.equal(on, off)


def test_names_and_patterns_choose_what_is_kept() -> None:
    network = tiny()
    with torch.no_grad(), capture(["*.hook_kernel", "hook_features"]) as captured:
        network(clips(0))
    assert list(captured) == [KERNEL, "layer3.1.dsa.hook_kernel", "hook_features"]
    with torch.no_grad(), capture(()) as nothing:
        network(clips(0))
    assert nothing == {}


def test_several_forwards_are_kept_one_after_the_other() -> None:
    network = tiny()
    with torch.no_grad(), capture([KERNEL]) as both:
        network(clips(0))
        network(clips(1))
    with torch.no_grad(), capture([KERNEL]) as second:
        network(clips(1))
    assert both[KERNEL].shape[0] == 2
    assert torch.equal(both[KERNEL][1:], second[KERNEL])


def test_what_is_kept_is_a_float32_copy_without_gradient() -> None:
    point = HookPoint("clip")
    point.name = "p"
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    with capture() as captured:
        y = point(x)
        y.detach().zero_()
    assert y is x
    assert captured["p"].tolist() == [1, 1, 1]
    assert (captured["p"].dtype, captured["p"].requires_grad) == (torch.float32, False)


def test_an_intervention_changes_what_follows_and_is_what_is_kept() -> None:
    network = tiny()
    with torch.no_grad():
        before = network(clips(0))
        with capture([KERNEL], interventions={KERNEL: lambda k: torch.full_like(k, 1 / 3)}) as seen:
            changed = network(clips(0))
        assert torch.equal(network(clips(0)), before)
    assert bool((seen[KERNEL] == 1 / 3).all())
    assert not torch.allclose(changed, before, atol=1e-4)


def test_an_intervention_of_another_shape_is_refused() -> None:
    network = tiny()
    with (
        torch.no_grad(),
        pytest.raises(ValueError, match=rf"{KERNEL} returned \(3,\); expected \(1, 8, 3\)"),
        capture(interventions={KERNEL: lambda k: k[0, 0]}),
    ):
        network(clips(0))


def test_blocks_nest_and_the_innermost_listens() -> None:
    network = tiny()
    with torch.no_grad(), capture([KERNEL]) as outer:
        with capture([KERNEL]) as inner:
            network(clips(0))
        assert outer == {}
        network(clips(1))
    assert inner[KERNEL].shape == outer[KERNEL].shape
    assert not torch.equal(inner[KERNEL], outer[KERNEL])


def test_nothing_listens_after_an_error() -> None:
    point = HookPoint()
    point.name = "p"
    with pytest.raises(RuntimeError, match="stop"), capture() as captured:
        raise RuntimeError("stop")
    point(torch.ones(1))
    assert captured == {}


def test_another_thread_is_not_seen() -> None:
    network = tiny()
    with torch.no_grad(), capture() as captured:
        thread = threading.Thread(target=lambda: network(clips(0)))
        thread.start()
        thread.join()
    assert captured == {}


def test_points_are_named_by_their_path() -> None:
    network = nn.ModuleDict({"a": nn.ModuleDict({"hook_x": HookPoint("clip")})})
    name_hook_points(network)
    assert network["a"]["hook_x"].name == "a.hook_x"


def is_of(output: NetworkOutput, expected: NetworkOutput) -> bool:
    """Do all parts of an output belong to the same video as the expected one?"""
    parts = [(output.video_scores, expected.video_scores), (output.appearance, expected.appearance)]
    parts += [(output.snippet_scores, expected.snippet_scores)]
    parts += [(a.values, b.values) for a, b in zip(output.kernels, expected.kernels, strict=True)]
    return all(a.shape == b.shape and abs(a - b).max() < 1e-5 for a, b in parts)


def test_400_interleaved_analyses_of_two_threads_see_only_their_own() -> None:
    network = tiny(width=4)
    videos = [clips(seed, count=2) for seed in range(20)]
    expected = [run_network(network, views) for views in videos]
    assert sum(is_of(a, b) for a in expected for b in expected) == len(videos), "videos differ"
    meeting = threading.Barrier(2, timeout=60)

    def meet(*call: object) -> None:
        """Both threads are at this layer of their forward before either goes on."""
        meeting.wait()

    for layer in (network.layer1, network.layer2[1].dsa, network.layer3[1].dsa, network.fc):
        layer.register_forward_hook(meet)
    wrong: list[int] = []
    done: list[int] = []

    def work(mine: range) -> None:
        for turn in range(200):
            video = mine[turn % len(mine)]
            output = run_network(network, videos[video])
            (done if is_of(output, expected[video]) else wrong).append(video)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in (range(10), range(10, 20))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), wrong) == (400, [])
