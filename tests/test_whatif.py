"""What if: changed inputs and blocks give what the same would give if it were built that way."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from torch import nn

from dsanet_core import analysis as analysis_module
from dsanet_core.analysis import analyze, run_network
from dsanet_core.checkpoints import load_model
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Analysis, Clips
from dsanet_core.serialize import analysis_from_json, analysis_to_json
from dsanet_core.video import to_tensor
from dsanet_core.whatif import (
    AverageKernel,
    Change,
    Drop,
    EqualWeights,
    Freeze,
    GateOff,
    IdentityKernel,
    OneDependency,
    OtherKernel,
    Repeat,
    Reverse,
    ReverseTime,
    Shuffle,
    SwapHalves,
    parse_change,
    rank_blocks,
    what_if,
)
from dsanet_core.zoo import build_model
from tests.models.networks import tiny
from tests.test_analysis import made_clips
from tools import mirrored_pairs

DSA_BLOCKS = ("layer2.1.dsa", "layer3.1.dsa")
SDA_BLOCKS = tuple(f"layer{stage}.{place}.sda" for stage in (1, 2, 3, 4) for place in (0, 1))
EACH = {
    "drop:3": Drop(3),
    "repeat:1": Repeat(1),
    "reverse": Reverse(),
    "reverse_time": ReverseTime(),
    "swap_halves": SwapHalves(),
    "shuffle:0": Shuffle(0),
    "freeze": Freeze(),
    "identity:layer2.1.dsa": IdentityKernel("layer2.1.dsa"),
    "average:layer2.1.dsa": AverageKernel("layer2.1.dsa"),
    "kernel=C:/a b.mp4:layer2.1.dsa": OtherKernel("C:/a b.mp4", "layer2.1.dsa"),
    "equal:layer1.0.sda": EqualWeights("layer1.0.sda"),
    "only=LT:layer1.0.sda": OneDependency("LT", "layer1.0.sda"),
    "only=1x2x2/3x1x1:layer1.0.sda": OneDependency("1x2x2/3x1x1", "layer1.0.sda"),
    "gate_off:layer1.0.sda": GateOff("layer1.0.sda"),
}


@cache
def dsa_network() -> VideoNetwork:
    return tiny()


@cache
def sda_network() -> VideoNetwork:
    """SDA with the settled dependencies and queries that select."""
    network = tiny("sda_tsn_synth")
    for module in network.modules():
        if isinstance(getattr(module, "query", None), nn.Parameter):
            nn.init.normal_(module.query, std=3)
    return network


def clips_for(network: VideoNetwork) -> Clips:
    return made_clips(sampling=network.spec.protocol.sampling)


def rebuilt(network: VideoNetwork, rename: Callable[[str], str], **args: object) -> VideoNetwork:
    """The row of a network with other arguments (None: without that part), and its weights."""
    kept = {k: v for k, v in (network.spec.args | args).items() if v is not None}
    other = build_model(replace(network.spec, args=kept)).eval()
    renamed = {rename(key): value for key, value in network.state_dict().items()}
    wanted = other.state_dict()
    other.load_state_dict({key: renamed[key] for key in wanted})
    return other


def equal(a: Analysis, b: Analysis, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(a.video_scores, b.video_scores, atol=tolerance)
    np.testing.assert_allclose(a.snippet_scores, b.snippet_scores, atol=tolerance)


def different(a: Analysis, b: Analysis) -> None:
    assert np.abs(a.video_scores - b.video_scores).max() > 1e-3


@pytest.mark.parametrize("text", EACH)
def test_a_text_and_its_change_stand_for_each_other(text: str) -> None:
    assert parse_change(text) == EACH[text]
    assert EACH[text].text == text
    assert EACH[text].describe() and EACH[text].describe() != text


@pytest.mark.parametrize("text", [
    "", "nonsense", "drop", "drop:", "drop:0", "drop:03", "drop:-1", "drop:1.5", "drop:٣",
    "reverse:1", " reverse", "reverse\n", "Reverse", "shuffle:", "shuffle:01", "identity",
    "identity:", "identity:a b", "identity=x:layer2.1.dsa", "only:layer1.0.sda", "kernel=:layer2",
    "only=LT", "kernel=a.mp4",
])  # fmt: skip
def test_any_other_text_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ModelError, match=re.escape("drop:SNIPPET, repeat:SNIPPET, reverse,")):
        parse_change(text)


@pytest.mark.parametrize("text, order", [
    ("reverse", [7, 6, 5, 4, 3, 2, 1, 0]),
    ("swap_halves", [4, 5, 6, 7, 0, 1, 2, 3]),
    ("repeat:3", [0, 1, 1, 3, 4, 5, 6, 7]),
    ("repeat:1", [1, 1, 2, 3, 4, 5, 6, 7]),
])  # fmt: skip
def test_snippets_come_in_the_order_that_is_said(text: str, order: list[int]) -> None:
    network, clips = dsa_network(), made_clips()
    after = what_if(clips, network, [text])
    equal(after, analyze(replace(clips, position=clips.position[order]), network))
    np.testing.assert_array_equal(after.frame_index, clips.frame_index[order])
    np.testing.assert_array_equal(after.pts_seconds, clips.pts_seconds[order])
    np.testing.assert_array_equal(after.thumbnails, analyze(clips, network).thumbnails[order])
    assert after.changes == (parse_change(text).describe(),)


def test_time_reversed_turns_snippets_and_the_frames_of_each_around() -> None:
    network, clips = dsa_network(), made_clips()
    after = what_if(clips, network, ["reverse_time"])
    np.testing.assert_array_equal(after.frame_index, clips.frame_index[::-1, ::-1])
    equal(what_if(clips, network, ["reverse_time", "reverse_time"]), analyze(clips, network))


def test_a_shuffle_is_an_order_of_its_seed() -> None:
    network, clips = dsa_network(), made_clips()
    first, again, other = (what_if(clips, network, [f"shuffle:{seed}"]) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.frame_index, again.frame_index)
    assert not np.array_equal(first.frame_index, other.frame_index)
    for one in (first, other):
        assert sorted(map(tuple, one.frame_index)) == sorted(map(tuple, clips.frame_index))
        assert not np.array_equal(one.frame_index, clips.frame_index)


def test_frozen_snippets_show_their_middle_frame() -> None:
    after = what_if(made_clips(), dsa_network(), ["freeze"])
    middle = made_clips().frame_index[:, 2]
    np.testing.assert_array_equal(after.frame_index, np.repeat(middle[:, None], 4, 1))


def test_a_dropped_snippet_is_zero_after_normalisation_in_every_view_and_crop() -> None:
    network, clips = tiny(), made_clips()
    network.spec = replace(network.spec, protocol=replace(network.spec.protocol, num_crops=3))
    after = what_if(clips, network, [Drop(6)])
    views = to_tensor(clips, network.spec.protocol)
    views[1::2, 2] = 0  # the sixth of eight is the third of the second group
    np.testing.assert_allclose(
        after.video_scores, run_network(network, views).video_scores, atol=1e-6
    )
    grey = np.round(255 * np.array(network.spec.protocol.mean)).astype(int)
    assert (after.thumbnails[5] == grey).all() and not (after.thumbnails[4] == grey).all()
    np.testing.assert_array_equal(after.frame_index, clips.frame_index)


def test_changes_are_made_one_after_the_other() -> None:
    network, clips = dsa_network(), made_clips()
    dropped_first = what_if(clips, network, ["drop:1", "reverse"])
    equal(dropped_first, what_if(clips, network, ["reverse", "drop:8"]))
    different(dropped_first, what_if(clips, network, ["reverse", "drop:1"]))


@pytest.mark.parametrize("change", [Drop(9), Repeat(9)])
def test_a_snippet_that_is_not_there_is_refused(change: Change) -> None:
    with pytest.raises(ModelError, match="snippet 9; expected 1 to 8"):
        what_if(made_clips(), dsa_network(), [change])


@pytest.mark.parametrize("name", ["i3d_synth", "tsn_i3d_synth"])
def test_reversed_snippets_leave_averaging_unchanged(name: str) -> None:
    network = load_model(name, "cpu")
    clips = open_dataset("synth:seed=8,n=12").clips(11, network.spec.protocol.sampling)
    before, after = analyze(clips, network), what_if(clips, network, ["reverse"])
    np.testing.assert_allclose(after.video_scores, before.video_scores, atol=1e-6)
    np.testing.assert_allclose(after.snippet_scores, before.snippet_scores[::-1], atol=1e-6)


@pytest.mark.parametrize("name", ["tiny", "dsa_i3d_synth", "dsa_tsm_synth"])
def test_identity_kernels_everywhere_are_the_network_without_dsa(name: str) -> None:
    network = dsa_network() if name == "tiny" else load_model(name, "cpu")
    clips = clips_for(network)
    after = what_if(clips, network, [IdentityKernel(b) for b in DSA_BLOCKS])
    equal(after, analyze(clips, rebuilt(network, str, dsa=None)))
    different(after, analyze(clips, network))
    assert {kernel.distance_to_identity for kernel in after.kernels} == {0}


def test_gates_off_everywhere_are_the_network_without_sda() -> None:
    network = sda_network()
    clips = clips_for(network)
    after = what_if(clips, network, [GateOff(block) for block in SDA_BLOCKS])
    equal(after, analyze(clips, rebuilt(network, str, sda=None)))
    different(after, analyze(clips, network))
    assert (after.selections[0].gate == 1).all()


def test_equal_weights_everywhere_are_sda_that_averages() -> None:
    network = sda_network()
    clips = clips_for(network)
    after = what_if(clips, network, [EqualWeights(block) for block in SDA_BLOCKS])
    equal(after, analyze(clips, rebuilt(network, str, sda={"aggregation": "avg"})))
    different(after, analyze(clips, network))


@pytest.mark.parametrize("place, dependency", enumerate(("LST", "LT", "LS", "S122")))
def test_one_dependency_everywhere_is_sda_of_that_one(place: int, dependency: str) -> None:
    network = sda_network()
    clips = clips_for(network)
    after = what_if(clips, network, [OneDependency(dependency, block) for block in SDA_BLOCKS])
    alone = rebuilt(
        network,
        lambda key: re.sub(r"mdm\.(\d)", lambda m: f"mdm.{(int(m[1]) - place) % 4}", key),
        sda={"dependencies": [dependency], "aggregation": "avg"},
    )
    equal(after, analyze(clips, alone))
    different(after, analyze(clips, network))


def test_average_kernels_take_the_mean_of_neighbours() -> None:
    network, clips = tiny(), made_clips()
    after = what_if(clips, network, [AverageKernel(b) for b in DSA_BLOCKS])
    for dsa in (network.get_submodule(block) for block in DSA_BLOCKS):
        dsa.generate[3].weight.data.zero_()  # the softmax of equal scores
    equal(after, analyze(clips, network))


def test_a_kernel_of_another_video_is_that_kernel_view_by_view(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny()
    network.spec = replace(network.spec, protocol=replace(network.spec.protocol, num_crops=3))
    clips = made_clips()
    other = analyze(what_if_clips(clips, seed=1), network)
    before = analyze(clips, network)
    change = OtherKernel("other.mp4", DSA_BLOCKS[0])
    equal(what_if(clips, network, [change.of(before)]), before)
    after = what_if(clips, network, [change.of(other)])
    np.testing.assert_array_equal(after.kernels[0].values, other.kernels[0].values)
    different(after, before)
    monkeypatch.setattr(analysis_module, "PIXELS_PER_BATCH", 1)  # view by view
    equal(what_if(clips, network, [change.of(other)]), after)


def what_if_clips(clips: Clips, seed: int) -> Clips:
    """Clips of another video of the same shape."""
    rgb = np.random.default_rng(seed).integers(0, 256, clips.frames.rgb.shape, dtype=np.uint8)
    return replace(clips, frames=replace(clips.frames, rgb=rgb // 2))


def test_a_kernel_that_nobody_looked_up_or_of_other_views_is_refused() -> None:
    network, clips = tiny(), made_clips()
    change = OtherKernel("other.mp4", DSA_BLOCKS[0])
    with pytest.raises(ModelError, match="without the kernel"):
        what_if(clips, network, [change])
    crops = tiny()
    crops.spec = replace(crops.spec, protocol=replace(crops.spec.protocol, num_crops=3))
    with pytest.raises(ModelError, match=re.escape("kernel of (6, 8, 3); expected (2, 8, 3)")):
        what_if(clips, network, [change.of(analyze(clips, crops))])
    with pytest.raises(ModelError, match="a network with DSA blocks"):
        change.of(analyze(clips, tiny("tsn_i3d_synth")))


@pytest.mark.parametrize("texts, message", [
    (["identity:layer2.0.dsa"], "DSA block 'layer2.0.dsa'; expected one of layer2.1.dsa"),
    (["gate_off:layer2.1.dsa"], "expected a network with SDA blocks"),
    (["identity:layer2.1.dsa", "average:layer2.1.dsa"], "expected one change to a block"),
])  # fmt: skip
def test_changes_that_do_not_fit_the_blocks_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        what_if(made_clips(), dsa_network(), texts)


def test_an_unknown_dependency_is_refused() -> None:
    network = sda_network()
    with pytest.raises(ModelError, match=r"'S222' of layer1\.0\.sda; expected one of LST"):
        what_if(clips_for(network), network, ["only=S222:layer1.0.sda"])


def test_changes_survive_a_trip_through_json() -> None:
    after = what_if(made_clips(), dsa_network(), ["drop:2", "identity:layer2.1.dsa"])
    assert len(after.changes) == 2
    assert analysis_from_json(analysis_to_json(after)).changes == after.changes


def test_threads_that_share_a_network_do_not_see_each_others_changes() -> None:
    network, clips = dsa_network(), made_clips()
    changes = [[], *([text] for text in ("identity:layer2.1.dsa", "average:layer3.1.dsa"))]
    alone = [what_if(clips, network, chosen) for chosen in changes]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda n: what_if(clips, network, changes[n % 3]), range(12)))
    for number, analysis in enumerate(together):
        equal(analysis, alone[number % 3])
    different(alone[0], alone[1])


@pytest.mark.parametrize("make, neutral", [(dsa_network, IdentityKernel), (sda_network, GateOff)])
def test_blocks_are_ranked_by_what_the_answer_is_without_each(
    make: Callable[[], VideoNetwork], neutral: Callable[[str], Change]
) -> None:
    network = make()
    clips = clips_for(network)
    before = analyze(clips, network).video_scores
    ranked = rank_blocks(clips, network)
    assert ranked.category == before.argmax()
    assert ranked.before == pytest.approx(before.max(), abs=1e-6)
    assert ranked.blocks == (DSA_BLOCKS if make is dsa_network else SDA_BLOCKS)
    for place, block in enumerate(ranked.blocks):
        then = what_if(clips, network, [neutral(block)])
        assert ranked.changes[place] == then.changes[0]
        assert ranked.answers[place] == then.video_scores.argmax()
        assert ranked.after[place] == pytest.approx(then.video_scores[ranked.category], abs=1e-6)
    assert np.abs(ranked.drop).max() > 1e-3
    name = network.spec.classes[4]
    other = rank_blocks(clips, network, category=name)
    assert (other.category, other.before) == (4, pytest.approx(before[4], abs=1e-6))


def test_a_ranking_asks_for_blocks_and_a_known_category() -> None:
    with pytest.raises(ModelError, match="expected a network with DSA or SDA blocks"):
        rank_blocks(made_clips(), tiny("tsn_i3d_synth"))
    for category in ("nobody", 25, -1):
        with pytest.raises(ModelError, match=f"category {category!r}; expected one of the 25"):
            rank_blocks(made_clips(), dsa_network(), category=category)


def test_a_ranking_reports_and_stops_when_told() -> None:
    network, clips = sda_network(), clips_for(sda_network())
    shares: list[float] = []

    def until_half(step: str, share: float) -> None:
        shares.append(share)
        if step == "network" and share > 0.5:
            raise KeyboardInterrupt

    forwards = 0

    def counted(*_: object) -> None:
        nonlocal forwards
        forwards += 1

    handle = network.register_forward_hook(counted)
    with pytest.raises(KeyboardInterrupt):
        rank_blocks(clips, network, progress=until_half)
    handle.remove()
    assert 0 < forwards < 1 + len(SDA_BLOCKS)
    assert shares == sorted(shares)


def test_dsanet_takes_a_video_whose_events_change_places_for_its_mirror() -> None:
    rows = mirrored_pairs.order_rows(24)
    ways = sorted(set(mirrored_pairs.OWN_WAY.values()))
    predicted = mirrored_pairs.predictions(load_model("dsa_i3d_synth", "cpu"), rows, ways)
    turned = mirrored_pairs.count(rows, predicted, mirrored_pairs.OWN_WAY)
    assert turned.correct >= 18
    assert turned.became >= 0.85
