"""torch.compile of networks that share a backbone, one after the other in one process."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet

from dsanet_core.inference import prepare
from dsanet_core.models.baselines import (
    insert_4d,
    insert_se,
    insert_shift,
)
from dsanet_core.models.dsa import insert_dsa
from dsanet_core.models.resnet import BLOCKS, BasicBlock, VideoResNet
from dsanet_core.models.sda import insert_sda
from tests.models.networks import stir

INSERTIONS: dict[str, Any] = {
    "dsa": lambda network: insert_dsa(network, stages=(3,), every=1, beta=1.0),
    "sda": lambda network: insert_sda(network, stages=(3,)),
    "tsm": insert_shift,
    "se": lambda network: insert_se(network, stages=(3,), every=1),
    "v4d": lambda network: insert_4d(network, stages=(3,)),
}
CLIPS = (1, 4, 3, 2, 16, 16)


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    """Each test begins and ends as a new process would, as to compiled code and its guards."""
    dynamo: Any = torch._dynamo
    dynamo.reset()
    with dynamo.config.patch(skip_nnmodule_hook_guards=True):
        yield
    dynamo.reset()


def network_with(kind: str | None) -> VideoResNet:
    """A network of four blocks, the same for all kinds but for what is inserted."""
    torch.manual_seed(0)
    network = VideoResNet(18, 5, temporal="none", width=8)
    stir(network)
    if kind is not None:
        own = set(network.modules())
        torch.manual_seed(1)
        INSERTIONS[kind](network)
        for module in network.modules():
            if module not in own:
                stir(module)
    return network.eval()


def differences(networks: Mapping[str, nn.Module], x: Tensor) -> dict[str, float]:
    """Each network is run, compiled and run, in turn: the largest difference over the spread."""
    found = {}
    with torch.no_grad():
        for name, network in networks.items():
            expected = network(x.clone())
            compiled = torch.compile(network, backend="eager")
            found[name] = float((compiled(x.clone()) - expected).abs().max() / expected.std())
    return found


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")
@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_stages_of_one_backbone_compile_in_either_order(
    backwards: bool, prepared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BLOCKS, 18, (BasicBlock, (1, 1, 1, 1)))
    stages = {kind or "plain": network_with(kind).layer2 for kind in (None, *INSERTIONS)}
    torch.manual_seed(2)
    x = torch.randn(4, 8, 2, 8, 8)
    with torch.no_grad():
        plain = stages["plain"](x)
        for kind in INSERTIONS:
            assert (stages[kind](x) - plain).abs().max() / plain.std() > 1e-2, f"{kind} matters"
    if prepared:
        for stage in stages.values():
            prepare(stage)
    order = dict(reversed(stages.items())) if backwards else stages
    found = differences(order, x)
    assert {name: value for name, value in found.items() if not value < 1e-4} == {}


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")
@pytest.mark.parametrize("backwards", [False, True])
def test_networks_of_one_backbone_compile_in_either_order(
    backwards: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BLOCKS, 18, (BasicBlock, (1, 1, 1, 1)))
    networks = {"backbone": network_with(None), "sda": network_with("sda")}
    networks["prepared"] = prepare(network_with("sda"))
    order = dict(reversed(networks.items())) if backwards else networks
    found = differences(order, torch.randn(CLIPS))
    assert {name: value for name, value in found.items() if not value < 1e-4} == {}


@pytest.mark.parametrize("plain_first", [True, False])
@pytest.mark.parametrize("position", ["II", "IV"])
def test_networks_of_torchvision_compile_in_either_order(position: str, plain_first: bool) -> None:
    torch.manual_seed(0)
    plain = resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=5)
    stir(plain)
    plain.eval()
    frames = torch.randn(4, 3, 32, 32)
    if plain_first:  # compiled before the hooks of the other one are guarded
        assert differences({"plain": plain}, frames)["plain"] < 1e-4
    other = copy.deepcopy(plain)
    insert_dsa(other, stages=(3,), every=1, position=position, beta=1.0)  # type: ignore[arg-type]
    stir(other.layer2[0].dsa)
    other.eval()
    with torch.no_grad():
        assert (plain(frames) - other(frames)).abs().max() / plain(frames).std() > 1e-2
    networks = {"plain": plain, "other": other}
    order = networks if plain_first else dict(reversed(networks.items()))
    assert max(differences(order, frames).values()) < 1e-4
