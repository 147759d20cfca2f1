"""Attributions tell what the network really looks at, and leave it as it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dsanet_core.analysis import run_network
from dsanet_core.attribution import (
    attribute,
    attribution_to_csv,
    attribution_to_dict,
    methods,
)
from dsanet_core.attribution.target import FEATURES, Explained, without_frames
from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import METHODS, Attribution, Method
from dsanet_core.video import to_tensor
from dsanet_core.zoo import build_model, list_models, model_spec
from tests.attribution.made import (
    COLUMNS,
    FRAME,
    ROWS,
    SNIPPET,
    bright_clips,
    clips_of,
    looking,
    small,
)
from tests.weights import save_tiny, tiny_network

WITH_PLACES: list[Method] = [method for method in METHODS if method != "ablation"]


def views_of(network: VideoNetwork, index: int = 0) -> Tensor:
    return to_tensor(clips_of(network, index), network.spec.protocol)


@pytest.mark.parametrize("method", WITH_PLACES)
def test_all_that_counts_is_the_patch_that_the_network_looks_at(method: Method) -> None:
    network = looking()
    attribution = attribute(bright_clips(network), network, method, category=0)
    assert attribution.score - attribution.baseline_score > 1
    share = np.abs(attribution.maps).sum((0, 1))                         # (h, w)
    cell = 64 // len(share)
    inside = share[ROWS.start // cell : ROWS.stop // cell,
                   COLUMNS.start // cell : COLUMNS.stop // cell].sum()  # fmt: skip
    assert inside / share.sum() > (0.4 if method == "occlusion" else 0.999)
    row, column = np.unravel_index(share.argmax(), share.shape)
    assert ROWS.start <= row * cell < ROWS.stop and COLUMNS.start <= column * cell < COLUMNS.stop


@pytest.mark.parametrize("method", METHODS)
def test_all_that_counts_is_the_moment_that_the_network_looks_at(method: Method) -> None:
    network = looking()
    clips = clips_of(network, 15)
    attribution = attribute(clips, network, method, category=0)
    shares = np.abs(attribution.per_frame)                               # (snippets, frames)
    groups = network.spec.protocol.num_groups
    snippets = slice(SNIPPET * groups, (SNIPPET + 1) * groups)
    assert shares[snippets].sum() == pytest.approx(shares.sum(), rel=1e-5)
    apart = np.ptp(np.delete(shares[snippets], FRAME, 1), axis=1)
    assert (apart < 1e-6).all(), "frames it does not look at are alike"
    if method != "occlusion":  # its tubes are as long as a snippet
        assert (np.ptp(shares[snippets], axis=1) > 1e-3).all()


@pytest.mark.parametrize("row", ["dsa_i3d_synth", "sda_tsm_synth"])
def test_integrated_gradients_agree_with_finite_differences(
    row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, step, category = 6, 1e-7, 3
    monkeypatch.setattr(methods, "STEPS", (steps,))
    network = small(row).double()
    clips = clips_of(network, 12)
    attribution = attribute(clips, network, "integrated_gradients", category=category)
    explained = Explained(network, category)
    points, weights = np.polynomial.legendre.leggauss(steps)
    with torch.no_grad():
        for place, view in enumerate(explained.own(to_tensor(clips, explained.protocol))):
            frames = view.shape[2]
            for snippet, frame in ((0, 0), (1, frames - 1), (3, frames // 2)):
                along = torch.zeros_like(view)                           # (U, 3, T, H, W)
                along[snippet, :, frame] = step * view[snippet, :, frame]
                alphas = torch.from_numpy((points + 1) / 2).view(-1, 1, 1, 1, 1, 1)
                rise = explained(alphas * view + along) - explained(alphas * view - along)
                share = float((rise * torch.from_numpy(weights / 2)).sum()) / (2 * step)
                found = attribution.maps[place, snippet * frames + frame].sum(dtype=np.float64)
                assert abs(share) > 1e-4
                assert found == pytest.approx(share, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("row", ["dsa_i3d_synth", "sda_tsn_synth", "tsn_synth", "v4d_i3d_synth"])
def test_integrated_gradients_add_up_to_the_difference_of_the_logit(row: str) -> None:
    network = small(row)
    attribution = attribute(clips_of(network), network, "integrated_gradients", category=0)
    assert attribution.completeness_error < 0.02


@pytest.mark.parametrize("row", list_models())
def test_every_network_of_the_zoo_has_its_last_convolution_before_the_tapped_features(
    row: str,
) -> None:
    with torch.device("meta"):
        network = build_model(model_spec(row)).eval()
    order: list[str] = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv3d) or name == FEATURES:
            module.register_forward_hook(lambda *_, name=name: order.append(name))
    shape = network.spec.protocol.view_shape
    network(torch.zeros(*shape[:4], 32, 32, device="meta"))
    assert order[-1] == FEATURES == Explained(network, 0).stage
    assert order[-2].startswith("layer4.")


@pytest.mark.parametrize("row", ["dsa_i3d_synth", "sda_tsm_synth", "tsn_synth"])
@pytest.mark.parametrize("snippet", [None, 5])
def test_grad_cam_shares_the_logit_among_the_last_features(row: str, snippet: int | None) -> None:
    network = tiny_network(row)
    attribution = attribute(
        clips_of(network), network, "grad_cam", category=2, snippet=snippet
    )
    protocol = network.spec.protocol
    assert attribution.maps.shape == (protocol.num_views, protocol.frames_per_view, 2, 2)
    assert attribution.baseline_score == pytest.approx(network.fc.bias[2].item(), abs=1e-5)
    assert attribution.completeness_error < 1e-3
    if snippet is not None:
        others = np.delete(attribution.per_snippet, snippet)
        assert np.abs(others).max() < 1e-6, "only its own features are classified"


def test_a_snippet_stands_alone_without_dsa_and_not_with_it() -> None:
    for row, alone in (("tsn_i3d_synth", True), ("dsa_i3d_synth", False)):
        network = small(row)
        clips = clips_of(network, 13)
        attribution = attribute(clips, network, "integrated_gradients", category=1, snippet=2)
        views = views_of(network, 13)
        expected = run_network(network, views).snippet_logits
        where = network.spec.protocol.snippet_of_view == 2
        assert attribution.score == pytest.approx(float(expected[where][:, 1].mean()), abs=1e-4)
        others = np.abs(np.delete(attribution.per_snippet, 2)).sum()
        assert (others < 1e-6) == alone
        assert attribution.per_snippet[1] == 0, "another group never meets it"


def test_the_score_is_the_mean_logit_of_the_views() -> None:
    network = small()
    attribution = attribute(clips_of(network), network, "grad_cam")
    logits = run_network(network, views_of(network)).snippet_logits.mean(1)  # (views, classes)
    scores = torch.from_numpy(logits).softmax(-1).mean(0)
    assert attribution.category == int(scores.argmax())
    expected = float(logits[:, attribution.category].mean())
    assert attribution.score == pytest.approx(expected, abs=1e-4)


def test_ablation_is_the_fall_of_the_logit_when_a_snippet_stands_still() -> None:
    network = small()
    attribution = attribute(clips_of(network, 7), network, "ablation", category=4)
    explained = Explained(network, 4)
    present = torch.ones(1, 16, dtype=torch.bool)
    present[0, 8:12] = False
    with torch.no_grad():
        for group, view in enumerate(views_of(network, 7)):
            fall = explained(view[None]) - explained(without_frames(view, present))
            found = attribution.per_snippet[2 * 2 + group] * 2           # a mean over two groups
            assert found == pytest.approx(float(fall), abs=1e-4)


def test_a_frame_that_is_absent_shows_the_one_before_it() -> None:
    view = torch.arange(6.0).view(2, 1, 3, 1, 1)                         # (U, 3, T, H, W)
    present = torch.tensor([[1, 0, 0, 1, 1, 0], [0, 0, 1, 0, 1, 1], [0] * 6], dtype=torch.bool)
    shown = without_frames(view.expand(2, 3, 3, 1, 1), present)
    assert shown.shape == (3, 2, 3, 3, 1, 1)
    assert shown[:, :, 0].flatten(1).tolist() == [
        [0, 0, 0, 3, 4, 4], [2, 2, 2, 2, 4, 5], [0] * 6
    ]  # fmt: skip


def test_threads_that_share_a_network_get_their_own_answers_and_leave_no_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = small()
    monkeypatch.setattr(methods, "STEPS", (8,))
    clips = [clips_of(network, index) for index in range(4)]
    asked: list[Method] = ["grad_cam", "integrated_gradients"] * 2
    alone = [attribute(c, network, m, category=0) for c, m in zip(clips, asked, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda c, m: attribute(c, network, m, category=0), clips, asked))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.maps, other.maps, atol=1e-5)
    assert all(p.grad is None and p.requires_grad for p in network.parameters())
    assert not any(
        module._forward_hooks for name, module in network.named_modules() if "conv" not in name
    )


@pytest.mark.parametrize("method", METHODS)
def test_what_progress_raises_ends_the_work(method: Method) -> None:
    network, told = small(), []

    class CancelledError(Exception):
        pass

    def report(step: str, share: float) -> None:
        told.append((step, share))
        if step == "attribute" and len(told) > 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        attribute(clips_of(network), network, method, category=0, progress=report)
    assert len(told) == 4 and told[0] == ("transform", 0.0)
    again = attribute(clips_of(network), network, "grad_cam", category=0)
    assert again.score != 0


@pytest.mark.parametrize("method", METHODS)
def test_progress_only_grows(method: Method) -> None:
    network, shares = small(), []

    def report(step: str, share: float) -> None:
        if step == "attribute":
            shares.append(share)

    attribute(clips_of(network), network, method, category=0, progress=report)
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 3


def test_three_crops_and_a_name_of_a_category(tmp_path) -> None:
    from dsanet_core.zoo import with_protocol

    network = with_protocol(small(), clips=1, crops=3)
    clips = clips_of(network)
    name = network.spec.classes[6]
    attribution = attribute(clips, network, "ablation", category=name, snippet=1)
    assert attribution.category == 6 and len(attribution.maps) == network.spec.protocol.num_views
    path = save_tiny(tmp_path)
    assert attribute(clips_of(tiny_network()), path, "ablation", device="cpu").model.name


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"category": "Nothing"}, "Nothing"),
        ({"category": 25}, "0 to 24"),
        ({"snippet": 8}, "0 to 7"),
        ({"method": "guess"}, "grad_cam"),
    ],
)
def test_what_is_not_there_is_named(choices: dict, message: str) -> None:
    network = small()
    asked = {"method": "grad_cam"} | choices
    with pytest.raises(ModelError, match=message):
        attribute(clips_of(network), network, **asked)


def test_clips_of_another_sampling_and_networks_in_training_are_refused() -> None:
    network = small()
    with pytest.raises(ModelError, match="Decode the video again"):
        attribute(clips_of(small("tsn_synth")), network, "grad_cam")
    with pytest.raises(ModelError, match="training mode"):
        attribute(clips_of(network), network.train(), "grad_cam")


def test_an_export_has_a_row_for_every_frame() -> None:
    network = small()
    clips = clips_of(network)
    attribution: Attribution = attribute(clips, network, "ablation", category=0)
    rows = attribution_to_csv(clips, attribution).splitlines()
    assert rows[0] == "snippet,frame,video_frame,seconds,share_logit" and len(rows) == 1 + 32
    assert float(rows[6].split(",")[-1]) == pytest.approx(attribution.per_frame[1, 1], rel=1e-4)
    values = attribution_to_dict(clips, attribution)
    np.testing.assert_allclose(values["per_snippet"], attribution.per_snippet, atol=1e-6)
    assert "maps" not in values and values["category"] == network.spec.classes[0]
