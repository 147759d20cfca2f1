"""What of BatchNorm learns: statistics, scale and shift."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from dsanet_core.errors import LensError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.insert import insert
from dsanet_core.synthetic import CATEGORIES
from dsanet_core.training import RECIPES
from dsanet_core.training.batchnorm import configure_batchnorm
from dsanet_core.training.recipe import BatchNormMode
from dsanet_core.workers import Workers
from dsanet_core.zoo import build_model
from tests.training.small import EXACT, TINY, network_of, trained

CPU = torch.device("cpu")


def norms(network: VideoNetwork) -> dict[str, _BatchNorm]:
    return {name: part for name, part in network.named_modules() if isinstance(part, _BatchNorm)}


def changed(norm: BatchNormMode) -> set[str]:
    """The BatchNorm layers that a training changed: all of what they hold or nothing."""
    recipe = replace(TINY, norm=norm, weight_decay=0.1, decay_all=True)
    network, _, _ = trained(recipe)
    before = norms(network_of(recipe))
    found = set()
    for name, part in norms(network).items():
        pairs = zip(before[name].state_dict().values(), part.state_dict().values(), strict=True)
        same = {torch.equal(a, b) for a, b in pairs}
        assert len(same) == 1, f"{name} changed in part"
        if same == {False}:
            found.add(name)
    return found


def test_frozen_batchnorm_keeps_everything_it_holds() -> None:
    assert changed("frozen") == set()


def test_partial_batchnorm_changes_the_first_layer_and_inserted_modules_alone() -> None:
    assert changed("partial") == {"bn1", "layer2.1.dsa.generate.1", "layer3.1.dsa.generate.1"}


def test_normal_batchnorm_changes_every_layer() -> None:
    assert changed("normal") == set(norms(network_of(TINY)))


def test_partial_batchnorm_counts_the_backbones_own_layers() -> None:
    spec = RECIPES["sda_tsn_synth"].spec(CATEGORIES)
    network = build_model(spec)
    configure_batchnorm(network, "partial", CPU, Workers(0, 1))
    learning = {name for name, part in norms(network).items() if part.weight.requires_grad}
    assert "bn1" in learning and "layer1.0.bn1" not in learning
    assert {name for name in learning if ".sda." not in name} == {"bn1"}
    assert len(learning) == 1 + sum(".sda." in name for name in norms(network))


def test_synchronised_batchnorm_keeps_inserted_modules_and_on_one_process_its_numbers() -> None:
    network = network_of(EXACT)
    seen: list[torch.Size] = []

    class Watch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.shape)
            return x

    block = network.layer1[0]
    insert(block, "after2", "watch", Watch())
    clips = torch.randn(2, 4, 3, 4, 32, 32)
    plain = copy.deepcopy(network)(clips)
    keys = list(network.state_dict())
    configure_batchnorm(network, "synchronised", CPU, Workers(0, 1))
    assert all(isinstance(part, torch.nn.SyncBatchNorm) for part in norms(network).values())
    assert list(network.state_dict()) == keys
    assert torch.allclose(network(clips), plain, atol=1e-5)
    assert len(seen) == 2, "what runs after a BatchNorm still does"


def test_synchronised_batchnorm_of_processes_without_gpus_is_refused() -> None:
    with pytest.raises(LensError, match="synchronised BatchNorm of 2 processes on cpu"):
        configure_batchnorm(network_of(TINY), "synchronised", CPU, Workers(0, 2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("norm", ["normal", "synchronised"])
def test_a_gpu_trains_in_float16_with_synchronised_batchnorm(norm: BatchNormMode) -> None:
    recipe = replace(TINY, norm=norm, precision="float16", epochs=12, learning_rate=0.02, warmup=1,
                     clip_norm=10.0)
    _, losses, _ = trained(recipe, device="cuda")
    assert losses[-1] < losses[0] - 0.5
