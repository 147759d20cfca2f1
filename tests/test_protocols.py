"""The papers' test protocols, written out, and what happens to a network under another one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dsanet_core import cli
from dsanet_core.analysis import analyze
from dsanet_core.counting import complexity
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import ModelError
from dsanet_core.records import Protocol
from dsanet_core.runs.inference import VideoPrediction, predict_each
from dsanet_core.video import snippet_indices
from dsanet_core.zoo import TEST_PROTOCOLS, create_model, list_models, model_spec, with_protocol
from tests.weights import save_tiny, tiny_network

# frames of a snippet, stride, snippets, of them in a clip, crops, short side, crop, input, views
WRITTEN_OUT = {
    "8x1x1": (1, 1, 8, 8, 1, 256, 224, 224, 1),
    "8x1x2": (1, 1, 16, 8, 1, 256, 224, 224, 2),
    "8x3x2": (1, 1, 16, 8, 3, 256, 256, 224, 6),
    "16x1x1": (1, 1, 16, 16, 1, 256, 224, 224, 1),
    "16x1x2": (1, 1, 32, 16, 1, 256, 224, 224, 2),
    "16x3x2": (1, 1, 32, 16, 3, 256, 256, 224, 6),
    "4x8x3": (4, 8, 8, 4, 3, 256, 256, 256, 6),
    "8x8x3": (8, 8, 8, 4, 3, 256, 256, 256, 6),
}
"""SDA, section 4.2 ("multiple clips per video, test resolution 224x224 resized from 256x256
crops"; one clip and the centre 224 crop in the ablations) and Table 3; DSANet, section 4.2
("8 clips", stride 8, "short side to 256 pixels and 3 spatial crops") and Table 4."""


def test_the_protocols_are_those_of_the_papers() -> None:
    assert list(TEST_PROTOCOLS) == list(WRITTEN_OUT)
    for name, protocol in TEST_PROTOCOLS.items():
        sampling = protocol.sampling
        assert (
            sampling.frames_per_snippet, sampling.frame_stride, sampling.num_snippets,
            protocol.group_size, protocol.num_crops, protocol.resize, protocol.crop,
            protocol.side, protocol.num_views,
        ) == WRITTEN_OUT[name], name
        assert (protocol.mean, protocol.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("frames", [8, 16])
@pytest.mark.parametrize("num_frames", [97, 1000])
def test_the_second_clip_lies_half_a_segment_after_the_first(frames: int, num_frames: int) -> None:
    protocol = TEST_PROTOCOLS[f"{frames}x1x2"]
    shown = snippet_indices(num_frames, protocol.sampling)[:, 0]
    first, second = shown[protocol.snippet_of_view]
    segment = (num_frames - 1) / frames
    assert np.abs(second - first - segment / 2).max() <= 1
    assert np.abs(np.diff(first) - segment).max() <= 1
    assert first[0] < second[0] < first[1] < second[1], "the clips interleave"


@pytest.mark.parametrize("name", ["4x8x3", "8x8x3"])
def test_eight_snippets_are_two_interleaved_clips_of_four_under_each_crop(name: str) -> None:
    views = TEST_PROTOCOLS[name].snippet_of_view
    assert views.tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]] * 3


@pytest.mark.parametrize(
    ("row", "protocol", "printed"),
    [
        ("sda_tsn_r50", "8x3x2", 33.9 * 3 * 2),  # SDA, Table 3
        ("sda_tsn_r50_16f", "16x3x2", 67.8 * 3 * 2),
        ("tsm_r50", "8x1x2", 32.9 * 1 * 2),
        ("dsa_i3d_r50", "4x8x3", 83.8 * 2 * 3),  # DSANet, Table 4, counted at 224
        ("dsa_i3d_r50_8x8", "8x8x3", 167.7 * 2 * 3),
    ],
)
def test_cost_times_views_is_the_printed_product(row: str, protocol: str, printed: float) -> None:
    with torch.device("meta"):
        network = with_protocol(create_model(row), protocol)
    own = network.spec.protocol
    shape = (1, own.group_size, 3, own.sampling.frames_per_snippet, 224, 224)
    macs = complexity(network, input_shape=shape).macs
    assert macs * own.num_views / 1e9 == pytest.approx(printed, rel=0.015)


def fitting(row: str) -> list[str]:
    with torch.device("meta"):
        network = create_model(row)
    names = []
    for name in TEST_PROTOCOLS:
        try:
            assert with_protocol(network, name).spec.protocol == TEST_PROTOCOLS[name]
            names.append(name)
        except ModelError:
            pass
    return names


def test_each_row_takes_the_protocols_of_its_own_clips() -> None:
    for row in list_models():
        if row.endswith("_synth"):
            expected = []
        elif "i3d" in row or row.startswith("dsa"):
            expected = ["8x8x3" if row in ("dsa_i3d_r50_8x8", "dsa_tsm_r50") else "4x8x3"]
        else:
            own = 16 if row.endswith("_16f") else 8
            alone = row.startswith("tsn_")  # averages any number of frames
            counts = (8, 16) if alone else (own,)
            expected = [f"{n}x{rest}" for n in counts for rest in ("1x1", "1x2", "3x2")]
        assert fitting(row) == expected, row


@pytest.mark.parametrize(
    ("row", "protocol", "says"),
    [
        ("tsn_r50", "4x8x3", "tsn_r50: 4 frames per snippet; expected 1"),
        ("tsm_r50", "16x1x1", "16 snippets in a clip; expected 8"),
        ("dsa_i3d_r50", "8x3x2", "1 frames per snippet; expected 4"),
        ("tsn_synth", "8x3x2", "input of 224 pixels; expected 64"),
        ("tsn_r50", "8x3", "no protocol '8x3'; expected one of 8x1x1, "),
    ],
)
def test_what_does_not_fit_a_network_is_refused_with_the_reason(
    row: str, protocol: str, says: str
) -> None:
    with torch.device("meta"), pytest.raises(ModelError) as refused:
        with_protocol(create_model(row), protocol)
    assert says in str(refused.value)


def test_another_normalisation_and_impossible_numbers_are_refused() -> None:
    network = tiny_network()
    own: Protocol = network.spec.protocol
    with pytest.raises(ModelError, match=r"mean \(0\.4, 0\.5, 0\.5\).*expected \(0\.5, 0\.5, 0\.5"):
        with_protocol(network, replace(own, mean=(0.4, 0.5, 0.5)))
    with pytest.raises(ModelError, match=r"4 clips, 2 crops .*num_crops is 2"):
        with_protocol(network, clips=4, crops=2)
    with pytest.raises(ModelError, match="0 clips"):
        with_protocol(network, clips=0)
    with pytest.raises(ModelError, match=r"precision 'half'; .*one of float32, bfloat16, float16"):
        with_protocol(network, precision="half")
    network.spec = None
    with pytest.raises(ModelError, match="without a spec"):
        with_protocol(network, clips=1)


def test_clips_and_crops_change_the_rows_own_protocol() -> None:
    network = tiny_network()
    protocol = with_protocol(network, clips=3, crops=3).spec.protocol
    assert protocol.sampling == replace(network.spec.protocol.sampling, num_snippets=12)
    assert (protocol.num_groups, protocol.num_crops, protocol.num_views) == (3, 3, 9)
    assert (protocol.side, protocol.group_size) == (64, 4)
    half = with_protocol(network, precision="bfloat16").spec.protocol
    assert half == replace(network.spec.protocol, precision="bfloat16")
    assert with_protocol(network).spec == network.spec


def test_the_given_network_keeps_its_protocol_and_shares_its_parameters() -> None:
    network = tiny_network()
    before = network.spec
    other = with_protocol(network, clips=1, crops=3)
    assert network.spec is before is not other.spec
    assert type(other) is type(network) and not other.training
    for mine, theirs in zip(network.parameters(), other.parameters(), strict=True):
        assert mine is theirs
    dataset = open_dataset("synth:seed=3,n=2,size=128x96")
    own, three = (
        next(iter(predict_each(dataset, range(2), one))) for one in (network, other)
    )
    assert isinstance(own, VideoPrediction) and isinstance(three, VideoPrediction)
    assert np.abs(own.scores - three.scores).max() > 1e-4
    clips = dataset.clips(0, other.spec.protocol.sampling)
    np.testing.assert_array_equal(analyze(clips, other).video_scores, three.scores)


def answer(capsys: pytest.CaptureFixture[str], *args: Any) -> Any:
    assert cli.main([*map(str, args), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_the_command_line_takes_the_papers_protocols(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, clip: Path
) -> None:
    weights = save_tiny(tmp_path, "tsm_r18")
    given = answer(capsys, "predict", clip, "--model", weights, "--protocol", "8x3x2")["analysis"]
    assert given["protocol"]["num_crops"] == 3
    assert given["protocol"]["sampling"]["num_snippets"] == 16
    both = answer(
        capsys, "compare", clip, "--models", weights, weights, "--protocol", "8x1x2"
    )["models"]
    assert [x["analysis"]["protocol"]["sampling"]["num_snippets"] for x in both] == [16, 16]


def test_the_command_line_takes_views_for_embedded_networks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    weights = save_tiny(tmp_path, "dsa_i3d_synth")
    summary = answer(
        capsys, "run", "synth:seed=3,n=2", "--model", weights, "--views", "1x3",
        "--runs", tmp_path / "runs",
    )
    assert summary["protocol"]["sampling"]["num_snippets"] == 4
    assert summary["protocol"]["in_words"].startswith("4 snippets x 4 frames, stride 4; 3 crops")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--protocol", "8x3x2"], "1 frames per snippet; expected 4"),
        (["--protocol", "8x3x2", "--views", "2x3"], "one or the other"),
        (["--untrimmed", "--views", "2x3"], "--untrimmed; expected --views 1x3"),
        (["--views", "4x2"], "4 clips, 2 crops"),
    ],
)
def test_the_command_line_refuses_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, clip: Path, options: list[str], says: str
) -> None:
    weights = save_tiny(tmp_path, "dsa_i3d_synth")
    assert cli.main(["predict", str(clip), "--model", str(weights), *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and says in err


@pytest.mark.parametrize("views", ["10", "x3", "0x3", "10x", "-1x3", "10x3x2", "ten x 3"])
def test_views_are_clips_x_crops(capsys: pytest.CaptureFixture[str], views: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["predict", "clip.mp4", f"--views={views}"])
    says = f"argument --views: {views!r}; expected clips x crops, such as 10x3 or 2x1"
    assert capsys.readouterr().err.splitlines()[-1].endswith(says)


def test_rows_carry_the_protocol_of_their_ablations() -> None:
    assert model_spec("sda_tsn_r50").protocol == TEST_PROTOCOLS["8x1x1"]
    assert model_spec("sda_tsm_r50_16f").protocol == TEST_PROTOCOLS["16x1x1"]
    assert model_spec("dsa_i3d_r50").protocol == TEST_PROTOCOLS["4x8x3"]
