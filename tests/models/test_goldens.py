"""Every row of the zoo computes what it computed before."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from dsanet_core.hooks import capture, hook_points
from dsanet_core.zoo import create_model, list_models
from tests.models.goldens import FILE, FIRST, fill, golden, golden_clips

GOLDENS = json.loads(FILE.read_text(encoding="utf-8"))
computed = cache(golden)


def test_every_row_has_a_golden() -> None:
    assert list(GOLDENS) == list_models()


@pytest.mark.parametrize("name", GOLDENS)
def test_logits_are_the_golden_ones(name: str) -> None:
    expected = np.array(GOLDENS[name])
    assert expected.std() > 0.05, "a golden that says something"
    np.testing.assert_allclose(computed(name), expected, rtol=1e-5, atol=1e-5)


def identity_kernel(kernel: Tensor) -> Tensor:
    """The kernel that takes every snippet as it is."""
    taps = torch.zeros_like(kernel)
    taps[..., kernel.shape[-1] // 2] = 1
    return taps


@pytest.mark.parametrize("name", ["i3d_r18", "i3d_r50", "i3d_synth"])
def test_a_dsa_row_differs_from_its_backbone_by_its_kernels_alone(name: str) -> None:
    dsa, backbone = f"dsa_{name}", np.array(computed(f"tsn_{name}"))
    assert np.abs(np.array(computed(dsa)) - backbone).max() > 0.01
    network = fill(create_model(dsa))
    kernels = [point for point in hook_points(network) if point.endswith("hook_kernel")]
    interventions = dict.fromkeys(kernels, identity_kernel)
    with torch.no_grad(), capture((), interventions=interventions):
        logits = network(golden_clips(dsa))
    np.testing.assert_allclose(logits[0, :FIRST], backbone, rtol=1e-6, atol=1e-6)
