"""Long videos: window integration against plain loops, and a network over a video of any length."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dsanet_core import cli, synthetic, untrimmed
from dsanet_core.checkpoints import load_model
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import ModelError, VideoError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Clips, Sampling
from dsanet_core.runs import run_dataset
from dsanet_core.runs.metrics import matrix
from dsanet_core.runs.store import RunFolder
from dsanet_core.untrimmed import analyze_untrimmed, integrate_windows, score_untrimmed
from dsanet_core.video import encode_h264, read_clips, to_tensor
from dsanet_core.zoo import with_protocol
from tests.weights import save_tiny, tiny_network

SHOWN = (3, 9, 14, 0, 20, 1)
"""Labels of the six videos of four seconds that `long_video` is made of."""


def loops(scores: list[list[float]]) -> list[float]:
    """M-TWI in words: windows of 1 to 16 snippets every 0.8 lengths, their maxima, the mean of the
    best max(15, N / 4), the mean over lengths."""
    answer = []
    for category in range(len(scores[0])):
        of_lengths = []
        for length, step in ((1, 1), (2, 2), (4, 4), (8, 7), (16, 13)):
            windows, start = [], 0
            while start < len(scores):
                inside = [row[category] for row in scores[start : start + length]]
                windows.append(max(inside))
                start += step
            windows.sort(reverse=True)
            best = windows[: max(15, int(len(windows) / 4))]
            of_lengths.append(sum(best) / len(best))
        answer.append(sum(of_lengths) / 5)
    return answer


@pytest.mark.parametrize("num_snippets", [1, 2, 14, 15, 16, 17, 59, 61, 200])
def test_integration_is_what_plain_loops_give(num_snippets: int) -> None:
    scores = np.random.default_rng(num_snippets).normal(size=(num_snippets, 4))
    np.testing.assert_allclose(integrate_windows(scores), loops(scores.tolist()), atol=1e-12)


def test_a_single_snippet_keeps_its_scores_and_equal_ones_theirs() -> None:
    scores = np.array([[0.1, -2.0, 5.0]])
    np.testing.assert_allclose(integrate_windows(scores), scores[0])
    np.testing.assert_allclose(integrate_windows(scores.repeat(300, 0)), scores[0])


def test_one_bright_second_of_a_long_video_wins_and_loses_under_averaging() -> None:
    scores = np.zeros((120, 2))
    scores[:, 0] = 0.2  # background that is everywhere
    scores[77, 1] = 10.0
    assert scores.mean(0).argmax() == 0
    assert integrate_windows(scores).argmax() == 1


def test_the_result_lies_between_mean_and_maximum_and_moves_with_the_scale() -> None:
    scores = np.random.default_rng(0).normal(size=(90, 7))
    integrated = integrate_windows(scores)
    assert (integrated > scores.mean(0)).all() and (integrated < scores.max(0)).all()
    np.testing.assert_allclose(integrate_windows(3 * scores - 1), 3 * integrated - 1)


@pytest.mark.parametrize("shape", [(0, 3), (5,), (2, 3, 4)])
def test_scores_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected \\(snippets, classes\\)"):
        integrate_windows(np.zeros(shape))


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 seconds: videos of the categories `SHOWN`, one after the other."""
    path = tmp_path_factory.mktemp("videos") / "long.mp4"
    rgb = np.concatenate([synthetic.make_video(21, label).rgb for label in SHOWN])
    encode_h264(rgb, fps=16, path=path)
    return path


def softmax(logits: torch.Tensor) -> np.ndarray:
    return np.asarray(logits.softmax(-1).numpy())


@pytest.mark.parametrize("crops", [1, 3])
@pytest.mark.parametrize("row", ["dsa_i3d_synth", "sda_tsn_synth"])
def test_consecutive_stretches_of_snippets_are_answered_together(
    long_video: Path, row: str, crops: int
) -> None:
    network = with_protocol(tiny_network(row), crops=crops)
    own = network.spec.protocol
    unit = own.group_size
    found = analyze_untrimmed(long_video, network)
    assert found.protocol.sampling == replace(own.sampling, num_snippets=24)
    whole = read_clips(long_video, found.protocol.sampling)
    one = replace(own, sampling=replace(own.sampling, num_snippets=unit))
    logits = []
    for start in range(0, 24, unit):
        stretch = Clips(whole.frames, one.sampling, whole.position[start : start + unit])
        with torch.no_grad():
            logits.append(network(to_tensor(stretch, one)))  # (crops, classes)
    for place, views in enumerate(logits):
        for snippet in found.snippet_scores[place * unit : (place + 1) * unit]:
            np.testing.assert_allclose(snippet, softmax(views).mean(0), atol=1e-5)
    each = torch.stack(logits).mean(1).repeat_interleave(unit, 0)  # (snippets, classes)
    expected = softmax(torch.from_numpy(integrate_windows(each.numpy())))
    np.testing.assert_allclose(found.video_scores, expected, atol=1e-5)
    np.testing.assert_array_equal(found.pts_seconds, whole.pts_seconds)


@pytest.mark.parametrize("row", ["tsn_i3d_synth", "tsn_synth", "i3d_synth"])
def test_snippets_that_do_not_meet_are_answered_one_by_one(long_video: Path, row: str) -> None:
    network = tiny_network(row)
    found = analyze_untrimmed(long_video, network)
    own = replace(network.spec.protocol, sampling=found.protocol.sampling, group_size=1)
    with torch.no_grad():
        logits = network(to_tensor(read_clips(long_video, own.sampling), own))
    np.testing.assert_allclose(found.snippet_scores, softmax(logits), atol=1e-5)


def test_the_rate_says_how_many_snippets_there_are(long_video: Path) -> None:
    network = tiny_network("i3d_synth")
    found = {rate: analyze_untrimmed(long_video, network, per_second=rate) for rate in (0.25, 1, 2)}
    assert [len(one.snippet_scores) for one in found.values()] == [6, 24, 48]
    steps = np.diff(found[1].pts_seconds[:, 0])
    assert np.abs(steps - 1).max() < 0.1
    for rate in (0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ModelError, match="snippets per second"):
            analyze_untrimmed(long_video, network, per_second=rate)


def test_a_network_gets_whole_stretches_even_of_a_short_video() -> None:
    dataset = open_dataset("synth:seed=21,n=1")  # four seconds

    def read(sampling: Sampling, part: tuple[int, int] | None) -> Clips:
        return dataset.clips(0, sampling, part)

    for row, count in (("i3d_synth", 4), ("dsa_i3d_synth", 4), ("sda_tsn_synth", 8)):
        assert len(score_untrimmed(read, tiny_network(row)).snippet_scores) == count


def test_few_frames_are_held_however_long_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrimmed, "FRAMES_AT_ONCE", 16)
    dataset, held = open_dataset("synth:seed=21,n=1"), []

    def read(sampling: Sampling, part: tuple[int, int] | None) -> Clips:
        clips = dataset.clips(0, sampling, part)
        held.append(len(clips.frames.rgb))
        return clips

    network = tiny_network()
    found = score_untrimmed(read, network, per_second=5)
    assert len(found.snippet_scores) == 20
    assert held[0] == 1 and len(held) == 6 and max(held) <= 16
    monkeypatch.setattr(untrimmed, "FRAMES_AT_ONCE", 1000)
    at_once = score_untrimmed(read, network, per_second=5)
    assert max(held) > 16
    np.testing.assert_allclose(found.video_scores, at_once.video_scores, atol=1e-6)


def test_parts_of_a_sampling_are_its_snippets(long_video: Path) -> None:
    sampling = Sampling(10, 3, 4)
    whole = read_clips(long_video, sampling)
    for source in (long_video, None):
        if source is None:
            dataset = open_dataset("synth:seed=3,n=1")
            whole, part = dataset.clips(0, sampling), dataset.clips(0, sampling, (4, 9))
        else:
            part = read_clips(source, sampling, part=(4, 9))
        assert part.sampling == replace(sampling, num_snippets=5)
        np.testing.assert_array_equal(part.frame_index, whole.frame_index[4:9])
        seen, expected = (c.frames.rgb[c.position] for c in (part, whole))
        np.testing.assert_array_equal(seen, expected[4:9])
        assert len(part.frames.rgb) == len(np.unique(part.position))


def test_what_happens_in_a_long_video_is_found_where_it_happens(long_video: Path) -> None:
    network: VideoNetwork = load_model("dsa_i3d_synth", device="cpu")
    found = analyze_untrimmed(long_video, network)
    stretches = found.snippet_scores[::4].argmax(1)
    assert sum(stretches == np.array(SHOWN)) >= 5
    assert found.top(1)[0][0] in {synthetic.CATEGORIES[label] for label in SHOWN}
    assert found.video_scores.sum() == pytest.approx(1, abs=1e-5)


def test_a_run_scores_long_videos_as_single_ones(tmp_path: Path, long_video: Path) -> None:
    names = [synthetic.CATEGORIES[label] for label in (3, 9)]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / names[0] / "long.mp4").write_bytes(long_video.read_bytes())
    encode_h264(synthetic.make_video(4, 9).rgb, fps=16, path=tmp_path / names[1] / "short.mp4")
    (tmp_path / names[1] / "bad.mp4").write_text("no video")
    network, dataset = tiny_network(), open_dataset(str(tmp_path))
    run = run_dataset(dataset, network, folder=tmp_path / "runs", untrimmed=True)
    table = RunFolder(tmp_path / "runs" / run.id).read()
    paths = sorted(tmp_path.glob("*/[ls]*.mp4"))
    for place, (row, path) in enumerate(zip(matrix(table, "scores"), paths, strict=True)):
        alone = analyze_untrimmed(path, network)
        np.testing.assert_array_equal(row, alone.video_scores)
        snippets = np.array(table["snippet_scores"][place].as_py())
        np.testing.assert_allclose(snippets, alone.snippet_scores.ravel(), atol=1e-7)
    assert [Path(name).name for name, _ in run.failed] == ["bad.mp4"]
    assert run.untrimmed and "M-TWI" in run.protocol_in_words
    assert "1 snippet per second x 4 frames, stride 4, 4 consec" in run.protocol_in_words


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    with pytest.raises(VideoError):
        analyze_untrimmed(tmp_path / "bad.mp4", tiny_network())


def call(capsys: pytest.CaptureFixture[str], *args: Any) -> str:
    code = cli.main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def test_the_command_line_takes_long_videos(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, long_video: Path
) -> None:
    weights = save_tiny(tmp_path)
    command = ("predict", long_video, "--model", weights, "--untrimmed")
    given = json.loads(call(capsys, *command, "--json"))
    found = analyze_untrimmed(long_video, weights)
    assert [(x["category"], x["probability"]) for x in given["top"]] == found.top(5)
    np.testing.assert_allclose(given["untrimmed"]["snippet_scores"], found.snippet_scores)
    assert given["untrimmed"]["protocol"]["in_words"] == found.describe()
    said = call(capsys, *command)
    assert "24 snippets x 4 frames, stride 4, 4 consecutive ones together" in said
    assert "M-TWI over windows of 1, 2, 4, 8, 16 snippets" in said
    said = call(capsys, "run", "synth:seed=3,n=2", "--model", weights, "--untrimmed",
                "--runs", tmp_path / "runs")
    assert "1 snippet per second" in said and "mAP" in said
