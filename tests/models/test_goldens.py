"""Every row of the zoo computes what it computed before."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dsanet_core.zoo import list_models
from tests.models.goldens import FILE, golden

GOLDENS = json.loads(FILE.read_text(encoding="utf-8"))


def test_every_row_has_a_golden() -> None:
    assert list(GOLDENS) == list_models()


@pytest.mark.parametrize("name", GOLDENS)
def test_logits_are_the_golden_ones(name: str) -> None:
    expected = np.array(GOLDENS[name])
    assert expected.std() > 0.05, "a golden that says something"
    np.testing.assert_allclose(golden(name), expected, rtol=1e-5, atol=1e-5)


def test_dsa_rows_differ_from_their_backbones() -> None:
    for name in ("i3d_r18", "i3d_r50", "i3d_synth"):
        assert not np.allclose(GOLDENS[f"dsa_{name}"], GOLDENS[f"tsn_{name}"], atol=1e-2)
