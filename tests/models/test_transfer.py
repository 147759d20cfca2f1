"""Networks that start from ImageNet see what torchvision's 2D network sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import Tensor, nn

from dsanet_core.checkpoints import load_imagenet
from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.hooks import capture
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.resnet import VideoResNet
from dsanet_core.models.transfer import INSERTED, transfer
from dsanet_core.zoo import build_model, create_model, model_spec
from tests.models.networks import stir, tiny


def flat_resnet(depth: int, num_classes: int = 1000) -> nn.Module:
    torch.manual_seed(0)
    flat: nn.Module = getattr(torchvision.models, f"resnet{depth}")(num_classes=num_classes)
    stir(flat)
    return flat.eval()


@pytest.mark.parametrize("name", ["tsn_r18", "tsn_r50"])
def test_a_filled_tsn_has_the_features_and_answers_of_the_2d_network(name: str) -> None:
    network = create_model(name, num_classes=7).eval()
    flat = flat_resnet(network.spec.args["depth"], 7)
    transfer(network, flat.state_dict())
    network.fc.load_state_dict(flat.get_submodule("fc").state_dict())
    clip = torch.randn(1, 3, 3, 1, 32, 32)
    features = {}
    flat.get_submodule("avgpool").register_forward_hook(
        lambda module, inputs, output: features.update(flat=output.flatten(1))
    )
    with torch.no_grad(), capture() as captured:
        expected = flat(clip[0, :, :, 0])
        answer = network(clip)
    scale = features["flat"].abs().max()
    torch.testing.assert_close(
        captured["hook_features"][0] / scale, features["flat"] / scale, rtol=0, atol=1e-5
    )
    scale = expected.abs().max()
    scores = captured["hook_snippet_scores"][0]
    torch.testing.assert_close(scores / scale, expected / scale, rtol=0, atol=1e-5)
    torch.testing.assert_close(answer[0] / scale, expected.mean(0) / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("depth", "temporal", "frames"),  # more frames than kernels reach from both ends to the middle
    [(18, "i3d", 25), (50, "i3d", 25), (50, "c3d", 35)],
)
def test_inflated_weights_see_a_still_video_as_the_2d_network_sees_its_frame(
    depth: int, temporal: str, frames: int
) -> None:
    flat = flat_resnet(depth)
    network = VideoResNet(depth, 1000, temporal=temporal).eval()
    transfer(network, flat.state_dict())
    frame = torch.randn(1, 3, 32, 32)
    features: dict[str, Tensor] = {}
    with torch.no_grad():
        flat.get_submodule("avgpool").register_forward_hook(
            lambda m, i, o: features.update(flat=i[0])
        )
        network.layer4.register_forward_hook(lambda m, i, o: features.update(deep=o))
        flat(frame)
        network(frame[:, None, :, None].expand(1, 1, 3, frames, 32, 32))
    scale = features["flat"].abs().max()
    torch.testing.assert_close(
        features["deep"][:, :, frames // 2] / scale, features["flat"] / scale, rtol=0, atol=1e-5
    )


def test_gst_takes_its_shares_of_the_2d_kernels() -> None:
    network = create_model("gst_r50", num_classes=7)
    flat = flat_resnet(50)
    transfer(network, flat.state_dict())
    taken = network.state_dict()
    for block, channels in (("layer1.0", 64), ("layer3.5", 256), ("layer4.0", 512)):
        whole = flat.state_dict()[f"{block}.conv2.weight"]
        half, quarter = channels // 2, channels // 4
        spatial, temporal = (
            taken[f"{block}.conv2.{group}.weight"] for group in ("spatial", "temporal")
        )
        assert torch.equal(spatial[:, :, 0], whole[: channels - quarter, :half])
        assert temporal.shape == (quarter, half, 3, 3, 3)
        torch.testing.assert_close(temporal.sum(2), whole[channels - quarter :, half:])


@pytest.mark.parametrize(
    "name",
    ["dsa_i3d_r18", "se_i3d_r18", "v4d_i3d_r18", "tsm_r18", "sda_tsn_r50", "gst_r50", "c3d_r50"],
)
def test_every_row_is_filled_but_for_its_classifier_and_inserted_parts(name: str) -> None:
    network = create_model(name, num_classes=7)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    flat = {
        key: value + 1 if value.is_floating_point() else value + 7  # nothing stays by chance
        for key, value in flat_resnet(network.spec.args["depth"]).state_dict().items()
    }
    transfer(network, flat)
    kept = {key for key, value in network.state_dict().items() if torch.equal(value, before[key])}
    inserted = {key for key in before if INSERTED.intersection(key.split("."))}
    assert kept == inserted | {"fc.weight", "fc.bias"}
    assert bool(inserted) == any(part in network.spec.args for part in INSERTED)


def test_inflation_keeps_the_classifier_and_names_what_does_not_fit() -> None:
    flat = torchvision.models.resnet18().state_dict()
    network = VideoResNet(18, 7, temporal="i3d")
    head = network.fc.weight.detach().clone()
    transfer(network, flat)
    assert torch.equal(network.fc.weight, head)
    for key in ("layer3.0.conv1.weight", "layer1.0.conv1.weight"):
        torch.testing.assert_close(network.state_dict()[key].sum(2), flat[key])
    without = {key: value for key, value in flat.items() if key != "layer2.1.bn2.bias"}
    with pytest.raises(CheckpointError, match=r"'layer2\.1\.bn2\.bias' is missing"):
        transfer(VideoResNet(18, 7, temporal="i3d"), without)
    with pytest.raises(CheckpointError, match=r"'conv1\.weight' is of shape \(64, 3, 7, 7\)"):
        transfer(VideoResNet(18, 7, width=16, temporal="i3d"), flat)


def test_weights_of_another_depth_are_refused() -> None:
    shallow = torchvision.models.resnet18().state_dict()
    with torch.device("meta"):
        deep = create_model("tsn_r50")
    with pytest.raises(CheckpointError, match=r"'layer1\.0\.conv1\.weight'.*the same depth"):
        transfer(deep, shallow)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's folder for this test, empty."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    return tmp_path / "checkpoints"


def serve(
    monkeypatch: pytest.MonkeyPatch, fetch: Callable[[str, str], None]
) -> list[str]:
    """Stand in for torch.hub's downloader; the addresses it is asked for."""
    asked: list[str] = []

    def download(url: str, path: str, hash_prefix: str, **kind: object) -> None:
        assert Path(url).stem.endswith(hash_prefix)
        asked.append(url)
        fetch(url, path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    return asked


def test_the_weights_of_its_depth_are_fetched_once(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dict = flat_resnet(18).state_dict()
    asked = serve(monkeypatch, lambda url, path: torch.save(state_dict, path))
    for name in ("tsn_r18", "dsa_i3d_r18"):
        network = create_model(name)
        load_imagenet(network)
        expected: VideoNetwork = create_model(name)
        transfer(expected, state_dict)
        for key in ("conv1.weight", "layer3.0.conv1.weight", "layer4.1.bn2.running_var"):
            assert torch.equal(network.state_dict()[key], expected.state_dict()[key])
    assert asked == ["https://download.pytorch.org/models/resnet18-f37072fd.pth"]
    assert [path.name for path in hub.iterdir()] == ["resnet18-f37072fd.pth"]


def no_connection(url: str, path: str) -> None:
    raise URLError("Temporary failure in name resolution")


def wrong_bytes(url: str, path: str) -> None:
    raise RuntimeError('invalid hash value (expected "f37072fd", got "d41d8cd9")')


def half_a_file(url: str, path: str) -> None:
    Path(path).write_bytes(b"PK\x03\x04 half a file")


@pytest.mark.parametrize(
    ("fetch", "says"),
    [
        (no_connection, "name resolution"),
        (wrong_bytes, "invalid hash value"),
        (half_a_file, "could not be fetched or read"),
    ],
)
def test_weights_that_cannot_be_fetched_say_what_to_do(
    hub: Path, monkeypatch: pytest.MonkeyPatch, fetch: Callable[[str, str], None], says: str
) -> None:
    serve(monkeypatch, fetch)
    with pytest.raises(CheckpointError) as refused:
        load_imagenet(create_model("tsn_r18"))
    said = str(refused.value)
    assert says in said and "resnet18-f37072fd.pth" in said and str(hub) in said
    assert "transfer()" in said and "\n" not in said


def test_what_has_no_imagenet_weights_is_refused_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = serve(monkeypatch, no_connection)
    with pytest.raises(ModelError, match="tsn_synth: resnet18 of width 16"):
        load_imagenet(create_model("tsn_synth"))
    with pytest.raises(ModelError, match="width 8"):
        load_imagenet(tiny("tsn_r18"))
    network = build_model(replace(model_spec("tsn_r18"), classes=("yes", "no")))
    network.spec = None
    with pytest.raises(ModelError, match="without a spec"):
        load_imagenet(network)
    assert asked == []
