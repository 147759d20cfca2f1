"""A training draw starts each snippet at a given fraction of its segment, wherever it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsanet_core.datasets import open_dataset
from dsanet_core.records import Sampling
from dsanet_core.video import read_clips, snippet_indices
from tests.dataset_files import write_list
from tests.video.make import number_of, write_video

SAMPLING = Sampling(num_snippets=3, frames_per_snippet=2, frame_stride=2)
DRAW = (0.0, 0.5, 0.999)


def numbers(path: Path, **choices: object) -> list[list[int]]:
    clips = read_clips(path, SAMPLING, **choices)  # type: ignore[arg-type]
    seen = [number_of(picture) for picture in clips.frames.rgb]
    return [[seen[place] for place in row] for row in clips.position]


def test_fractions_divide_each_equal_part_of_the_starts() -> None:
    # 32 frames, snippets spanning 3: 30 starts, three parts of 10.
    assert snippet_indices(32, SAMPLING, DRAW)[:, 0].tolist() == [0, 15, 29]
    assert snippet_indices(32, SAMPLING, (0.1, 0.19, 0.2))[:, 0].tolist() == [1, 11, 22]
    # 4 frames: two starts, parts of two thirds of one.
    assert snippet_indices(4, SAMPLING, (0.9, 0.4, 0.6)).tolist() == [[0, 2], [0, 2], [1, 3]]


def test_a_file_gives_the_drawn_snippets_whole_in_part_and_within_a_window(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", range(60), rate=20)
    expected = snippet_indices(60, SAMPLING, DRAW).tolist()
    assert numbers(path, draw=DRAW) == expected != numbers(path)
    assert numbers(path, draw=np.array(DRAW), part=(1, 3)) == expected[1:]
    within = 20 + snippet_indices(30, SAMPLING, DRAW)
    assert numbers(path, draw=DRAW, window=(1, 2.5)) == within.tolist()


@pytest.mark.parametrize("kind", ["synth", "h264", "folder", "list"])
@pytest.mark.parametrize("limit", [None, 1])
def test_every_dataset_passes_a_draw_on(tmp_path: Path, kind: str, limit: int | None) -> None:
    (tmp_path / "a").mkdir()
    for name in ("1.mp4", "2.mp4"):
        write_video(tmp_path / "a" / name, range(64))
    description = {
        "synth": "synth:seed=1,n=2", "h264": "synth:seed=1,n=2,codec=h264",
        "folder": str(tmp_path),
        "list": write_list(tmp_path / "list.csv", "path,label", "a/1.mp4,a", "a/2.mp4,a"),
    }[kind]
    dataset = open_dataset(description, limit=limit)
    expected = snippet_indices(64, SAMPLING, DRAW)
    np.testing.assert_array_equal(dataset.clips(0, SAMPLING, draw=DRAW).frame_index, expected)
    some = dataset.clips(0, SAMPLING, (1, 2), draw=DRAW)
    np.testing.assert_array_equal(some.frame_index, expected[1:2])


@pytest.mark.parametrize("draw", [(), (0.1, 0.2), (0.1, 0.2, 1.0), (-0.1, 0, 0), (0, 0, np.nan)])
def test_other_fractions_are_refused_before_a_file_is_read(
    tmp_path: Path, draw: tuple[float, ...]
) -> None:
    path = write_video(tmp_path / "v.mp4", range(9))
    with pytest.raises(ValueError, match=r"expected 3 fractions in \[0, 1\)"):
        read_clips(path, SAMPLING, draw=draw)
