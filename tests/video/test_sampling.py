from __future__ import annotations

import numpy as np
import pytest

from dsanet_core.records import Sampling
from dsanet_core.video import snippet_indices


def test_snippets_start_in_the_middle_of_equal_parts() -> None:
    # 100 frames, snippets spanning 13: (100 - 13) / 4 = 21.75 between starts, 10.875 before.
    indices = snippet_indices(100, Sampling(4, 4, 4))
    assert indices[:, 0].tolist() == [10, 32, 54, 76]
    assert (indices - indices[:, :1] == [0, 4, 8, 12]).all()


@pytest.mark.parametrize("num_frames", [13, 14, 57, 300, 90_000])
@pytest.mark.parametrize("num_snippets", [1, 4, 8, 10])
def test_snippets_lie_inside_and_symmetrically(num_frames: int, num_snippets: int) -> None:
    indices = snippet_indices(num_frames, Sampling(num_snippets, 4, 4))
    assert indices.min() >= 0
    assert indices.max() < num_frames
    mirrored = (num_frames - 1 - indices)[::-1, ::-1]
    assert np.abs(mirrored - indices).max() <= 1


def test_one_snippet_as_long_as_the_video_is_the_video() -> None:
    assert snippet_indices(8, Sampling(1, 8, 1)).tolist() == [list(range(8))]


def test_short_videos_follow_their_policy() -> None:
    assert snippet_indices(3, Sampling(2, 5, 1)).tolist() == [[0, 1, 2, 2, 2]] * 2
    assert snippet_indices(3, Sampling(2, 5, 1, "loop")).tolist() == [[0, 1, 2, 0, 1]] * 2
    assert snippet_indices(1, Sampling(1, 3, 8, "loop")).tolist() == [[0, 0, 0]]


def test_a_random_snippet_starts_in_each_part() -> None:
    # 100 frames leave 88 starts: four parts of 22.
    sampling = Sampling(4, 4, 4)
    rng = np.random.default_rng(0)
    starts = np.array([
        snippet_indices(100, sampling, rng.random(4).tolist())[:, 0] for _ in range(2000)
    ])
    parts = starts // 22
    assert (parts == np.arange(4)).all()
    for part in range(4):
        assert set(starts[:, part]) == set(range(22 * part, 22 * part + 22))


def test_random_snippets_stay_inside() -> None:
    for num_frames in (1, 5, 13, 14, 64):
        drawn = snippet_indices(num_frames, Sampling(4, 4, 4), [0.0, 0.3, 0.9, 0.999])
        assert drawn.max() < num_frames


def test_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="num_frames is 0"):
        snippet_indices(0, Sampling(1, 1, 1))
