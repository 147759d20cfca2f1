"""The command explain says what the library says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsanet_core import cli, synthetic
from dsanet_core.attribution import attribute, trust
from dsanet_core.cli.explain import METHODS as COMMAND_METHODS
from dsanet_core.records import METHODS
from tests.clips import save_clip
from tests.weights import save_tiny
from tests.why_factory import make_trust


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("videos") / "clip.mp4", 13, seed=5, size=(96, 128))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("weights"))


def call(capsys: pytest.CaptureFixture[str], *args: Any) -> tuple[int, str, str]:
    code = cli.main([str(arg) for arg in ("explain", *args, "--device", "cpu")])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_offers_the_methods_of_the_records() -> None:
    assert COMMAND_METHODS == METHODS


def test_json_has_the_shares_of_the_library(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path
) -> None:
    name = synthetic.CATEGORIES[4]
    _, out, _ = call(capsys, clip, "--model", weights, "--method", "ablation", "--category", name,
                     "--snippet", 3, "--json")  # fmt: skip
    given = json.loads(out)
    expected = attribute(clip, weights, "ablation", category=4, snippet=2, device="cpu")
    np.testing.assert_allclose(given["per_frame"], expected.per_frame, atol=1e-5)
    assert (given["category"], given["snippet"], given["trust"]) == (name, 3, None)
    assert given["logit"] == pytest.approx(expected.score)


def test_the_table_has_every_snippet_and_says_what_is_not_known(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path
) -> None:
    code, out, err = call(capsys, clip, "--model", weights, "--method", "grad_cam")
    expected = attribute(clip, weights, "grad_cam", device="cpu")
    assert (code, err) == (0, "")
    assert repr(expected.model.classes[expected.category]) in out and "not measured" in out
    for index, share in enumerate(expected.per_snippet, 1):
        line = next(line for line in out.splitlines() if line.startswith(f"    {index}: "))
        assert f"{share:+.2f}" in line and line.count("+") + line.count("-") == 5


def test_what_was_measured_stands_beside_it_and_a_method_without_worth_is_refused(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dsanet_core.checkpoints import load_model

    sha256 = load_model(weights, "cpu").weights.sha256
    measured = (
        make_trust("grad_cam", weights_sha256=sha256),
        make_trust("occlusion", weights_sha256=sha256, gain=0.0, random_gain=0.1),
    )
    monkeypatch.setattr(trust, "_measured", lambda: measured)
    _, out, _ = call(capsys, clip, "--model", weights, "--method", "grad_cam")
    rate = measured[0].pointing
    assert f"{rate.rate:.1%} of {rate.videos} (by chance {rate.chance:.1%})" in out
    code, _, err = call(capsys, clip, "--model", weights, "--method", "occlusion")
    assert code == 2 and "no better than random orders" in err and "grad_cam" in err


def test_a_snippet_past_the_last_is_a_readable_mistake(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path
) -> None:
    code, out, err = call(capsys, clip, "--model", weights, "--snippet", 9)
    assert (code, out) == (2, "") and "snippet 9; expected 1 to 8" in err
