"""Checkpoints of public codes give the network they were made of, and say what was understood."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from dsanet_core.checkpoints import (
    Choices,
    available_weights,
    import_checkpoint,
    load_model,
    read_spec,
)
from dsanet_core.errors import CheckpointError
from dsanet_core.inference import prepare
from dsanet_core.models.base import VideoNetwork
from tests.checkpoints.published import PUBLISHED, Published, State

KINETICS = (0.45, 0.45, 0.45)
IMAGENET = (0.485, 0.456, 0.406)


def shown(network: VideoNetwork, seed: int = 0) -> torch.Tensor:
    """Logits for one clip as the network's protocol shapes it, but small."""
    _, snippets, _, frames, _, _ = network.spec.protocol.view_shape
    torch.manual_seed(seed)
    with torch.no_grad():
        return network(torch.randn(1, snippets, 3, frames, 32, 32))


def written(kind: str, folder: Path, **more: Any) -> tuple[VideoNetwork, Path]:
    published = PUBLISHED[kind]
    network = published.network()
    state = published.state(network) | dict(published.extra or {})
    return network, published.write(folder, state, **more)


def account(network: VideoNetwork) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for what, how in network.weights.import_notes:
        rows.setdefault(what, []).append(how)
    return rows


@pytest.mark.parametrize("kind", PUBLISHED)
def test_a_public_file_is_the_network_it_was_made_of(kind: str, tmp_path: Path) -> None:
    network, path = written(kind, tmp_path)
    state = PUBLISHED[kind].state(network)
    assert set(PUBLISHED[kind].some) <= set(state)
    loaded = load_model(path, "cpu")
    assert loaded.spec.args == network.spec.args
    assert loaded.spec.build == network.spec.build
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    counted = account(loaded)["tensors"][0]
    assert counted.startswith(f"{len(state)} loaded")


@pytest.mark.parametrize("kind", ["DSANet R50", "SDA-TSM R50", "TSM R50"])
def test_the_old_format_and_the_logits_are_those_of_the_network(kind: str, tmp_path: Path) -> None:
    network, path = written(kind, tmp_path, legacy=True)
    loaded = load_model(path, "cpu")
    assert torch.equal(shown(loaded), shown(prepare(network)))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_pytorchvideos_own_network_and_its_import_agree_to_1e_4(tmp_path: Path) -> None:
    from pytorchvideo.models.hub import slow_r50

    torch.manual_seed(0)
    theirs = slow_r50(pretrained=False)
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.uniform_(module.weight, 0.3, 0.7)
            torch.nn.init.normal_(module.bias, std=0.2)
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    assert len(theirs.state_dict()) == 320
    torch.save({"model_state": theirs.state_dict()}, tmp_path / "SLOW_8x8_R50.pyth")
    ours = load_model(tmp_path / "SLOW_8x8_R50.pyth", "cpu")
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    clip = torch.randn(1, 3, 8, 224, 224)
    with torch.no_grad():
        expected = theirs.eval()(clip)
        found = ours(clip[:, None])
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("depth", [18, 50, 101])
def test_torchvisions_own_network_and_its_import_agree_to_1e_4(depth: int, tmp_path: Path) -> None:
    import torchvision

    torch.manual_seed(depth)
    theirs = getattr(torchvision.models, f"resnet{depth}")()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.3, 0.7)
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    torch.save(theirs.state_dict(), tmp_path / "a.pth")
    ours = load_model(tmp_path / "a.pth", "cpu")
    frames = torch.randn(1, 3, 3, 1, 64, 64)
    with torch.no_grad():
        expected = theirs.eval()(frames[0, :, :, 0]).mean(0, keepdim=True)
        found = ours(frames)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert ours.spec.classes[0] == "tench"
    assert len(set(ours.spec.classes)) == 1000
    assert ours.spec.name == f"tsn_r{depth}"


@pytest.mark.parametrize(
    ("kind", "row", "sampling", "group", "crops", "mean"),
    [
        ("MMAction2 slowonly R50", "i3d_r50_8x8", (10, 8, 8), 1, 3, IMAGENET),
        ("MMAction2 TSM R50", "tsm_r50", (8, 1, 1), 8, 1, IMAGENET),
        ("DSANet R50", "dsa_i3d_r50_8x8", (8, 8, 8), 4, 3, IMAGENET),
        ("DSANet R18", "dsa_i3d_r18", (8, 4, 8), 4, 3, IMAGENET),
        ("SDA-TSN R50", "sda_tsn_r50", (8, 1, 1), 8, 1, IMAGENET),
        ("SDA-TSM R50", "sda_tsm_r50", (8, 1, 1), 8, 1, IMAGENET),
        ("PyTorchVideo", "i3d_r50_4x16", (10, 4, 16), 1, 3, KINETICS),
        ("PySlowFast", "i3d_r50_8x8", (10, 8, 8), 1, 3, KINETICS),
    ],
)
def test_sampling_and_normalisation_follow_the_format(
    kind: str, row: str, sampling: tuple[int, int, int], group: int, crops: int,
    mean: tuple[float, ...], tmp_path: Path,
) -> None:
    published = PUBLISHED[kind]
    path = published.write(tmp_path, published.state(published.network(width=64)))
    spec = read_spec(path)
    taken = spec.protocol.sampling
    assert (taken.num_snippets, taken.frames_per_snippet, taken.frame_stride) == sampling
    assert (spec.protocol.group_size, spec.protocol.num_crops) == (group, crops)
    assert spec.protocol.mean == mean
    assert spec.name == row
    assert (spec.protocol.resize, spec.protocol.side) == (256, 256 if crops == 3 else 224)


def test_what_a_configuration_in_the_file_says_goes_before_the_files_name(tmp_path: Path) -> None:
    published = PUBLISHED["PySlowFast"]
    config = "DATA:\n  NUM_FRAMES: 16\n  SAMPLING_RATE: 4\nMODEL:\n  ARCH: slow\n"
    path = tmp_path / "SLOW_8x8_R50.pyth"
    torch.save({"model_state": published.state(published.network()), "cfg": config}, path)
    sampling = read_spec(path).protocol.sampling
    assert (sampling.frames_per_snippet, sampling.frame_stride) == (16, 4)
    assert "configuration in the file" in account(load_model(path, "cpu"))["input"][0]


def test_what_nobody_said_is_listed_as_assumed(tmp_path: Path) -> None:
    _, path = written("SDA averaged", tmp_path)
    assumed = "; ".join(account(load_model(path, "cpu"))["assumed"])
    for words in ("8 frames", "no temporal shift", "174 outputs have no names"):
        assert words in assumed
    chosen = load_model(path, "cpu", choices=Choices(frames=16, shift=True, classes="somethingv1"))
    assert account(chosen).get("assumed") is None
    assert chosen.spec.protocol.sampling.num_snippets == 16
    assert chosen.spec.args["shift"] == {}


def test_a_beta_that_is_chosen_is_taken(tmp_path: Path) -> None:
    _, path = written("DSANet R18", tmp_path)
    assert "beta = 1/8" in "; ".join(account(load_model(path, "cpu"))["assumed"])
    network = load_model(path, "cpu", choices=Choices(beta=0.5))
    assert network.get_submodule("layer2.1.dsa").aggregated == 8


def test_the_order_of_labels_follows_the_format(tmp_path: Path) -> None:
    """The authors of TSM and SDA sort the categories of Something-Something, MMAction2 does not:
    with the other order good weights look bad."""
    first = {}
    for kind in ("TSM R50", "MMAction2 TSM R50"):
        published = PUBLISHED[kind]
        network = published.network()
        state = published.state(network)
        head = "module.new_fc." if kind == "TSM R50" else "cls_head.fc_cls."
        for part in ("weight", "bias"):
            state[head + part] = state[head + part][:174].clone()
        path = published.write(tmp_path, state)
        first[kind] = read_first(path, Choices(classes="somethingv1"))
    assert first == {
        "TSM R50": "Approaching something with your camera",
        "MMAction2 TSM R50": "Holding something",
    }


def read_first(path: Path, choices: Choices) -> str:
    return load_model(path, "cpu", choices=choices).spec.classes[0]


def test_kinetics_names_its_400_outputs_and_a_file_may_name_its_own(tmp_path: Path) -> None:
    network, path = written("PySlowFast", tmp_path)
    loaded = load_model(path, "cpu")
    assert loaded.spec.classes[:2] == ("abseiling", "air drumming")
    assert loaded.spec.classes[-1] == "zumba"
    names = tuple(f"action {n}" for n in range(400))
    meta = {"dataset_meta": {"classes": names}}
    published = PUBLISHED["MMAction2 slowonly R50"]
    torch.save({"state_dict": published.state(network), "meta": meta}, tmp_path / "b.pth")
    assert load_model(tmp_path / "b.pth", "cpu").spec.classes == names


class HistoryBuffer:
    """As mmengine leaves them in a training checkpoint; unpickling one would call this."""

    def __init__(self) -> None:
        self.values = [1.0]

    def __setstate__(self, state: object) -> None:
        raise AssertionError("somebody built what a checkpoint asked for")


def test_logs_and_optimizers_beside_the_weights_are_left_unbuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys
    from argparse import Namespace
    from types import ModuleType

    import numpy as np

    for name in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(HistoryBuffer, "__module__", "mmengine.logging.history_buffer")
    monkeypatch.setattr(
        sys.modules["mmengine.logging.history_buffer"], "HistoryBuffer", HistoryBuffer,
        raising=False,
    )
    published = PUBLISHED["MMAction2 slowonly R18"]
    network = published.network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    network.train()(torch.randn(2, 1, 3, 4, 32, 32)).sum().backward()
    optimizer.step()
    content = {
        "state_dict": OrderedDict(published.state(network)), "optimizer": optimizer.state_dict(),
        "message_hub": {"loss": HistoryBuffer()}, "args": Namespace(lr=0.1),
        "best_prec1": np.float64(71.5), "history": np.arange(5.0), "epoch": 3, "meta": {"seed": 1},
    }
    for legacy in (False, True):
        torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
        loaded = load_model(tmp_path / "a.pth", "cpu")
        for key, value in network.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], value), key


def test_tensors_alone_as_safetensors_are_read_too(tmp_path: Path) -> None:
    published = PUBLISHED["PyTorchVideo"]
    network = published.network()
    safetensors.torch.save_file(published.state(network), tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors", "cpu")
    assert torch.equal(loaded.fc.weight, network.fc.weight)


def test_an_imported_file_is_at_hand_with_its_account(tmp_path: Path, users: Path) -> None:
    published = PUBLISHED["TSM R50"]
    network = published.network()
    with torch.no_grad():
        network.fc.weight.mul_(1e-3)  # those of stirred features are far from each other
    path = published.write(tmp_path, published.state(network))
    name = import_checkpoint(path, "tsm", choices=Choices(classes="somethingv1"))
    rows = available_weights()[name]["account"]
    kinds = [what for what, _ in rows]
    assert ["format", "TSM, the authors' code (mit-han-lab/temporal-shift-module, ops)"] in rows
    assert {"network", "tensors", "input", "normalised", "classes", "sanity check"} <= set(kinds)
    assert "warning" not in kinds
    kept = load_model(name, "cpu")
    assert torch.equal(shown(kept), shown(load_model(path, "cpu")))
    assert kept.weights.recipe == {"imported from": "TSM, the authors' code"}


def broken(change: str, published: Published, state: State) -> State:
    first = next(key for key in state if key.endswith("layer2.0.conv2.conv.weight"))
    if change == "missing":
        return {key: value for key, value in state.items() if key != first}
    if change == "renamed":
        return {key + "x" if key == first else key: value for key, value in state.items()}
    if change == "another shape":
        return state | {first: state[first][:, :-1].clone()}
    if change == "not a number":
        return state | {first: state[first] * float("nan")}
    if change == "non-local":
        return state | {"backbone.layer2.1.non_local_block.g.weight": torch.zeros(3)}
    if change == "no classifier":
        return {key: value for key, value in state.items() if "fc_cls" not in key}
    if change == "another depth":
        return {key: value for key, value in state.items() if ".layer3.1." not in key}
    return {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("missing", r"1 keys unmatched, first 'layer2\.0\.conv2\.weight' absent"),
        ("renamed", r"1 tensors that no network here has, first 'backbone\.layer2\.0\.conv2\.conv"),
        ("another shape", r"1 keys unmatched, first 'layer2\.0\.conv2\.weight' \(16, 15"),
        ("not a number", "holds NaN"),
        ("non-local", "1 tensors that no network here has, first 'backbone.layer2.1.non_local"),
        ("no classifier", "no tensor for 'fc.weight'"),
        ("another depth", r"stages of \(2, 2, 1, 2\) basic blocks"),
        ("nothing", "no state dict"),
    ],
)
def test_a_tampered_file_is_a_clear_error_and_nothing_is_registered(
    change: str, said: str, tmp_path: Path, users: Path
) -> None:
    published = PUBLISHED["MMAction2 slowonly R18"]
    state = broken(change, published, published.state(published.network()))
    path = published.write(tmp_path, state)
    with pytest.raises(CheckpointError, match=said):
        import_checkpoint(path, "mine")
    assert not list(users.glob("*")) if users.exists() else True
    assert "mine" not in available_weights()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.9999])
def test_a_truncated_public_file_is_a_clear_error(
    share: float, legacy: bool, tmp_path: Path, users: Path
) -> None:
    _, path = written("MMAction2 slowonly R18", tmp_path, legacy=legacy)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match=r"a\.pth"):
        import_checkpoint(path, "mine")
    assert not users.exists()


def test_a_two_pathway_network_is_refused_by_name(tmp_path: Path) -> None:
    published = PUBLISHED["PySlowFast"]
    state = published.state(published.network())
    state["s1.pathway1_stem.conv.weight"] = torch.zeros(8, 3, 5, 7, 7)
    with pytest.raises(CheckpointError, match=r"pathway1_stem.*a ResNet of one pathway"):
        load_model(published.write(tmp_path, state), "cpu")


def test_a_2d_network_that_pools_time_unseen_is_not_taken_for_a_tsn(tmp_path: Path) -> None:
    published = replace(PUBLISHED["PySlowFast"], row="tsn_r50")
    path = published.write(tmp_path, published.state(published.network()))
    with pytest.raises(CheckpointError, match=r"2D convolutions alone.*pools time between stages"):
        load_model(path, "cpu")
    _, path = written("MMAction2 TSN R50", tmp_path)
    assert "C2D of MMAction2" in "; ".join(account(load_model(path, "cpu"))["assumed"])


def test_class_names_of_another_number_are_refused(tmp_path: Path) -> None:
    _, path = written("PySlowFast", tmp_path)
    with pytest.raises(CheckpointError, match="174 class names of 'somethingv1' for the 400"):
        load_model(path, "cpu", choices=Choices(classes="somethingv1"))


def test_names_from_a_file_that_cannot_be_shown_are_refused(tmp_path: Path) -> None:
    published = PUBLISHED["MMAction2 slowonly R18"]
    network = published.network()
    names = ["left\x1b[2J"] + [f"action {n}" for n in range(len(network.spec.classes) - 1)]
    content = {"state_dict": published.state(network), "meta": {"CLASSES": names}}
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="printable"):
        load_model(tmp_path / "a.pth", "cpu")
