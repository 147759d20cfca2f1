import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dsanet_core import train
from dsanet_core.checkpoints import load_model
from dsanet_core.errors import CheckpointError, LensError, ModelError
from dsanet_core.zoo import model_spec

TINY = replace(train.RECIPES["dsa_i3d_synth"], num_videos=16, videos_per_step=8, epochs=2)
ALONE = train.Workers(rank=0, count=1)


def _batches(recipe: train.Recipe, videos: train.LabelledVideos, epoch: int, workers=ALONE):
    protocol = model_spec(recipe.model).protocol
    sampling = replace(protocol.sampling, num_snippets=recipe.snippets_per_video)
    return list(train.batches(videos, recipe, seed=0, epoch=epoch, workers=workers,
                              sampling=sampling, crop=protocol.crop))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    train.training_videos(TINY, folder, log=lambda line: None)
    return folder


def _fit(cache: Path, state: Path, recipe: train.Recipe = TINY, **more):
    lines: list[str] = []
    network = train.fit(recipe, state_path=state, data_folder=cache, device="cpu",
                        log=lines.append, **more)
    return network, lines


def _losses(lines: list[str]) -> list[float]:
    return [float(found[1]) for line in lines if (found := re.search(r"loss (\S+)", line))]


def test_an_interrupted_training_ends_as_an_uninterrupted_one(cache: Path, tmp_path: Path) -> None:
    whole, _ = _fit(cache, tmp_path / "whole.pt")
    _fit(cache, tmp_path / "parts.pt", stop_after=1)
    parts, lines = _fit(cache, tmp_path / "parts.pt")
    assert any("continuing after epoch 1" in line for line in lines)
    for (name, a), b in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_damaged_state_is_a_message(cache: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    _fit(cache, state, stop_after=1)
    state.write_bytes(state.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"state.pt cannot be read .*Delete it to start over"):
        _fit(cache, state)
    torch.save({"epoch": 1}, state)
    with pytest.raises(CheckpointError, match="something is missing"):
        _fit(cache, state)


def test_the_state_of_another_recipe_is_refused(cache: Path, tmp_path: Path) -> None:
    _fit(cache, tmp_path / "state.pt", stop_after=1)
    other = replace(TINY, weight_decay=0.0)
    with pytest.raises(LensError, match="another recipe"):
        _fit(cache, tmp_path / "state.pt", other)


def test_training_learns(cache: Path, tmp_path: Path) -> None:
    recipe = replace(TINY, epochs=12, max_learning_rate=0.02, precision="float32")
    _, lines = _fit(cache, tmp_path / "state.pt", recipe)
    losses = _losses(lines)
    assert losses[0] > 2.8 and losses[-1] < losses[0] - 0.8


def test_an_epoch_shows_every_video_once_and_processes_share_them(cache: Path) -> None:
    videos = train.training_videos(TINY, cache, log=lambda line: None)
    alone = [label for _, labels in _batches(TINY, videos, 0) for label in labels.tolist()]
    assert sorted(alone) == sorted(range(16))
    shared = [
        label
        for rank in (0, 1)
        for _, labels in _batches(TINY, videos, 0, train.Workers(rank, 2))
        for label in labels.tolist()
    ]
    assert sorted(shared) == sorted(alone)


def test_batches_depend_on_seed_and_epoch_only(cache: Path) -> None:
    videos = train.training_videos(TINY, cache, log=lambda line: None)
    first, again, later = (_batches(TINY, videos, epoch)[0][0] for epoch in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, later)
    assert first.shape == (8, 4, 3, 4, 64, 64)
    assert first.min() >= -1.6 and first.max() <= 1.6


def test_networks_of_one_snippet_learn_from_each_snippet() -> None:
    clips, labels = torch.randn(2, 4, 3, 4, 64, 64), torch.tensor([0, 1])
    seen = []

    def network(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.shape)
        return torch.zeros(len(x), 25)

    train._loss(network, clips, labels, per_snippet=True)
    train._loss(network, clips, labels, per_snippet=False)
    assert seen == [(8, 1, 3, 4, 64, 64), (2, 4, 3, 4, 64, 64)]


def test_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [train._schedule(step, 100, 0.25) for step in range(100)]
    assert np.argmax(rates) in (24, 25) and max(rates) == 1
    assert rates[0] == 0.04 and rates[-1] < 0.001


def test_train_writes_weights_that_know_where_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(train.RECIPES, "dsa_i3d_synth", TINY)
    monkeypatch.setattr(train, "VALIDATION", "synth:seed=7,n=25")
    monkeypatch.setattr(train, "CALIBRATION_VIDEOS", 25)
    out = tmp_path / "weights.safetensors"
    accuracy = train.train("dsa_i3d_synth", seed=3, out=out, cache=tmp_path, device="cpu",
                           epochs=1, log=lambda line: None)
    weights = load_model(out, device="cpu").weights
    assert weights.seed == 3 and weights.recipe["epochs"] == 1
    assert weights.accuracy["top1"] == accuracy["top1"] <= accuracy["top5"]
    assert "16 synthetic videos" in weights.trained_on
    assert weights.familiarity is not None and weights.familiarity.true_rate >= 0.95


def test_unknown_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="dsa_i3d_synth"):
        train.train("nonsense", out=tmp_path / "x.safetensors")


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    """torchrun's two processes end with the same weights, and say what one of them would."""
    script = tmp_path / "fit.py"
    script.write_text(
        "import os, sys, torch\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from dsanet_core import train\n"
        "torch.set_num_threads(1)\n"
        "recipe = replace(train.RECIPES['dsa_i3d_synth'], num_videos=16, videos_per_step=8,\n"
        "                 epochs=1)\n"
        "folder = Path(sys.argv[1])\n"
        "net = train.fit(recipe, state_path=folder / 'state.pt', data_folder=Path(sys.argv[2]),\n"
        "                device='cpu')\n"
        "trained = {k: v for k, v in net.named_parameters()}\n"
        "torch.save({k: v.detach() for k, v in trained.items()},\n"
        "           folder / f\"rank{os.environ['RANK']}.pt\")\n"
        "torch.distributed.destroy_process_group()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         str(script), str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)
