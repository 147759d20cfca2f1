"""A video and a network become an `Analysis` that says what the network really said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dsanet_core import analysis as analysis_module
from dsanet_core.analysis import analyze, describe_model, make_thumbnails, run_network
from dsanet_core.checkpoints import load_model, save_checkpoint
from dsanet_core.errors import ModelError, VideoError
from dsanet_core.familiarity import FamiliarityModel
from dsanet_core.hooks import capture
from dsanet_core.inference import prepare
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Clips, Frames, Sampling, Video
from dsanet_core.serialize import analysis_from_json, analysis_to_json
from dsanet_core.video import read_clips, to_tensor
from tests.models.networks import tiny
from tests.video.make import number_of, write_video


def made_clips(
    size: tuple[int, int] = (40, 90), count: int = 50, sampling: Sampling | None = None
) -> Clips:
    """Clips of random frames, as if decoded."""
    sampling = sampling or tiny().spec.protocol.sampling
    rng = np.random.default_rng(0)
    height, width = size
    frames = Frames(
        Video("made.mp4", "0" * 64, "mp4", "h264", width, height, 25.0, count / 25, count),
        rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8),
        np.arange(count),
        np.arange(count) / 25,
    )
    shape = (sampling.num_snippets, sampling.frames_per_snippet)
    position = np.sort(rng.integers(0, count, shape), axis=1)
    return Clips(frames, sampling, position)


def with_protocol(network: VideoNetwork, **changes: object) -> VideoNetwork:
    protocol = replace(network.spec.protocol, **changes)  # type: ignore[arg-type]
    network.spec = replace(network.spec, protocol=protocol)
    return network


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "a.mp4", range(80))


def test_an_analysis_of_a_file_says_which_frames_were_seen(video: Path) -> None:
    network = tiny()
    analysis = analyze(video, network)
    assert analysis.video.num_frames == 80
    assert analysis.protocol == network.spec.protocol
    seen = [[number_of(frame) for frame in snippet] for snippet in analysis.thumbnails]
    assert seen == analysis.frame_index.tolist()
    np.testing.assert_allclose(analysis.pts_seconds, analysis.frame_index / 25, atol=0.011)
    assert list(analysis.seconds) == ["decode", "transform", "network"]
    assert analysis.model.classes == network.spec.classes
    assert analysis.top(1)[0][1] == analysis.video_scores.max()


@pytest.mark.parametrize("num_crops", [1, 3])
@pytest.mark.parametrize("name", ["i3d_synth", "tsn_i3d_synth", "dsa_i3d_synth"])
def test_scores_are_the_papers_averages_and_crops_never_mix_with_snippets(
    name: str, num_crops: int
) -> None:
    network = with_protocol(tiny(name), num_crops=num_crops)
    clips = made_clips()
    analysis = analyze(clips, network)
    protocol = analysis.protocol
    size, groups = protocol.group_size, protocol.num_groups
    views = to_tensor(clips, protocol)
    video_scores, snippet_scores = [], np.zeros_like(analysis.snippet_scores)
    with torch.no_grad():
        for view, clip in enumerate(views):
            video_scores.append(network(clip[None]).softmax(-1)[0])
            if name == "dsa_i3d_synth":
                continue
            for place in range(size):  # a snippet's own score needs no other snippet: run it alone
                snippet = view % groups + groups * place
                alone = network(clip[place][None, None]).softmax(-1)[0]
                snippet_scores[snippet] += alone.numpy() / num_crops
    expected = torch.stack(video_scores).mean(0)
    np.testing.assert_allclose(analysis.video_scores, expected, atol=1e-5)
    assert analysis.snippet_scores.sum(-1) == pytest.approx(1)
    if name != "dsa_i3d_synth":
        np.testing.assert_allclose(analysis.snippet_scores, snippet_scores, atol=1e-5)
    assert analysis.video_scores.std() > 1e-3, "scores that differ"


def test_kernels_are_one_per_block_and_view() -> None:
    analysis = analyze(made_clips(), with_protocol(tiny(), num_crops=3))
    facts = [(kernel.block, kernel.values.shape, kernel.channels_total)
             for kernel in analysis.kernels]
    assert facts == [("layer2.1.dsa", (6, 8, 3), 16), ("layer3.1.dsa", (6, 16, 3), 32)]
    assert np.ptp(analysis.kernels[0].values, axis=0).max() > 1e-4, "views have their own kernels"
    assert analyze(made_clips(), tiny("tsn_i3d_synth")).kernels == ()


@pytest.mark.parametrize("aggregation", ["sec", "avg"])
def test_selections_are_what_a_capture_of_the_forward_sees(aggregation: str) -> None:
    sda = {"dependencies": ["LST", "LT", "LS", "S122"], "aggregation": aggregation}
    network = with_protocol(tiny("sda_tsn_synth", sda=sda), num_crops=3)
    clips = made_clips(sampling=network.spec.protocol.sampling)
    analysis = analyze(clips, network)
    views = to_tensor(clips, network.spec.protocol)
    with torch.no_grad(), capture() as seen:
        network(views)
    assert [s.block for s in analysis.selections] == [
        f"layer{stage}.{place}.sda" for stage in (1, 2, 3, 4) for place in (0, 1)
    ]
    for selection in analysis.selections:
        assert selection.dependencies == ("LST", "LT", "LS", "S122")
        assert selection.aggregation == aggregation
        weights = seen[f"{selection.block}.hook_dependency_weights"]
        np.testing.assert_allclose(selection.weights, weights, atol=1e-5)
        for name in ("gate", "average_gate"):
            expected = seen[f"{selection.block}.hook_{name}"]
            np.testing.assert_allclose(getattr(selection, name), expected, atol=1e-3)
        for place, response in enumerate(selection.responses):
            expected = seen[f"{selection.block}.mdm.{place}.hook_response"]
            np.testing.assert_allclose(response, expected[:, 0], atol=1e-5, rtol=1e-3)
            energy = expected[:, 1].mean((1, 2, 3))
            np.testing.assert_allclose(selection.energy[:, place], energy, rtol=1e-4)
        assert selection.gate.dtype == selection.responses[3].dtype == np.float16
        if aggregation == "avg":
            assert selection.gate_change.tolist() == [0, 0, 0]
            assert not selection.centred_weights.any()
    grids = [response.shape[1:] for response in analysis.selections[0].responses]
    assert grids == [(1, 1, 1), (1, 16, 16), (8, 1, 1), (8, 8, 8)]


def test_the_average_gate_is_the_gate_of_a_forward_with_uniform_weights() -> None:
    network = tiny("sda_tsn_synth")
    clips = made_clips(sampling=network.spec.protocol.sampling)
    views = to_tensor(clips, network.spec.protocol)
    for selection in analyze(clips, network).selections[2:5]:
        point = f"{selection.block}.hook_dependency_weights"
        uniform = {point: lambda weights: torch.full_like(weights, 1 / 4)}
        with torch.no_grad(), capture(["*.hook_gate"], interventions=uniform) as seen:
            network(views)
        expected = seen[f"{selection.block}.hook_gate"]
        np.testing.assert_allclose(selection.average_gate, expected, atol=1e-3)
        assert selection.gate_change[0] > 1e-4, "and that is another one than the block's own"


def test_sda_along_single_snippets_selects_for_no_view() -> None:
    sda = {"dependencies": ["LT", "LS"]}
    joined = analyze(made_clips(), tiny("tsn_i3d_synth", sda=sda))
    assert joined.selections == ()
    alone = analyze(made_clips(), tiny("i3d_synth", sda=sda))
    assert {selection.gate.shape[:2] for selection in alone.selections} == {(8, 4)}


def test_only_an_analysis_pays_for_gates() -> None:
    network = tiny("sda_tsn_synth")
    clips = made_clips(sampling=network.spec.protocol.sampling)
    views = to_tensor(clips, network.spec.protocol)
    gates = 0

    def count(*_: object) -> None:
        nonlocal gates
        gates += 1

    network.layer1[0].sda.up.register_forward_hook(count)
    assert run_network(network, views).selections == ()
    assert gates == 1
    assert len(run_network(network, views, selections=True).selections) == 8
    assert gates == 3, "its own and the one of plain averaging"
    assert analyze(made_clips(), tiny()).selections == ()


def test_two_models_share_one_decode(video: Path) -> None:
    networks = tiny(), tiny("i3d_synth")
    clips = read_clips(video, networks[0].spec.protocol.sampling)
    for network in networks:
        shared, own = analyze(clips, network), analyze(video, network)
        assert "decode" not in shared.seconds
        assert np.array_equal(shared.video_scores, own.video_scores)
        assert np.array_equal(shared.thumbnails, own.thumbnails)
        assert shared.video == own.video


def test_bounded_batches_give_the_same_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    network = with_protocol(tiny(), num_crops=3)
    whole = analyze(made_clips(), network)
    monkeypatch.setattr(analysis_module, "PIXELS_PER_BATCH", 1)
    single = analyze(made_clips(), network)
    np.testing.assert_allclose(single.video_scores, whole.video_scores, atol=1e-5)
    np.testing.assert_allclose(single.snippet_scores, whole.snippet_scores, atol=1e-5)
    for a, b in zip(single.kernels, whole.kernels, strict=True):
        np.testing.assert_allclose(a.values, b.values, atol=1e-5)


def test_progress_is_told_and_can_stop_the_work(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis_module, "PIXELS_PER_BATCH", 1)
    told: list[tuple[str, float]] = []
    analyze(video, tiny(), progress=lambda step, share: told.append((step, share)))
    assert list(dict.fromkeys(step for step, _ in told)) == ["decode", "transform", "network"]
    assert [share for step, share in told if step == "network"] == [0, 0.5, 1, 1]

    def stop(step: str, share: float) -> None:
        if (step, share) == ("network", 0.5):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        analyze(video, tiny(), progress=stop)


def test_weights_are_told_apart_and_named(tmp_path: Path, video: Path) -> None:
    network = tiny()
    random = describe_model(network)
    assert (random.weights, random.trained_on, random.consensus) == ("random", "", "dsa")
    assert describe_model(tiny(seed=1)).weights_sha256 != random.weights_sha256
    with torch.no_grad():
        network.fc.bias[0] += 1
    assert describe_model(network).weights_sha256 != random.weights_sha256

    path = tmp_path / "b.safetensors"
    sha256 = save_checkpoint(path, network, trained_on="a test")
    by_path = analyze(video, path, device="cpu")
    model = by_path.model
    assert (model.name, model.weights, model.weights_sha256, model.trained_on) == (
        "dsa_i3d_synth", "b.safetensors", sha256, "a test",
    )  # fmt: skip
    assert model.params == sum(p.numel() for p in network.parameters())
    prepared = analyze(video, prepare(network))
    assert np.array_equal(by_path.video_scores, prepared.video_scores)
    assert by_path.familiarity is None


def test_familiarity_is_judged_on_the_features_of_all_views(tmp_path: Path) -> None:
    network = tiny()
    clips = made_clips()
    features = run_network(network, to_tensor(clips, network.spec.protocol)).appearance
    mean = features + 3 * np.eye(len(features))[0]
    path = tmp_path / "a.safetensors"
    for threshold, familiar in ((-3.1, True), (-2.9, False)):
        known = FamiliarityModel(mean, np.eye(len(features)), threshold, 0.95)
        save_checkpoint(path, network, trained_on="a test", familiarity=known)
        judged = analyze(clips, load_model(path, device="cpu")).familiarity
        assert judged is not None
        assert judged.score == pytest.approx(-3, abs=1e-5)
        assert (judged.threshold, judged.true_rate) == (threshold, 0.95)
        assert judged.is_familiar is familiar


def test_an_analysis_goes_through_json(video: Path) -> None:
    analysis = analyze(video, tiny())
    back = analysis_from_json(analysis_to_json(analysis))
    assert np.array_equal(back.snippet_scores, analysis.snippet_scores)
    assert np.array_equal(back.kernels[1].values, analysis.kernels[1].values)
    with_sda = analyze(video, tiny("sda_tsn_synth"))
    again = analysis_from_json(analysis_to_json(with_sda, thumbnails=False))
    for a, b in zip(again.selections, with_sda.selections, strict=True):
        assert np.array_equal(a.weights, b.weights)
        assert np.array_equal(a.gate, b.gate)
    assert (back.video, back.model, back.protocol) == (
        analysis.video, analysis.model, analysis.protocol,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "expected"),
    [((240, 320), (112, 149)), ((320, 240), (149, 112)), ((2, 2), (2, 2)), ((50, 2000), (11, 448))],
)
def test_thumbnails_are_bounded_and_never_enlarged(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    clips = made_clips(size, count=3)
    thumbnails = make_thumbnails(clips)
    assert thumbnails.shape == (8, 4, *expected, 3)
    assert thumbnails.dtype == np.uint8
    same = clips.position[0, 0] == clips.position
    assert all(np.array_equal(thumbnails[0, 0], other) for other in thumbnails[same])


def test_bfloat16_is_what_the_protocol_says_it_is() -> None:
    network = tiny()
    exact = analyze(made_clips(), network)
    half = analyze(made_clips(), with_protocol(network, precision="bfloat16"))
    difference = np.abs(half.video_scores - exact.video_scores).max()
    assert 0 < difference < 0.05
    assert half.snippet_scores.dtype == half.video_scores.dtype == np.float32
    assert "bfloat16" in half.protocol.describe()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_answers_as_the_cpu_does_however_the_views_are_batched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = with_protocol(tiny(), num_crops=3)
    expected = analyze(made_clips(), network)
    network.to("cuda")
    for bytes_per_pixel in (1024, 2**40):  # all views at once, and one by one
        monkeypatch.setattr(analysis_module, "GPU_BYTES_PER_PIXEL", bytes_per_pixel)
        found = analyze(made_clips(), network)
        np.testing.assert_allclose(found.video_scores, expected.video_scores, atol=1e-4)
        np.testing.assert_allclose(found.kernels[0].values, expected.kernels[0].values, atol=1e-4)


def test_what_does_not_fit_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"num_snippets=5.*expected.*num_snippets=8"):
        analyze(made_clips(sampling=Sampling(5, 4, 4)), tiny())
    with pytest.raises(ModelError, match=r"\.eval\(\)"):
        analyze(made_clips(), tiny().train())
    without = tiny()
    without.spec = None
    with pytest.raises(ModelError, match="create_model"):
        analyze(made_clips(), without)
    with pytest.raises(ModelError, match="3 views; expected 2"):
        run_network(tiny(), torch.zeros(3, 4, 3, 4, 32, 32))
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(VideoError, match=r"a\.mp4"):
        analyze(tmp_path / "a.mp4", tiny())
