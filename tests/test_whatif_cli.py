"""`whatif` on the command line says what the library says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dsanet_core.analysis import analyze
from dsanet_core.serialize import analysis_from_json
from dsanet_core.whatif import OtherKernel, rank_blocks, what_if
from tests.test_cli import answer, call
from tests.weights import save_tiny

CHANGES = ("reverse", "identity:layer2.1.dsa")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("weights"))


def test_whatif_gives_both_answers_and_the_ranking_of_the_library(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path
) -> None:
    asked = [part for change in CHANGES for part in ("--change", change)]
    given = answer(capsys, "whatif", clip, "--model", weights, *asked, "--rank")
    before, after = (
        analysis_from_json(json.dumps(given[name]["analysis"])) for name in ("before", "after")
    )
    np.testing.assert_array_equal(before.video_scores, analyze(clip, weights).video_scores)
    expected = what_if(clip, weights, CHANGES)
    np.testing.assert_array_equal(after.video_scores, expected.video_scores)
    assert (before.changes, after.changes) == ((), expected.changes)
    ranked = rank_blocks(clip, weights)
    assert given["blocks"]["category"] == before.model.classes[ranked.category]
    assert [entry["probability"] for entry in given["blocks"]["after"]] == ranked.after.tolist()
    assert [entry["block"] for entry in given["blocks"]["after"]] == list(ranked.blocks)


def test_whatif_prints_what_was_done_and_both_shares(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path
) -> None:
    asked = ("--change", "freeze", "--rank", "--top", 1)
    code, out, _ = call(capsys, "whatif", clip, "--model", weights, *asked)
    assert code == 0
    expected = what_if(clip, weights, ["freeze"])
    assert expected.changes[0] in out
    name, share = expected.top(1)[0]
    [line] = [line for line in out.splitlines() if line.endswith(name) and line.count("%") == 2
              and "drop" not in line and ";" not in line]
    assert line.split()[1] == f"{share:.1%}"
    for words in rank_blocks(clip, weights).changes:
        assert words in out


def test_a_kernel_of_another_file_is_what_the_network_makes_for_it(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other: one.mp4"
    other.write_bytes(clip.read_bytes())
    change = OtherKernel(str(other), "layer2.1.dsa")
    given = answer(capsys, "whatif", clip, "--model", weights, "--change", change.text)
    expected = what_if(clip, weights, [change.of(analyze(other, weights))])
    assert given["after"]["top"][0]["probability"] == expected.top(1)[0][1]


@pytest.mark.parametrize("asked, said", [
    ((), "nothing to do"),
    (("--change", "nonsense"), "change 'nonsense'; expected one of drop:SNIPPET"),
    (("--change", "drop:99"), "snippet 99; expected 1 to 8"),
    (("--change", "kernel=nowhere.mp4:layer2.1.dsa"), "nowhere.mp4"),
    (("--rank", "--category", "nobody"), "category 'nobody'; expected one of the 25"),
])  # fmt: skip
def test_mistakes_end_with_one_readable_line(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path,
    asked: tuple[str, ...], said: str,
) -> None:  # fmt: skip
    code, out, err = call(capsys, "whatif", clip, "--model", weights, *asked)
    *progress, line = err.splitlines()
    assert (code, out) == (2, "")
    assert line.startswith("error: ") and said in line
    assert not any("Traceback" in other for other in progress)
