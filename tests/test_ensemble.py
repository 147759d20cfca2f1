"""Networks that answer together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dsanet_core import cli, ensemble, synthetic
from dsanet_core.analysis import analyze
from dsanet_core.checkpoints import save_checkpoint
from dsanet_core.counting import complexity
from dsanet_core.ensemble import Ensemble, member_names
from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.records import Clips, Sampling
from dsanet_core.runs import load_run
from dsanet_core.runs.metrics import average_runs
from dsanet_core.runs.summary import run_to_dict
from dsanet_core.untrimmed import analyze_untrimmed
from dsanet_core.video import read_clips
from dsanet_core.zoo import ENSEMBLES, create_model, list_models, model_spec, with_protocol
from tests.weights import save_tiny, tiny_network


def test_an_ensemble_says_the_mean_of_what_its_members_say(clip: Path) -> None:
    members = [tiny_network("dsa_i3d_synth"), tiny_network("sda_tsn_synth", seed=1)]
    answer = Ensemble(members).analyze(clip)
    alone = [analyze(clip, member) for member in members]
    for member, expected in zip(answer.members, alone, strict=True):
        np.testing.assert_array_equal(member.video_scores, expected.video_scores)
        assert member.protocol == expected.protocol
    mean = (alone[0].video_scores + alone[1].video_scores) / 2
    np.testing.assert_allclose(answer.video_scores, mean, atol=1e-7)
    assert np.abs(alone[0].video_scores - alone[1].video_scores).max() > 1e-2
    best = int(mean.argmax())
    assert answer.top(1) == [(synthetic.CATEGORIES[best], pytest.approx(mean[best]))]
    assert answer.name == "tiny_dsa_i3d_synth+tiny_sda_tsn_synth"


def test_a_network_twice_is_the_network(clip: Path) -> None:
    network = tiny_network()
    answer = Ensemble([network, network]).analyze(clip)
    np.testing.assert_array_equal(answer.video_scores, analyze(clip, network).video_scores)


def test_a_video_is_decoded_once_for_each_sampling(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Sampling] = []

    def read(video: Path, sampling: Sampling) -> Clips:
        decoded.append(sampling)
        return read_clips(video, sampling)

    monkeypatch.setattr(ensemble, "read_clips", read)
    rows = ("dsa_i3d_synth", "sda_tsn_synth", "i3d_synth", "tsn_synth")
    members = [tiny_network(row) for row in rows]
    Ensemble(members).analyze(clip)
    assert decoded == [members[0].spec.protocol.sampling, members[1].spec.protocol.sampling]


def test_long_videos_are_answered_together_too(clip: Path) -> None:
    members = [tiny_network("dsa_i3d_synth"), tiny_network("sda_tsn_synth", seed=1)]
    answer = Ensemble(members).analyze_untrimmed(clip)
    alone = [analyze_untrimmed(clip, member).video_scores for member in members]
    np.testing.assert_allclose(answer.video_scores, np.mean(alone, axis=0), atol=1e-7)


def test_members_that_do_not_name_the_same_classes_are_refused() -> None:
    network = tiny_network()
    with pytest.raises(ModelError, match="tsn_r18 with 174 classes; expected the 25 classes"):
        Ensemble([network, tiny_network("tsn_r18")])
    other = tiny_network("i3d_synth")
    names = list(other.spec.classes)
    names[2], names[3] = names[3], names[2]
    other.spec = replace(other.spec, classes=tuple(names))
    with pytest.raises(ModelError, match=f"{names[2]!r} in place of {names[3]!r}"):
        Ensemble([network, other])
    with pytest.raises(ModelError, match="without members"):
        Ensemble([])
    network.spec = None
    with pytest.raises(ModelError, match="without a spec"):
        Ensemble([network])


def test_the_ensembles_of_the_papers_are_rows_that_belong_together() -> None:
    printed = {  # SDA, Table 3; DSANet, Table 4, the sum of its two members
        "sda_tsn_r50_en": 101.7 * 3 * 2,
        "sda_tsm_r50_en": 101.7 * 3 * 2,
        "dsa_i3d_r50_en": (83.8 + 167.7) * 2 * 3,
    }
    assert list(ENSEMBLES) == list(printed)
    assert not set(ENSEMBLES) & set(list_models())
    for name, members in ENSEMBLES.items():
        total = 0.0
        with torch.device("meta"):
            networks = [with_protocol(create_model(row), test) for row, test in members.items()]
        for network in Ensemble(networks).members:
            protocol = network.spec.protocol
            frames = protocol.sampling.frames_per_snippet
            shape = (1, protocol.group_size, 3, frames, 224, 224)
            total += complexity(network, input_shape=shape).macs * protocol.num_views / 1e9
        assert total == pytest.approx(printed[name], rel=0.015)


def test_a_name_stands_for_its_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert member_names("dsa_i3d_synth") == [("dsa_i3d_synth", None)]
    assert member_names("a+b.safetensors") == [("a", None), ("b.safetensors", None)]
    Path("a+b.safetensors").touch()
    assert member_names("a+b.safetensors") == [("a+b.safetensors", None)]
    assert member_names("sda_tsn_r50_en") == [
        ("sda_tsn_r50", "8x3x2"), ("sda_tsn_r50_16f", "16x3x2")
    ]
    with pytest.raises(CheckpointError, match="no weights 'sda_tsn_r50'"):
        Ensemble("sda_tsn_r50_en")


def test_an_ensemble_of_the_papers_takes_its_protocols(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for row in ENSEMBLES["sda_tsn_r50_en"]:
        spec = model_spec(row)
        network = tiny_network("tsm_r18")
        network.spec = replace(network.spec, name=row, protocol=spec.protocol)
        save_checkpoint(tmp_path / "weights.safetensors", network, trained_on="nothing")
        (tmp_path / "weights.safetensors").rename(tmp_path / row)
    members = Ensemble("sda_tsn_r50_en").members
    assert [network.spec.name for network in members] == ["sda_tsn_r50", "sda_tsn_r50_16f"]
    assert [network.spec.protocol.sampling.num_snippets for network in members] == [16, 32]
    assert {network.spec.protocol.num_views for network in members} == {6}


@pytest.fixture
def pair(tmp_path: Path) -> str:
    """What `--model` takes: two weights files."""
    return f"{save_tiny(tmp_path)}+{save_tiny(tmp_path, 'sda_tsn_synth', seed=1)}"


def call(capsys: pytest.CaptureFixture[str], *args: Any) -> str:
    code = cli.main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def test_predict_prints_the_members_and_the_ensemble(
    capsys: pytest.CaptureFixture[str], clip: Path, pair: str
) -> None:
    expected = Ensemble(pair).analyze(clip)
    given = json.loads(call(capsys, "predict", clip, "--model", pair, "--json"))
    assert [(x["category"], x["probability"]) for x in given["top"]] == expected.top(5)
    names = [member["analysis"]["model"]["name"] for member in given["members"]]
    assert names == ["tiny_dsa_i3d_synth", "tiny_sda_tsn_synth"]
    for member, alone in zip(given["members"], expected.members, strict=True):
        assert [(x["category"], x["probability"]) for x in member["top"]] == alone.top(5)
    said = call(capsys, "predict", clip, "--model", pair, "--top", 2)
    last = said.split(f"{expected.name}: scores averaged\n")[1]
    assert last == "".join(f"  {score:>7.1%}  {name}\n" for name, score in expected.top(2))
    long = json.loads(call(capsys, "predict", clip, "--model", pair, "--untrimmed", "--json"))
    assert len(long["members"]) == 2 and "untrimmed" in long["members"][0]


def test_run_prints_the_members_and_the_ensemble(
    capsys: pytest.CaptureFixture[str], pair: str, tmp_path: Path
) -> None:
    command = ["run", "synth:seed=7,n=10", "--model", pair, "--runs", tmp_path]
    given = json.loads(call(capsys, *command, "--json"))
    members = [load_run(tmp_path / one["run"] / "summary.parquet") for one in given["members"]]
    together = average_runs(members, tmp_path)
    assert given["members"] == [json.loads(json.dumps(run_to_dict(one))) for one in members]
    assert given["top1"] == together.accuracy()
    said = call(capsys, *command)
    assert said.count("10 videos, top-1") == 3
    assert "tiny_dsa_i3d_synth+tiny_sda_tsn_synth: scores averaged" in said
    assert f"mAP {together.mean_average_precision:.2%}" in said


def test_a_member_without_weights_is_named(capsys: pytest.CaptureFixture[str], clip: Path) -> None:
    assert cli.main(["predict", str(clip), "--model", "dsa_i3d_synth+nothing"]) == 2
    assert "no weights 'nothing'" in capsys.readouterr().err
