"""A network starts from the weights of one without its inserted modules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dsanet_core.checkpoints import save_checkpoint, start_from
from dsanet_core.errors import CheckpointError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.whatif import parse_change, what_if
from dsanet_core.zoo import build_model
from tests.checkpoints.published import PUBLISHED
from tests.models.networks import tiny


def kept(folder: Path, network: VideoNetwork) -> Path:
    path = folder / "source.safetensors"
    save_checkpoint(path, network, trained_on="a test")
    return path


def test_dsa_starts_from_i3d_with_everything_but_its_kernels_mlp(tmp_path: Path) -> None:
    source, network = tiny("i3d_synth", seed=1), tiny("dsa_i3d_synth", seed=2)
    own = {key: value.clone() for key, value in network.state_dict().items()}
    start = start_from(network, kept(tmp_path, source))
    for key, value in network.state_dict().items():
        expected = own[key] if ".dsa." in key else source.state_dict()[key]
        assert torch.equal(value, expected), key
    assert set(start.copied) == set(source.state_dict())
    assert {key for key in own if ".dsa." in key} == set(start.fresh)
    assert start.left == ()


def test_a_started_dsa_network_with_identity_kernels_answers_as_its_source(tmp_path: Path) -> None:
    from dsanet_core import synthetic
    from dsanet_core.analysis import analyze
    from dsanet_core.datasets import open_dataset

    source, network = tiny("tsn_i3d_synth", seed=1), tiny("dsa_i3d_synth", seed=2)
    start_from(network, kept(tmp_path, source))
    assert network.spec.classes == synthetic.CATEGORIES
    clips = open_dataset("synth:seed=3,n=1").clips(0, network.spec.protocol.sampling)
    blocks = [name for name, _ in network.named_modules() if name.endswith(".dsa")]
    changes = [parse_change(f"identity:{block}") for block in blocks]
    changed, plain = what_if(clips, network, changes), analyze(clips, source)
    torch.testing.assert_close(
        torch.from_numpy(changed.video_scores), torch.from_numpy(plain.video_scores)
    )


def test_sda_starts_from_tsm_and_a_3d_network_from_a_2d_one(tmp_path: Path) -> None:
    source = tiny("tsm_synth", seed=1)
    path = kept(tmp_path, source)
    network = tiny("sda_tsm_synth", seed=2)
    start = start_from(network, path)
    assert all(".sda." in key for key in start.fresh)
    inflated = tiny("i3d_synth", seed=2)
    start_from(inflated, path)
    kernel = inflated.state_dict()["layer3.0.conv1.weight"]
    assert kernel.shape[2] == 3
    torch.testing.assert_close(
        kernel.sum(2), source.state_dict()["layer3.0.conv1.weight"][:, :, 0]
    )


def test_the_classifier_is_copied_for_the_same_classes_alone(tmp_path: Path) -> None:
    source = tiny("i3d_synth", seed=1)
    path = kept(tmp_path, source)
    network = tiny("dsa_i3d_synth", seed=2)
    turned = build_model(replace(network.spec, classes=network.spec.classes[::-1]))
    start = start_from(turned, path)
    assert {"fc.weight", "fc.bias"} <= set(start.fresh)
    assert {"fc.weight", "fc.bias"} == set(start.left)


def test_a_public_checkpoint_is_a_start(tmp_path: Path) -> None:
    published = PUBLISHED["PySlowFast"]
    source = published.network()
    path = published.write(tmp_path, published.state(source))
    network = tiny("dsa_i3d_r50", width=8)
    start = start_from(network, path)
    assert torch.equal(network.layer4[2].conv3.weight, source.layer4[2].conv3.weight)
    assert all(".dsa." in key or key.startswith("fc.") for key in start.fresh)


def test_dsa_of_another_number_of_snippets_keeps_its_own_mlp(tmp_path: Path) -> None:
    source = tiny("dsa_i3d_synth", seed=1)
    path = kept(tmp_path, source)
    spec = source.spec
    other = build_model(replace(
        spec, args=spec.args | {"dsa": spec.args["dsa"] | {"num_snippets": 8}}
    ))
    start = start_from(other, path)
    assert "layer2.1.dsa.generate.0.weight" in start.fresh
    assert "layer2.1.dsa.generate.0.weight" in start.left


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path, tiny("i3d_synth"))
    with pytest.raises(CheckpointError, match=r"'conv1\.weight'.*same depth and width"):
        start_from(tiny("dsa_i3d_synth", width=4), path)
    with pytest.raises(CheckpointError, match=r"layer3\.0\.conv1\.weight.*of shape \(32, 16, 3"):
        start_from(tiny("tsn_synth"), path)
    with pytest.raises(CheckpointError, match="no weights 'nowhere'"):
        start_from(tiny("tsn_synth"), "nowhere")
