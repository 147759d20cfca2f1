"""What is measured on videos with known truth, and that the shipped figures are those of the
shipped weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dsanet_core import synthetic
from dsanet_core.attribution import attribute, offered, trust, trust_of
from dsanet_core.attribution.trust import FILE, read_trust, write_trust
from dsanet_core.checkpoints import read_manifest
from dsanet_core.records import METHODS, Attribution, Rate
from dsanet_core.video import to_tensor
from tests.attribution.made import clips_of, small
from tests.why_factory import make_trust
from tools import trust as tool

SHIPPED = read_trust(FILE)


def told(index: int, **maps: object) -> tuple[Attribution, np.ndarray, synthetic.SyntheticVideo]:
    """An attribution of benchmark video `index` of seed 8, its objects, and its truth."""
    network = small()
    clips = clips_of(network, index, seed=tool.SEED)
    made = synthetic.make_video(tool.SEED, index, frame_index=clips.frames.frame_index)
    attribution = attribute(clips, network, "grad_cam", category=made.label)
    return attribution, tool.object_views(clips, made.object_mask, attribution.protocol), made


def test_objects_are_where_the_network_sees_them() -> None:
    network = small()
    protocol = replace(network.spec.protocol, resize=72, crop=64)
    clips = clips_of(network, 3, seed=tool.SEED)
    made = synthetic.make_video(tool.SEED, 3, frame_index=clips.frames.frame_index)
    objects = tool.object_views(clips, made.object_mask, protocol)
    views = to_tensor(clips, protocol)
    assert objects.shape == (2, 16, 64, 64)
    for view, snippets in enumerate(protocol.snippet_of_view):
        frames = clips.position[snippets].ravel()
        np.testing.assert_array_equal(objects[view], made.object_mask[frames, 4:68, 4:68])
        shown = (views[view].transpose(0, 1).flatten(1, 2)[:, 5] * 0.5 + 0.5) * 255
        expected = made.rgb[frames[5], 4:68, 4:68].transpose(2, 0, 1)
        np.testing.assert_allclose(shown.numpy(), expected, atol=1e-3)


def test_a_map_points_at_its_highest_place_in_its_own_frame() -> None:
    attribution, objects, _ = told(2)
    place = tuple(np.argwhere(objects)[len(np.argwhere(objects)) // 2])
    fine = np.zeros(objects.shape, np.float32)
    fine[place] = 1
    hit = tool.pointing(replace(attribution, maps=fine), np.ones_like(objects))
    assert hit == (True, 1.0)
    coarse = np.zeros((*objects.shape[:2], 16, 16), np.float32)
    cell = np.argwhere(objects[:, :, 1::2, 1::2])[0]
    coarse[tuple(cell)] = 1
    assert tool.pointing(replace(attribution, maps=coarse), objects) == (
        True, pytest.approx(float(objects.mean()))
    )  # fmt: skip
    assert tool.pointing(replace(attribution, maps=coarse), ~objects)[0] is False
    other = np.roll(objects, 1, axis=0) & ~objects
    assert tool.pointing(replace(attribution, maps=coarse), other)[0] is False
    assert tool.pointing(replace(attribution, maps=coarse[..., :1, :1]), objects) is None


def test_the_most_important_moment_is_looked_for_among_the_events() -> None:
    attribution, _, made = told(13)
    clips = clips_of(small(), 13, seed=tool.SEED)
    times = clips.frame_index / 63
    inside = np.zeros(times.shape, bool)
    for event in made.events:
        inside |= (times >= event.start) & (times <= event.end)
    of_view = attribution.protocol.snippet_of_view
    for wanted in (True, False):
        snippet, frame = np.argwhere(inside == wanted)[0]
        maps = np.zeros((2, 16, 1, 1), np.float32)
        view, place = np.argwhere(of_view == snippet)[0]
        maps[view, place * 4 + frame] = 1
        found = tool.timing(replace(attribution, maps=maps), clips, made.events)
        assert found == (wanted, pytest.approx(float(inside.mean())))
        maps[view, place * 4 : place * 4 + 4] = 1
        found = tool.timing(replace(attribution, maps=maps), clips, made.events)
        assert found == (bool(inside[snippet].any()), pytest.approx(float(inside.any(1).mean())))
    whole = [synthetic.Event("moving", 0.0, 1.0)]
    assert tool.timing(attribution, clips, whole) is None


def test_answers_become_rates_with_their_chance() -> None:
    answers = [
        {"method": "occlusion", "video": i, "pointing": [i > 0, 0.1 * i], "timing": None}
        for i in range(4)
    ]
    answers[0] |= {"gain": 0.5, "random_gain": 0.25, "sanity": -0.5}
    answers[1] |= {"gain": 0.25, "random_gain": 0.25, "sanity": 0.0}
    found = tool.summarise("x", "0" * 64, "occlusion", answers)
    assert found.pointing == Rate(0.75, 4, 0.15) and found.timing is None
    assert (found.gain, found.random_gain, found.gain_videos) == (0.375, 0.25, 2)
    assert (found.sanity, found.sanity_videos) == (-0.25, 2)
    assert found.is_offered and not replace(found, gain=0.2).is_offered


def test_trust_is_kept_and_found_by_the_weights(tmp_path, monkeypatch) -> None:
    measured = (
        make_trust("occlusion", pointing=None),
        make_trust("grad_cam", gain=0.1, random_gain=0.2),
        make_trust("ablation", weights_sha256="2" * 64),
    )
    write_trust(tmp_path / "trust.json", measured)
    assert read_trust(tmp_path / "trust.json") == measured
    monkeypatch.setattr(trust, "_measured", lambda: measured)
    assert trust_of("1" * 64) == {"occlusion": measured[0], "grad_cam": measured[1]}
    assert offered("1" * 64) == ("integrated_gradients", "occlusion", "ablation")
    assert trust_of("3" * 64) == {} and offered("3" * 64) == METHODS
    assert read_trust(tmp_path / "nothing.json") == ()


def test_the_shipped_page_is_made_of_the_shipped_figures() -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(SHIPPED)
    manifest = read_manifest()
    for each in SHIPPED:
        assert each.weights_sha256 == manifest[each.model]["sha256"], each.model


def test_the_best_method_points_at_the_object_in_four_of_five_videos() -> None:
    known = [each for each in SHIPPED if each.model == "dsa_i3d_synth" and each.pointing]
    best = max(known, key=lambda each: each.pointing.rate)
    assert best.pointing.rate >= 0.8 > 5 * best.pointing.chance
    assert best.is_offered
