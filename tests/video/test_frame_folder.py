"""A folder of numbered pictures is read as the video that it was."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dsanet_core.datasets import open_dataset
from dsanet_core.errors import DatasetError, VideoError
from dsanet_core.records import Clips, Sampling
from dsanet_core.video import snippet_indices
from dsanet_core.video.frame_folder import is_frame_folder, read_pictures
from dsanet_core.video.limits import DEFAULT_LIMITS, Limits
from tests.dataset_files import rows, touch, write_list
from tests.published_data.files import write_frames
from tests.video.make import number_of, numbered

SAMPLING = Sampling(num_snippets=3, frames_per_snippet=2, frame_stride=2)


def numbers(clips: Clips) -> list[list[int]]:
    seen = [number_of(picture) for picture in clips.frames.rgb]
    return [[seen[place] for place in row] for row in clips.position]


@pytest.mark.parametrize(
    ("name", "first", "codec"),
    [("{:05d}.jpg", 1, "jpeg"), ("{:05d}.png", 0, "png"), ("frame_{:010d}.jpg", 1, "jpeg"),
     ("img_{}.JPEG", 0, "jpeg")],
)
def test_frames_count_from_the_first_number_whichever_it_is(
    tmp_path: Path, name: str, first: int, codec: str
) -> None:
    write_frames(tmp_path / "v", range(first, first + 32), name)
    clips = read_pictures(tmp_path / "v", SAMPLING, frame_rate=10)
    expected = snippet_indices(32, SAMPLING)
    assert numbers(clips) == (first + expected).tolist()
    np.testing.assert_array_equal(clips.frame_index, expected)
    np.testing.assert_allclose(clips.pts_seconds, expected / 10)
    video = clips.frames.video
    assert (video.name, video.container, video.codec) == ("v", "pictures", codec)
    assert (video.num_frames, video.fps, video.duration_seconds) == (32, 10, 3.2)
    assert (video.width, video.height, video.notes) == (64, 48, ())


def test_png_pictures_come_back_unchanged_and_grey_ones_as_rgb(tmp_path: Path) -> None:
    write_frames(tmp_path, range(4), "{}.png")
    Image.fromarray(numbered(9)).convert("L").save(tmp_path / "4.png")
    clips = read_pictures(tmp_path, Sampling(1, 5, 1))
    for place, number in enumerate((0, 1, 2, 3, 9)):
        np.testing.assert_array_equal(clips.frames.rgb[place], numbered(number))


def test_only_the_sampled_pictures_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frames(tmp_path, range(30))
    opened, real = [], Path.open

    def note(path: Path, *args: Any, **choices: Any) -> Any:
        opened.append(path.name)
        return real(path, *args, **choices)

    monkeypatch.setattr(Path, "open", note)
    clips = read_pictures(tmp_path, SAMPLING)
    assert opened == [f"{index:05d}.jpg" for index in np.unique(clips.frame_index)]


def test_a_gap_keeps_the_times_of_later_frames_and_is_noted(tmp_path: Path) -> None:
    write_frames(tmp_path, [1, 2, 3, 6, 7, 10])
    clips = read_pictures(tmp_path, Sampling(1, 6, 1), frame_rate=10)
    assert numbers(clips) == [[1, 2, 3, 6, 7, 10]]
    np.testing.assert_allclose(clips.frames.pts_seconds, np.array([0, 1, 2, 5, 6, 9]) / 10)
    assert clips.frames.video.notes == ("4 of the numbers 1 to 10 have no picture",)


def test_windows_parts_and_draws_are_those_of_a_video(tmp_path: Path) -> None:
    write_frames(tmp_path, range(40))
    within = read_pictures(tmp_path, SAMPLING, frame_rate=20, window=(0.5, 1.5))
    assert numbers(within) == (10 + snippet_indices(20, SAMPLING)).tolist()
    assert within.frames.video.notes == ("the part from 0.50 s to 1.45 s, 20 of 40 frames",)
    part = read_pictures(tmp_path, SAMPLING, frame_rate=20, part=(1, 3))
    assert numbers(part) == snippet_indices(40, SAMPLING).tolist()[1:]
    draw = (0.1, 0.9, 0.5)
    drawn = read_pictures(tmp_path, SAMPLING, draw=draw)
    assert numbers(drawn) == snippet_indices(40, SAMPLING, draw).tolist()
    with pytest.raises(VideoError, match=r"no picture from 3 s to its end of 1\.95 s"):
        read_pictures(tmp_path, SAMPLING, frame_rate=20, window=(3, np.inf))


def test_optical_flow_beside_the_frames_is_left_alone(tmp_path: Path) -> None:
    write_frames(tmp_path, range(1, 6), "img_{:05d}.jpg")
    write_frames(tmp_path, range(50, 60), "flow_x_{:05d}.jpg")
    assert numbers(read_pictures(tmp_path, Sampling(1, 5, 1))) == [[1, 2, 3, 4, 5]]


def test_large_pictures_are_reduced_and_others_brought_to_the_size_of_the_first(
    tmp_path: Path,
) -> None:
    write_frames(tmp_path, range(2), size=(1024, 2048))
    write_frames(tmp_path, range(2, 4), size=(48, 96))
    clips = read_pictures(tmp_path, Sampling(1, 4, 1))
    assert clips.frames.rgb.shape == (4, 512, 1024, 3)
    assert numbers(clips) == [[0, 1, 2, 3]]
    assert clips.frames.video.notes == (
        "frames reduced to 1024x512 before preprocessing",
        "the picture changes size on the way (2048x1024, 96x48)",
    )


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "text":
        path.write_text("no picture")
    elif how == "gif":
        Image.new("RGB", (8, 8)).save(path, format="GIF")
    elif how == "bomb":
        buffer = io.BytesIO()
        Image.new("1", (14_000, 14_000)).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())
    elif how == "large":
        Image.new("1", (6000, 6000)).save(path, format="PNG")
    else:
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("how", ["cut", "text", "gif", "bomb", "large", "folder"])
def test_a_damaged_picture_is_an_error_that_names_it(tmp_path: Path, how: str) -> None:
    write_frames(tmp_path / "v", range(3))
    damage(tmp_path / "v/00001.jpg", how)
    with pytest.raises(VideoError, match=r"v/00001\.jpg"):
        read_pictures(tmp_path / "v", Sampling(1, 3, 1))


def test_a_picture_that_is_a_link_out_of_its_folder_is_not_opened(tmp_path: Path) -> None:
    write_frames(tmp_path / "v", range(2))
    write_frames(tmp_path / "other", range(1))
    (tmp_path / "v/00002.jpg").symlink_to("00000.jpg")
    assert numbers(read_pictures(tmp_path / "v", Sampling(1, 3, 1))) == [[0, 1, 0]]
    (tmp_path / "v/00003.jpg").symlink_to(tmp_path / "other/00000.jpg")
    with pytest.raises(VideoError, match=r"00003\.jpg could not be decoded .a link that leads out"):
        read_pictures(tmp_path / "v", Sampling(1, 4, 1))


def test_limits_hold_for_pictures_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_frames(tmp_path, range(3))
    assert DEFAULT_LIMITS.max_frames > 3
    with pytest.raises(VideoError, match="has 3 frames; expected at most 2"):
        read_pictures(tmp_path, SAMPLING, limits=Limits(max_frames=2))
    with pytest.raises(VideoError, match="64x48 pixels; expected at most 100"):
        read_pictures(tmp_path, SAMPLING, limits=Limits(max_pixels=100))
    monkeypatch.setattr("dsanet_core.video.frame_folder.MAX_PICTURE_BYTES", 10)
    with pytest.raises(VideoError, match=r"00000\.jpg could not be decoded"):
        read_pictures(tmp_path, SAMPLING)


def test_the_hash_tells_other_names_and_other_pictures(tmp_path: Path) -> None:
    hashes = set()
    for name, shown in (("a", range(3)), ("b", range(4)), ("c", range(3))):
        folder = write_frames(tmp_path / name, shown)
        if name == "c":
            Image.fromarray(numbered(7)).save(folder / "00002.jpg")
        hashes.add(read_pictures(folder, Sampling(1, 3, 1)).frames.video.sha256)
    assert len(hashes) == 3


def test_a_folder_is_told_by_most_of_what_is_in_it(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames", range(4))
    touch(tmp_path, "frames/n_frames", "videos/1.mp4", "videos/2.mp4", "mixed/1.jpg", "mixed/a.mp4")
    (tmp_path / "empty").mkdir()
    found = [name for name in ("frames", "videos", "mixed", "empty", "none", "a\0b")
             if is_frame_folder(tmp_path / name)]
    assert found == ["frames"]
    with pytest.raises(VideoError, match="videos holds no numbered pictures"):
        read_pictures(tmp_path / "videos", SAMPLING)


def test_folders_of_categories_and_lists_may_hold_folders_of_frames(tmp_path: Path) -> None:
    write_frames(tmp_path / "train/jumping/clip 1", range(20))
    touch(tmp_path, "train/jumping/clip 2.mp4", "train/jumping/notes/readme.txt")
    dataset = open_dataset(str(tmp_path), split="train")
    assert rows(dataset) == [("train/jumping/clip 1", "jumping"),
                             ("train/jumping/clip 2.mp4", "jumping")]
    assert numbers(dataset.clips(0, SAMPLING)) == snippet_indices(20, SAMPLING).tolist()
    with pytest.raises(DatasetError, match="no files in sub-folders"):
        open_dataset(str(write_frames(tmp_path / "alone/clip", range(3)).parent))
    listed = write_list(tmp_path / "list.csv", "path,label,start,end",
                        "train/jumping/clip 1,jumping,0.4,0.8")
    one = open_dataset(listed)
    expected = 10 + snippet_indices(10, SAMPLING)
    assert numbers(one.clips(0, SAMPLING)) == expected.tolist(), "at 25 a second"
    before = open_dataset(listed).fingerprint
    (tmp_path / "train/jumping/clip 1/00019.jpg").unlink()
    assert open_dataset(listed).fingerprint != before, "another number of frames"
