"""Checkpoints of users: kept under safe names, beside the embedded ones and never over them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from dsanet_core import checkpoints, cli
from dsanet_core.checkpoints import (
    available_weights,
    damaged_entries,
    import_checkpoint,
    load_model,
    read_manifest,
    read_spec,
    save_checkpoint,
)
from dsanet_core.errors import CheckpointError
from dsanet_core.familiarity import FamiliarityModel
from tests.checkpoints.files import good
from tests.weights import tiny_network

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_an_imported_checkpoint_is_the_one_that_was_given(
    tmp_path: Path, users: Path, suffix: str
) -> None:
    network = tiny_network("dsa_i3d_synth")
    size = network.appearance_size
    known = FamiliarityModel(np.zeros(size), np.eye(size) * 2, -1.5, 0.95)
    path = tmp_path / f"mine.{suffix}"
    save_checkpoint(path, network, trained_on="videos", recipe={"epochs": 2}, seed=3,
                    accuracy={"top1": 0.5}, familiarity=known)
    assert import_checkpoint(path) == "mine"
    path.unlink()
    loaded = load_model("mine", "cpu")
    assert loaded.spec == network.spec == read_spec("mine")
    for key, value in network.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key]), key
    weights = loaded.weights
    assert (weights.file, weights.trained_on, weights.recipe) == (
        "mine.safetensors", "videos", {"epochs": 2})
    assert (weights.seed, weights.accuracy) == (3, {"top1": 0.5})
    np.testing.assert_array_equal(weights.familiarity.precision, known.precision)
    entry = available_weights()["mine"]
    assert entry["path"] == users / "mine.safetensors" and not entry["embedded"]
    assert (entry["sha256"], entry["model"]) == (weights.sha256, "tiny_dsa_i3d_synth")
    assert entry["bytes"] == entry["path"].stat().st_size
    assert sorted(each.name for each in users.iterdir()) == ["mine.json", "mine.safetensors"]


def test_nothing_of_the_original_file_but_its_checkpoint_is_kept(
    tmp_path: Path, users: Path
) -> None:
    content = torch.load(good(tmp_path / "a.pth"), weights_only=True)
    content["note"] = content["metadata"]["note"] = "a secret of the sender"
    torch.save(content, tmp_path / "a.pth")
    import_checkpoint(tmp_path / "a.pth", "mine")
    assert b"secret" in (tmp_path / "a.pth").read_bytes()
    assert b"secret" not in (users / "mine.safetensors").read_bytes()


@pytest.mark.parametrize(
    "name",
    ["", ".hidden", "-flag", "../up", "a/b", "a\\b", "Über", "UPPER", "a b", "a\n", "x" * 65,
     "a.safetensors", "a.json", "a.", "a+b", "\x00", "C:x"],
)
def test_a_name_that_is_not_safe_is_refused(tmp_path: Path, users: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="expected 1 to 64 of a-z"):
        import_checkpoint(good(tmp_path / "a.safetensors"), name)
    assert not users.exists()


@pytest.mark.parametrize("name", ["dsa_i3d_synth", "sda_tsn_r50_en"])
def test_a_name_that_comes_with_the_project_is_refused(
    tmp_path: Path, users: Path, name: str
) -> None:
    with pytest.raises(CheckpointError, match="that of embedded weights"):
        import_checkpoint(good(tmp_path / "a.safetensors"), name)
    with pytest.raises(CheckpointError, match="that of embedded weights"):
        import_checkpoint(good(tmp_path / f"{name}.safetensors"))
    assert not users.exists()


def test_a_file_of_any_name_gets_a_safe_one(tmp_path: Path, users: Path) -> None:
    path = good(tmp_path / "..Mein Netz (1) <b>.pth")
    assert import_checkpoint(path) == "mein_netz_1_b_"


def test_the_same_checkpoint_may_come_twice_and_another_one_not(
    tmp_path: Path, users: Path
) -> None:
    first = good(tmp_path / "a.safetensors", tiny_network("tsn_synth", seed=1))
    second = good(tmp_path / "b.safetensors", tiny_network("tsn_synth", seed=2))
    again = good(tmp_path / "c.pth", tiny_network("tsn_synth", seed=1))
    import_checkpoint(first, "mine")
    before = (users / "mine.safetensors").read_bytes()
    assert import_checkpoint(again, "mine") == "mine"
    message = r"'mine', which is in use by another.*delete mine\.s"
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(second, "mine")
    assert (users / "mine.safetensors").read_bytes() == before
    assert len(list(users.iterdir())) == 2
    for path in users.iterdir():  # as the message says
        path.unlink()
    import_checkpoint(second, "mine")


def test_an_embedded_checkpoint_cannot_be_shadowed(tmp_path: Path, users: Path) -> None:
    import_checkpoint(good(tmp_path / "a.safetensors"), "mine")
    for suffix in (".json", ".safetensors"):  # put there by hand
        (users / f"mine{suffix}").rename(users / f"i3d_synth{suffix}")
    entry = json.loads((users / "i3d_synth.json").read_text())
    (users / "i3d_synth.json").write_text(json.dumps(entry | {"file": "i3d_synth.safetensors"}))
    promised = read_manifest()["i3d_synth"]["sha256"]
    assert available_weights()["i3d_synth"]["sha256"] == promised
    assert load_model("i3d_synth", "cpu").weights.sha256 == promised
    names = list(available_weights())
    assert names == list(read_manifest())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be used"),
        ("[]", "a list instead of dict"),
        ("{}", "cannot be used"),
        ("\xff", "cannot be used"),
        ({"file": "../../checkpoints/i3d_synth.safetensors"}, "file '../../checkpoints"),
        ({"file": "/etc/passwd"}, "file '/etc/passwd'"),
        ({"sha256": "0"}, "sha256 '0'"),
        ({"bytes": "many"}, "bytes 'many'"),
        ({"model": "\x1b[2J"}, "must be printable"),
        ({"accuracy": None}, "accuracy 'None'"),
        ({"trained_on": "x" * 3000}, "3000 characters"),
    ],
)
def test_a_tampered_entry_is_named_and_hides_nothing_else(
    tmp_path: Path, users: Path, text: object, message: str
) -> None:
    for name in ("good", "bad"):
        import_checkpoint(good(tmp_path / "a.safetensors"), name)
    path = users / "bad.json"
    if isinstance(text, dict):
        path.write_text(json.dumps(json.loads(path.read_text()) | text))
    else:
        path.write_bytes(str(text).encode("latin-1"))
    assert list(available_weights()) == [*read_manifest(), "good"]
    assert list(damaged_entries()) == ["bad"] and message in damaged_entries()["bad"]
    with pytest.raises(CheckpointError, match=r"entry of 'bad' cannot be used.*delete bad\.json"):
        load_model("bad", "cpu")
    assert load_model("good", "cpu").spec.name == "tiny_tsn_synth"


def test_weights_that_were_changed_or_are_gone_are_not_loaded(tmp_path: Path, users: Path) -> None:
    import_checkpoint(good(tmp_path / "a.safetensors"), "mine")
    good(users / "mine.safetensors", tiny_network("tsn_synth", seed=5))
    with pytest.raises(CheckpointError, match="sha256"):
        load_model("mine", "cpu")
    (users / "mine.safetensors").unlink()
    assert "mine.safetensors is gone" in damaged_entries()["mine"]
    assert "mine" not in available_weights()


def test_of_several_imports_at_once_under_one_name_one_stays(tmp_path: Path, users: Path) -> None:
    paths = [
        good(tmp_path / f"{seed}.safetensors", tiny_network("tsn_synth", seed=seed))
        for seed in range(6)
    ]

    def attempt(path: Path) -> str:
        try:
            return import_checkpoint(path, "mine")
        except CheckpointError as error:
            return str(error)

    with ThreadPoolExecutor(len(paths)) as pool:
        said = list(pool.map(attempt, paths))
    assert said.count("mine") == 1
    assert sum("in use by another checkpoint" in each for each in said) == len(paths) - 1
    kept, given = load_model("mine", "cpu"), load_model(paths[said.index("mine")], "cpu")
    assert torch.equal(kept.fc.weight, given.fc.weight)
    with ThreadPoolExecutor(len(paths)) as pool:  # and of one checkpoint by many, all
        assert list(pool.map(lambda _: import_checkpoint(paths[0], "one"), paths)) == ["one"] * 6
    assert len(list(users.iterdir())) == 4


def test_what_a_killed_import_left_is_removed_by_a_later_one(tmp_path: Path, users: Path) -> None:
    users.mkdir()
    ages = {f".x.part-{8 * 'a'}.json": 1e5, f".x.part-{8 * 'b'}": 1e5, ".gitkeep": 1e5,
            f".x.part-{8 * 'c'}.safetensors": 1}
    for name, age in ages.items():
        (users / name).touch()
        os.utime(users / name, (time.time() - age,) * 2)
    import_checkpoint(good(tmp_path / "a.safetensors"), "mine")
    left = sorted(each.name for each in users.iterdir())
    assert left == [".gitkeep", f".x.part-{8 * 'c'}.safetensors", "mine.json", "mine.safetensors"]


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(checkpoints, "USER_FOLDER", tmp_path / "file" / "users")
    with pytest.raises(CheckpointError, match=r"could not be written into .*file/users"):
        import_checkpoint(good(tmp_path / "a.safetensors"), "mine")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path: Path, suffix: str) -> None:
    """The limit on the size of files stops a write as a full disk does: in the middle."""
    path = good(tmp_path / f"a.{suffix}")
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from dsanet_core import checkpoints\n"
        "from dsanet_core.errors import CheckpointError\n"
        "path, users = map(Path, sys.argv[1:])\n"
        "checkpoints.USER_FOLDER = users\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "network = checkpoints.load_model(path, 'cpu')\n"
        "for write in (lambda: checkpoints.import_checkpoint(path, 'mine'),\n"
        "              lambda: checkpoints.save_checkpoint(path, network, trained_on='')):\n"
        "    try:\n"
        "        write()\n"
        "    except CheckpointError as error:\n"
        "        print(error)\n"
    )
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path / "users")],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )
    assert done.stdout.count("could not be written into") == 2
    assert "Free some space" in done.stdout
    assert path.read_bytes() == before
    left = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert left == [path]


def test_the_command_line_imports_and_says_what_it_understood(
    tmp_path: Path, users: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = good(tmp_path / "Some Weights.pth")
    assert cli.main(["import", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("some_weights is available: --model some_weights\n")
    assert "tiny_tsn_synth, 0.05 M parameters" in shown and "8 single frames" in shown
    assert cli.main(["import", str(path), "--as", "second", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["name"] == "second" and said["classes"] == 25
    assert said["sha256"] == available_weights()["second"]["sha256"]
    assert said["parameters"] == 45597 and said["mean"] == [0.5] * 3
    assert said["accuracy"] == {"top1": 0.5, "per_group": {"order": 0.25}}
    assert cli.main(["import", str(path), "--as", "Second"]) == 2
    assert capsys.readouterr().err.startswith("error: name 'Second'")


def test_the_list_of_models_ends_with_those_of_users(
    tmp_path: Path, users: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import dsanet_core.catalogue as catalogue

    monkeypatch.setattr(catalogue, "list_models", lambda: ["tsn_synth"])
    import_checkpoint(good(tmp_path / "a.pth"), "mine")
    (users / "bad.json").write_text("{")
    assert cli.main(["models"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["model", "tsn_synth", "mine"]
    assert "mine.safetensors" in out
    assert "entry of 'bad'" in err
