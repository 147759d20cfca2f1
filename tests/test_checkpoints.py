"""Checkpoints: what is saved comes back, and what is not a checkpoint is refused in words."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from dsanet_core import checkpoints
from dsanet_core.checkpoints import (
    CheckpointLimits,
    load_model,
    load_weights,
    pick_device,
    read_manifest,
    save_checkpoint,
    write_manifest,
)
from dsanet_core.checkpoints.checkpoint_file import open_checkpoint
from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.familiarity import FamiliarityModel
from dsanet_core.inference import prepare
from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import BUILDERS, build_model, create_model, model_spec


def tiny(name: str = "dsa_i3d_synth", seed: int = 0, **args: object) -> VideoNetwork:
    """A row of the zoo at a fraction of its width."""
    torch.manual_seed(seed)
    spec = model_spec(name)
    return build_model(replace(spec, args={**spec.args, "width": 4, **args}))


def save(path: Path, network: VideoNetwork, **more: object) -> str:
    facts = {"recipe": {"epochs": 3}, "seed": 7, "accuracy": {"top1": 0.5}} | more
    return save_checkpoint(path, network, trained_on="a test", **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_saved_network_comes_back_with_its_facts_and_gives_the_same_logits(
    tmp_path: Path, suffix: str
) -> None:
    network = tiny().eval()
    rng = np.random.default_rng(0)
    calibration = FamiliarityModel(rng.normal(size=48), np.eye(48) * 1.5, -3.25, 0.95)
    path = tmp_path / f"a.{suffix}"
    sha256 = save(path, network, familiarity=calibration)
    loaded = load_model(path, device="cpu")
    assert loaded.spec == checkpoints.read_spec(path) == network.spec
    assert not loaded.training
    weights = loaded.weights
    assert (weights.file, weights.sha256, weights.trained_on) == (path.name, sha256, "a test")
    assert (weights.recipe, weights.seed) == ({"epochs": 3}, 7)
    assert weights.accuracy == {"top1": 0.5}
    np.testing.assert_array_equal(weights.familiarity.mean, calibration.mean)
    np.testing.assert_array_equal(weights.familiarity.precision, calibration.precision)
    assert weights.familiarity.threshold == -3.25
    clips = torch.randn(2, 4, 3, 4, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(clips), prepare(network)(clips))
    assert all(p.device.type == "cpu" and p.requires_grad for p in loaded.parameters())


def test_weights_in_channels_last_are_saved_alike(tmp_path: Path) -> None:
    network = tiny().to(memory_format=torch.channels_last_3d)
    save(tmp_path / "a.safetensors", network)
    loaded = load_model(tmp_path / "a.safetensors", device="cpu")
    for key, value in network.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key])


def test_weights_of_another_number_of_snippets_are_named_with_shapes(tmp_path: Path) -> None:
    dsa = model_spec("dsa_i3d_synth").args["dsa"]
    other = tiny(dsa={**dsa, "num_snippets": 8}).state_dict()
    with pytest.raises(CheckpointError) as error:
        load_weights(tiny(), other)
    message = str(error.value)
    assert "12 keys unmatched, first 'layer2.1.dsa.generate.0.weight' (16, 8) vs (8, 4)" in message
    assert "num_snippets than 4" in message


def test_missing_and_surplus_keys_are_counted(tmp_path: Path) -> None:
    state = tiny("tsn_i3d_synth").state_dict()
    state["other.weight"] = torch.zeros(1)
    del state["conv1.weight"]
    with pytest.raises(CheckpointError, match=r"2 keys unmatched, first 'conv1.weight' absent vs"):
        load_weights(tiny("tsn_i3d_synth"), state)


def test_weights_that_are_not_finite_are_refused() -> None:
    state = tiny().state_dict()
    state["fc.bias"][3] = float("nan")
    with pytest.raises(CheckpointError, match=r"'fc.bias'.*finite"):
        load_weights(tiny(), state)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a checkpoint",
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 8) + b"\xff" * 8,
    ],
    ids=["empty", "text", "huge header", "no metadata", "a list", "not utf-8"],
)
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"a\.(safetensors|pth)"):
        load_model(path, device="cpu")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    save(path, tiny())
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="complete"):
        load_model(path, device="cpu")


def test_safetensors_of_somebody_else_are_refused_by_format(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match="format 'pt'"):
        load_model(path, device="cpu")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)  # type: ignore[return-value]


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"metadata": {"format": Bomb()}, "tensors": {}}, "a.pth")
    with pytest.raises(CheckpointError, match=r"asks to run builtins\.getattr"):
        load_model("a.pth", device="cpu")
    assert not Path("exploded").exists()


def rewritten(path: Path, **changes: str) -> Path:
    """The checkpoint with other metadata."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] |= changes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    return path


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("spec", "{}", "model spec is not understood"),
        ("spec", "{", "has spec"),
        ("version", "99", "version 1 or lower"),
        ("seed", '"x"', "has seed"),
        ("familiarity", '{"threshold": 1}', "familiarity is not understood"),
    ],
)
def test_metadata_that_is_not_understood_is_named(
    tmp_path: Path, key: str, value: str, message: str
) -> None:
    path = tmp_path / "a.safetensors"
    save(path, tiny())
    with pytest.raises(CheckpointError, match=message):
        load_model(rewritten(path, **{key: value}), device="cpu")


def test_a_spec_that_lies_about_size_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    network = tiny()
    save(path, network)
    spec = network.spec.to_dict()
    spec["args"]["width"] = 10**4  # 10^11 bytes of weights
    with pytest.raises(CheckpointError, match=r"a network of .* GiB"):
        load_model(rewritten(path, spec=json.dumps(spec)), device="cpu")


def test_a_spec_with_an_unknown_builder_names_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    network = tiny()
    save(path, network)
    spec = network.spec.to_dict() | {"build": "transformer"}
    with pytest.raises(CheckpointError, match=next(iter(BUILDERS))):
        load_model(rewritten(path, spec=json.dumps(spec)), device="cpu")


def test_too_large_a_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(path, tiny())
    with pytest.raises(CheckpointError, match=r"expected at most 1000 bytes"):
        load_model(path, device="cpu", limits=CheckpointLimits(file_bytes=1000))


@pytest.mark.parametrize(
    ("suffix", "limits", "message"),
    [
        ("safetensors", {"header_bytes": 1000}, "a header of .* KiB; expected at most 1000 bytes"),
        ("safetensors", {"num_tensors": 20}, "holds .* tensors; expected at most 20"),
        ("safetensors", {"tensor_bytes": 1000}, "holds tensors of .*; expected at most 1000"),
        ("pth", {"file_bytes": 1000}, "expected at most 1000 bytes"),
        ("pth", {"header_bytes": 1000}, "an archive of .* files, their list .* KiB"),
        ("pth", {"archive_entries": 20}, "expected at most 20 files"),
        ("pth", {"pickle_bytes": 1000}, "'.*data.pkl' in it of .* KiB; expected at most 1000"),
        ("pth", {"num_tensors": 20}, "holds .* tensors; expected at most 20"),
        ("pth", {"tensor_bytes": 1000}, "holds tensors of .*; expected at most 1000"),
    ],
)
def test_each_limit_refuses_what_is_past_it(
    tmp_path: Path, suffix: str, limits: dict[str, int], message: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    save(path, tiny())
    with pytest.raises(CheckpointError, match=message):
        load_model(path, device="cpu", limits=CheckpointLimits(**limits))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-100_000], "became shorter while it was read"),
        (lambda data: data + b"x", "changed while it was read"),
    ],
    ids=["cut", "longer"],
)
def test_a_file_that_changes_between_header_and_numbers_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    path = tmp_path / "a.safetensors"
    save(path, tiny())
    with open_checkpoint(path, CheckpointLimits()) as file:
        path.write_bytes(change(path.read_bytes()))
        with pytest.raises(CheckpointError, match=message):
            list(file.chunks())


def test_a_file_is_what_its_bytes_are_whatever_it_is_called(tmp_path: Path) -> None:
    save(tmp_path / "a.pth", tiny())
    save(tmp_path / "b.safetensors", tiny())
    (tmp_path / "a.pth").rename(tmp_path / "c.safetensors")
    (tmp_path / "b.safetensors").rename(tmp_path / "d.pth")
    one, other = (load_model(tmp_path / name, "cpu") for name in ("c.safetensors", "d.pth"))
    assert torch.equal(one.fc.weight, other.fc.weight)


def test_the_same_network_gives_the_same_file(tmp_path: Path) -> None:
    sums = {save(tmp_path / f"{n}.safetensors", tiny()) for n in range(5)}
    assert len(sums) == 1
    with safe_open(tmp_path / "0.safetensors", "pt") as file:  # as the library reads it
        assert json.loads(file.metadata()["seed"]) == 7
        assert set(file.keys()) == set(tiny().state_dict())


@pytest.mark.parametrize(
    "facts",
    [
        {"trained_on": "two\nlines"},
        {"accuracy": {"top1": float("nan")}},
        {"accuracy": {"top1": 45.2}},
        {"recipe": {"rate": float("inf")}},
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path, facts: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match=r"a\.safetensors"):
        save_checkpoint(tmp_path / "a.safetensors", tiny(), **{"trained_on": ""} | facts)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_float_format_become_those_of_the_network(tmp_path: Path) -> None:
    network = tiny()
    save(tmp_path / "a.safetensors", tiny().half())
    loaded = load_model(tmp_path / "a.safetensors", "cpu")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert torch.equal(loaded.fc.weight, network.fc.weight.half().float())


def test_a_pipe_and_a_folder_are_no_checkpoints(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(CheckpointError, match="no weights"):
            load_model(path, "cpu")
        with (
            pytest.raises(CheckpointError, match=r"no regular file|directory"),
            open_checkpoint(path, CheckpointLimits()),
        ):
            pass


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"manifest\.json cannot be read"):
        read_manifest(tmp_path)


def test_the_manifest_names_files_and_catches_a_changed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    sha256 = save(tmp_path / "dsa_i3d_synth.safetensors", tiny())
    write_manifest(tmp_path)
    entry = read_manifest(tmp_path)["dsa_i3d_synth"]
    size = (tmp_path / "dsa_i3d_synth.safetensors").stat().st_size
    assert (entry["sha256"], entry["bytes"], entry["seed"]) == (sha256, size, 7)
    assert (entry["model"], entry["accuracy"]) == ("dsa_i3d_synth", {"top1": 0.5})
    assert load_model("dsa_i3d_synth", device="cpu").weights.sha256 == sha256
    save(tmp_path / "dsa_i3d_synth.safetensors", tiny(seed=1))
    with pytest.raises(CheckpointError, match="manifest"):
        load_model("dsa_i3d_synth", device="cpu")


def test_a_name_without_weights_says_what_there_is() -> None:
    with pytest.raises(CheckpointError, match=r"no weights 'dsa_i3d_r50'.*create_model"):
        load_model("dsa_i3d_r50", device="cpu")


def test_saving_refuses_another_suffix_and_a_network_without_spec(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"'\.bin'"):
        save(tmp_path / "a.bin", tiny())
    network = tiny()
    network.spec = None
    with pytest.raises(CheckpointError, match="create_model"):
        save(tmp_path / "a.safetensors", network)
    assert list(tmp_path.iterdir()) == []


def test_devices_are_picked_or_refused_in_words() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ModelError, match="'nonsense'"):
        pick_device("nonsense")


def test_embedded_weights_match_their_manifest_and_their_rows() -> None:
    manifest = read_manifest()
    stems = {path.stem for path in checkpoints.FOLDER.glob("*.safetensors")}
    assert set(manifest) == stems
    for name, entry in manifest.items():
        network = load_model(name, device="cpu")
        assert network.spec == model_spec(entry["model"])
        assert network.weights.accuracy == entry["accuracy"]
        assert entry["bytes"] < 16 * 2**20


def test_create_model_is_not_touched_by_loading(tmp_path: Path) -> None:
    save(tmp_path / "a.safetensors", tiny())
    load_model(tmp_path / "a.safetensors", device="cpu")
    assert all(p.device.type == "cpu" for p in create_model("i3d_synth").parameters())


def test_networks_lie_channels_last_in_memory_made_or_loaded(tmp_path: Path) -> None:
    made = tiny()
    path = tmp_path / "a.safetensors"
    save(path, made)
    for network in (made, load_model(path, device="cpu")):
        weight = network.get_submodule("layer2.0.conv1").weight
        assert weight.is_contiguous(memory_format=torch.channels_last_3d)
        assert not weight.is_contiguous()
