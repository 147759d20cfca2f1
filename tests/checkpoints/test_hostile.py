"""Hostile checkpoints are refused for the reason there is, run nothing and take no memory."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from dsanet_core.checkpoints import import_checkpoint, load_model
from dsanet_core.errors import CheckpointError
from tests.checkpoints.files import good
from tests.checkpoints.hostile import HOSTILE
from tests.checkpoints.makers import wide_network

ROOT = Path(__file__).parents[2]
CAP = 32 << 20


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_checkpoint_is_refused_by_name_and_runs_nothing(
    kind: str, tmp_path: Path, users: Path
) -> None:
    make, message = HOSTILE[kind]
    canary = tmp_path / "canary"
    path = make(tmp_path, canary)
    with pytest.raises(CheckpointError, match=message) as refusal:
        load_model(path, device="cpu")
    assert len(str(refusal.value)) < 1500
    assert path.name in str(refusal.value) or "'" in str(refusal.value)
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(path, "mine")
    assert not canary.exists()
    assert not users.exists()


@pytest.mark.parametrize(
    "kind",
    ["a shell command in the metadata", "a program among the tensors", "names from the memo",
     "an old instruction", "a pickle of the old torch"],
)
def test_the_canary_appears_where_a_file_is_trusted(kind: str, tmp_path: Path) -> None:
    """What the other tests rule out: these files do run what they hold."""
    canary = tmp_path / "canary"
    path = HOSTILE[kind][0](tmp_path, canary)
    with suppress(Exception):
        torch.load(path, weights_only=False)
    assert canary.exists()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts the peak")
def test_no_refusal_takes_more_memory_than_the_cap_and_a_fifth(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    made = {}
    for number, (kind, (make, _)) in enumerate(HOSTILE.items()):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        made[str(make(folder, canary))] = kind
    fits = str(good(tmp_path / "good.safetensors", wide_network()))
    done = subprocess.run(
        [sys.executable, "-m", "tests.checkpoints.memory", str(CAP), *made, fits],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )
    *refused, last = json.loads(done.stdout)
    peaks = {made[file]: peak for file, said, peak in refused if said != "loaded"}
    assert set(peaks) == set(HOSTILE)
    assert {kind: peak for kind, peak in peaks.items() if peak > 1.2 * CAP} == {}
    assert peaks["NaN"] > CAP / 2, "its tensors were read: the measure sees what is taken"
    assert last[1] == "loaded"
    assert last[2] < 1.5 * Path(fits).stat().st_size, "a good file is in memory once"
    assert not canary.exists()


def test_every_pickle_of_torch_is_read_as_weights_only() -> None:
    """Also the state of a training and the weights that torchvision fetches."""
    reads = 0
    for folder in ("app", "dsanet_core", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            assert "add_safe_globals" not in source and "safe_globals(" not in source, path
            assert folder != "dsanet_core" or "pickle.load" not in source, path
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "torch.load", "weights.get_state_dict"
                ):
                    said = {each.arg: ast.unparse(each.value) for each in node.keywords}
                    assert said.get("weights_only") == "True", path
                    reads += 1
    assert reads >= 2
