"""Datasets become rows, rows become accuracy; every figure is counted another way here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsanet_core import synthetic
from dsanet_core.analysis import analyze
from dsanet_core.datasets import open_dataset
from dsanet_core.errors import DatasetError
from dsanet_core.runs import (
    match_categories,
    mean_average_precision,
    run_dataset,
    score_dataset,
    top_k_hits,
)
from dsanet_core.video import encode_h264
from tests.weights import preferring, tiny_network

COUNT = len(synthetic.CATEGORIES)


def write_video(path: Path, label: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_h264(synthetic.make_video(0, label).rgb[:16], fps=16, path=path)


def test_categories_match_in_spite_of_case_and_underscores() -> None:
    classes = ("Arm wrestling", "salsa dancing")
    np.testing.assert_array_equal(
        match_categories(["salsa_dancing", "arm wrestling", "Salsa  Dancing"], classes), [1, 0, 1]
    )
    with pytest.raises(DatasetError, match=r"1 categories are unknown .* first 'yoga'"):
        match_categories(["salsa dancing", "yoga", "yoga"], classes)


def test_top_k_counts_as_a_sorted_list_does() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (200, 7)) / 4  # many ties
    labels = rng.integers(0, 7, 200)
    for k in (1, 5, 7):
        hits = top_k_hits(scores, labels, k)
        for row, label, hit in zip(scores, labels, hits, strict=True):
            ranking = sorted(range(7), key=lambda index: (-row[index], index))
            assert hit == (label in ranking[:k])
    assert top_k_hits(scores, labels, 7).all()


@pytest.mark.parametrize("row", ["dsa_i3d_synth", "i3d_synth"])
def test_a_run_scores_a_video_as_a_single_analysis_does(row: str) -> None:
    network = tiny_network(row)
    dataset = open_dataset("synth:seed=12,n=6")
    scored = score_dataset(dataset, network)
    assert np.ptp(scored.scores, axis=0).max() > 1e-3, "the videos differ for the network"
    for index in range(6):
        alone = analyze(dataset.clips(index, network.spec.protocol.sampling), network)
        np.testing.assert_allclose(scored.scores[index], alone.video_scores, atol=1e-6)


def test_the_summary_counts_what_a_known_network_gets_right() -> None:
    best = [3, 9, 14, 0, 20, 1]
    summary = run_dataset(open_dataset(f"synth:seed=13,n={2 * COUNT}"), preferring(best))
    names = synthetic.CATEGORIES
    assert summary.videos == 2 * COUNT
    assert summary.top1 == pytest.approx(1 / COUNT)
    assert summary.top5 == pytest.approx(5 / COUNT)
    assert summary.per_category == {name: float(name == names[3]) for name in names}
    assert summary.per_group == {
        group: pytest.approx((names[3] in members) / len(members))
        for group, members in synthetic.GROUPS.items()
    }


def test_the_summary_names_its_protocol_and_reports_progress() -> None:
    network, seen = tiny_network(), []
    summary = run_dataset(
        open_dataset("synth:seed=14,n=12"), network, progress=lambda done, n: seen.append((done, n))
    )
    assert seen == [(done, 12) for done in range(1, 13)]
    values = summary.to_dict()
    assert values["protocol"]["in_words"] == network.spec.protocol.describe()
    assert values["protocol"]["sampling"]["num_snippets"] == 8
    assert set(values["per_category"]) == set(synthetic.CATEGORIES[:12])


def test_unreadable_videos_are_named_and_left_out(tmp_path: Path) -> None:
    network = preferring([2])
    names = ("good", "bad", "other")
    classes = (*names[1:], names[0], *network.spec.classes[3:])
    network.spec = replace(network.spec, classes=classes)
    write_video(tmp_path / "good" / "a.mp4")
    write_video(tmp_path / "other" / "b.mp4")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "c.mp4").write_text("no video")
    summary = run_dataset(open_dataset(str(tmp_path)), network)
    assert (summary.videos, summary.top1) == (2, 0.5)
    assert summary.per_category == {"good": 1.0, "other": 0.0}
    ((name, reason),) = summary.failed
    assert name == "bad/c.mp4" and "expected" in reason


def test_a_dataset_of_unreadable_videos_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / synthetic.CATEGORIES[0]
    folder.mkdir()
    (folder / "a.mp4").write_text("no video")
    with pytest.raises(DatasetError, match="none of the 1 videos"):
        run_dataset(open_dataset(str(tmp_path)), tiny_network())


def loops(scores: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """Interpolated average precision in words: walk down the ranking of a category; each of its
    videos counts with the best precision from there on."""
    precisions, left_out = [], 0
    for category in range(scores.shape[1]):
        ranking = sorted(range(len(scores)), key=lambda row: (-scores[row, category], row))
        hits = [bool(labels[row, category]) for row in ranking]
        if not any(hits):
            left_out += 1
            continue
        precision = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(len(hits))]
        at_hits = [max(precision[rank:]) for rank, hit in enumerate(hits) if hit]
        precisions.append(sum(at_hits) / len(at_hits))
    return sum(precisions) / len(precisions), left_out


def test_mean_average_precision_is_what_plain_loops_give() -> None:
    rng = np.random.default_rng(0)
    for share in (0.05, 0.3, 0.9):
        scores = rng.integers(0, 30, (60, 8)) / 30  # with ties
        labels = rng.random((60, 8)) < share  # several labels a video
        labels[:, 3] = False
        found = mean_average_precision(scores, labels)
        mean, left_out = loops(scores, labels)
        assert found.mean == pytest.approx(mean, abs=1e-12)
        assert found.left_out == left_out >= 1


def test_mean_average_precision_of_known_rankings() -> None:
    labels = np.array([[True], [False], [False], [True]])
    ranked = np.array([[4.0], [3.0], [2.0], [1.0]])
    assert mean_average_precision(ranked, labels).mean == pytest.approx((1 + 2 / 4) / 2)
    # Interpolated: a video ranked second counts with the 2 of 3 right that follow.
    later = np.array([[3.0], [4.0], [1.0], [2.0]])
    assert mean_average_precision(later, labels).mean == pytest.approx(2 / 3)
    assert mean_average_precision(labels * 1.0, labels) == (1.0, 0)
    assert mean_average_precision(np.eye(3), np.eye(3, dtype=bool)) == (1.0, 0)


def test_labels_that_do_not_fit_the_scores_are_refused() -> None:
    for labels in (np.ones((3, 4), bool), np.ones(3, bool), np.zeros((3, 2), bool)):
        with pytest.raises(ValueError, match="expected equal shapes"):
            mean_average_precision(np.zeros((3, 2)), labels)


def test_the_summary_holds_the_mean_average_precision_of_the_scores() -> None:
    network, dataset = tiny_network(), open_dataset("synth:seed=14,n=30")
    scored = score_dataset(dataset, network)
    labels = np.zeros_like(scored.scores, bool)
    labels[np.arange(30), scored.labels] = True
    summary = run_dataset(dataset, network)
    assert (summary.mean_average_precision, summary.categories_left_out) == (
        pytest.approx(loops(scored.scores, labels)[0]), 0,
    )
    few = run_dataset(open_dataset("synth:seed=14,n=4"), network)
    assert few.categories_left_out == COUNT - 4
    assert few.to_dict()["mean_average_precision"] == few.mean_average_precision
