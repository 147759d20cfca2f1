"""Networks whose outputs say nothing are told from those whose outputs live."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dsanet_core.checkpoints import (
    available_weights,
    import_checkpoint,
    load_model,
    save_checkpoint,
)
from dsanet_core.checkpoints.importing import check_outputs
from tests.weights import tiny_network


@pytest.mark.parametrize("name", ["dsa_i3d_synth", "sda_tsn_synth", "tsm_synth", "i3d_synth"])
def test_trained_networks_have_no_fault(name: str) -> None:
    shown, faults = check_outputs(load_model(name, "cpu"))
    assert faults == []
    assert "4 synthetic clips" in shown


def test_outputs_that_do_not_depend_on_the_video_are_dead() -> None:
    network = tiny_network()
    with torch.no_grad():
        network.fc.weight.zero_()
    assert any("outputs are dead" in fault for fault in check_outputs(network)[1])


def test_outputs_of_one_answer_with_all_certainty_are_saturated() -> None:
    network = tiny_network()
    with torch.no_grad():
        network.fc.weight.mul_(1e6)
    assert any("outputs are saturated" in fault for fault in check_outputs(network)[1])


def test_features_that_are_zero_are_counted() -> None:
    network = tiny_network()
    with torch.no_grad():
        network.layer4[1].bn2.bias[:20] = -1000
        network.layer4[1].bn2.weight[:20] = 0
    assert any("62% of the features are zero" in fault for fault in check_outputs(network)[1])


def test_a_warning_stands_in_the_account_and_the_network_is_kept(
    tmp_path: Path, users: Path
) -> None:
    network = tiny_network()
    with torch.no_grad():
        network.fc.weight.zero_()
    save_checkpoint(tmp_path / "a.safetensors", network, trained_on="a test")
    import_checkpoint(tmp_path / "a.safetensors", "mine")
    said = dict(map(tuple, available_weights()["mine"]["account"]))
    assert "outputs are dead" in said["warning"]
