"""Training and measuring one cell: a setting by one training seed. A finished cell is a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsanet_core import atomic
from dsanet_core.checkpoints import Weights, load_model
from dsanet_core.counting import complexity
from dsanet_core.models.base import VideoNetwork
from dsanet_core.synthetic import GROUP_OF, NUM_FRAMES, label_of
from dsanet_core.synthetic import VERSION as DATA_VERSION
from dsanet_core.training import TrainingOptions, fit
from dsanet_core.training.data import Log, RenderedVideos, rendered_videos
from dsanet_core.video.sampling import snippet_indices
from dsanet_core.zoo import build_model
from tools.ablations.settings import SETTINGS, SIDE, TEST_SEED, TRAINING_SEED, Budget, Setting

Cell = dict[str, Any]
"""setting, seed; top1 and groups (group -> fraction) on the test videos; params, macs of one view;
made_by: what decided the figures, for a cell of another budget or benchmark is not this one."""


def videos_of(
    budget: Budget, data: Path, log: Log = lambda line: None
) -> tuple[RenderedVideos, RenderedVideos]:
    """The training and the test videos of a budget, drawn once into a folder."""
    both = []
    counts = {TRAINING_SEED: budget.training_videos, TEST_SEED: budget.test_videos}
    for seed, count in counts.items():
        numbers = budget.numbers(count)
        groups = "-".join(budget.groups)
        name = f"synth-v{DATA_VERSION}-seed{seed}-n{count}-side{SIDE}-{groups}.npy"
        pixels = rendered_videos(seed, numbers, data / name, log, side=SIDE)
        both.append(RenderedVideos(pixels, np.array([label_of(number) for number in numbers])))
    return both[0], both[1]


@cache
def start_of(budget: Budget) -> tuple[Mapping[str, Tensor], str]:
    """The weights that a budget starts from, and the sha256 of their file."""
    network = load_model(budget.start, device="cpu")
    assert isinstance(network.weights, Weights)
    return network.state_dict(), network.weights.sha256


def started(setting: Setting) -> VideoNetwork:
    """A network of the setting with the weights of its start. What is put into the backbone has
    none there and keeps its random values."""
    network = build_model(setting.spec)
    network.load_state_dict(start_of(setting.budget)[0], strict=False)
    return network


def predicted(
    network: VideoNetwork, pixels: NDArray[np.uint8], *, batch: int = 20
) -> NDArray[np.int64]:
    """(videos,) best class of each video by the network's own protocol, as `run_network` would
    say, a batch at a time; the protocol has one crop and does not resize."""
    protocol = network.spec.protocol
    index = snippet_indices(NUM_FRAMES, protocol.sampling)[protocol.snippet_of_view]
    edge = (pixels.shape[2] - protocol.crop) // 2
    inside = slice(edge, edge + protocol.crop)
    mean, std = torch.tensor(protocol.mean), torch.tensor(protocol.std)
    best = []
    with torch.inference_mode():
        for start in range(0, len(pixels), batch):
            chosen = pixels[start : start + batch][:, index, inside, inside]
            views = torch.from_numpy(chosen).float().div_(255).sub_(mean).div_(std)
            views = views.permute(0, 1, 2, 6, 3, 4, 5)              # (N, views, U, 3, T, H, W)
            scores = network(views.flatten(0, 1)).softmax(-1)
            scores = scores.unflatten(0, views.shape[:2]).mean(1)   # (N, classes)
            best.append(scores.argmax(-1).numpy())
    return np.concatenate(best)


def made_by(setting: Setting, seed: int) -> dict[str, Any]:
    """Everything that decides a cell, as JSON values."""
    made: dict[str, Any] = json.loads(json.dumps({
        "spec": setting.spec.to_dict(),
        "recipe": setting.recipe.to_dict(),
        "groups": setting.budget.groups,
        "training": [TRAINING_SEED, setting.budget.training_videos],
        "test": [TEST_SEED, setting.budget.test_videos, SIDE],
        "data_version": DATA_VERSION,
        "start": [setting.budget.start, start_of(setting.budget)[1]],
        "seed": seed,
    }))
    return made


def path_of(setting: Setting, seed: int, folder: Path) -> Path:
    """File of a finished cell."""
    return folder / f"{setting.name}-seed{seed}.json"


def finished(setting: Setting, seed: int, folder: Path) -> Cell | None:
    """The cell if its file is there and was made in the present way."""
    path = path_of(setting, seed, folder)
    if not path.exists():
        return None
    cell: Cell = json.loads(path.read_text())
    return cell if cell["made_by"] == made_by(setting, seed) else None


def missing_cells(seeds: int, folder: Path) -> list[tuple[str, int]]:
    """(setting, seed) of all that are not finished: all settings by seed 0 first, and so on.

    Budgets take turns and odd seeds go backwards, so that a command that is stopped leaves some
    spread in each budget, and that of other settings than those that come first.
    """
    of_budget: dict[Budget, list[str]] = {}
    for name, setting in SETTINGS.items():
        of_budget.setdefault(setting.budget, []).append(name)
    turns = [name for names in zip_longest(*of_budget.values()) for name in names if name]
    return [(name, seed) for seed in range(seeds) for name in turns[:: -1 if seed % 2 else 1]
            if finished(SETTINGS[name], seed, folder) is None]


def make_cell(name: str, seed: int, data: Path, folder: Path, threads: int = 1) -> Cell:
    """Train and measure a setting, and leave the cell's file: whole or not at all."""
    setting = SETTINGS[name]
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    network = started(setting)
    training, test = videos_of(setting.budget, data)
    options = TrainingOptions(seed=seed, device="cpu")
    fit(setting.recipe, network, training, options, log=lambda line: None)
    hits = predicted(network, test.pixels) == test.labels
    groups = np.array(GROUP_OF)[test.labels]
    cost = complexity(network)
    cell: Cell = {
        "setting": name,
        "seed": seed,
        "top1": float(hits.mean()),
        "groups": {group: float(hits[groups == group].mean()) for group in setting.budget.groups},
        "params": cost.params,
        "macs": cost.macs,
        "made_by": made_by(setting, seed),
    }
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path_of(setting, seed, folder), json.dumps(cell))
    return cell
