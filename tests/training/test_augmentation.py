"""What augmentation does to a video: the same to all its frames, and nothing its label forbids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dsanet_core.records import Sampling
from dsanet_core.training.augmentation import (
    UNMIRRORED,
    Augmentation,
    Box,
    cut_out,
    mirrored_labels,
)
from dsanet_core.training.data import AugmentedSamples, RenderedVideos, Sample
from dsanet_core.training.recipe import Crop

SAMPLING = Sampling(num_snippets=4, frames_per_snippet=4, frame_stride=4)
HEIGHT, WIDTH = 48, 64


def placed(count: int = 64) -> np.ndarray:
    """(1, frames, HEIGHT, WIDTH, 3): red is the row of a pixel, green its column, blue the number
    of the frame."""
    red, green = np.mgrid[:HEIGHT, :WIDTH]
    frames = np.zeros((1, count, HEIGHT, WIDTH, 3), np.uint8)
    frames[..., 0], frames[..., 1] = 4 * red, 3 * green
    frames[..., 2] = np.arange(count)[None, :, None, None]
    return frames


def drawn(crop: Crop, *, epoch: int = 0, seed: int = 0, **more: object) -> Sample:
    augmentation = replace(Augmentation(crop, side=32, share=2 / 3), **more)
    source = RenderedVideos(placed(), np.zeros(1, np.int64))
    samples = AugmentedSamples(source, SAMPLING, augmentation, seed=seed,
                               mirrored=np.zeros(1, np.int64))
    sample = samples[epoch, 0]
    assert isinstance(sample, Sample)
    return sample


@pytest.mark.parametrize("crop", ["place", "scales", "area"])
def test_all_frames_of_a_video_have_the_same_crop_and_mirror_image(crop: Crop) -> None:
    for epoch in range(20):
        pixels = drawn(crop, epoch=epoch, flip=True).pixels
        assert pixels.shape == (4, 4, 32, 32, 3) and pixels.dtype == torch.uint8
        where = pixels[..., :2]                                   # rows and columns of the places
        assert torch.equal(where, where[:1, :1].expand_as(where))


@pytest.mark.parametrize("crop", ["place", "scales", "area"])
def test_half_of_the_videos_are_mirrored(crop: Crop) -> None:
    columns = [drawn(crop, epoch=epoch, flip=True).pixels[0, 0, 16, :, 1].int()
               for epoch in range(60)]
    mirrored = [bool(line[0] > line[-1]) for line in columns]
    assert 18 <= sum(mirrored) <= 42
    plain = [drawn(crop, epoch=epoch).pixels[0, 0, 16, :, 1].int() for epoch in range(20)]
    assert all(line[0] < line[-1] for line in plain)


def test_snippets_start_at_random_and_keep_their_stride_and_order() -> None:
    numbers = [drawn("place", epoch=epoch).pixels[:, :, 0, 0, 2].int() for epoch in range(30)]
    for frames in numbers:
        assert (frames.diff(dim=1) == SAMPLING.frame_stride).all()
        starts = frames[:, 0]
        assert (starts.diff() > 0).all()
        assert (starts // 13).tolist() == [0, 1, 2, 3], "each in its quarter of the 52 starts"
    assert len({tuple(frames[:, 0].tolist()) for frames in numbers}) > 20


def test_a_sample_depends_on_seed_epoch_and_row_alone() -> None:
    first, again = drawn("area", flip=True, light=0.2), drawn("area", flip=True, light=0.2)
    assert torch.equal(first.pixels, again.pixels) and (first.light == again.light).all()
    for other in (drawn("area", seed=1, light=0.2), drawn("area", epoch=1, light=0.2)):
        assert not torch.equal(first.pixels, other.pixels)
        assert (first.light != other.light).all()


def boxes(crop: Crop, count: int = 400) -> list[Box]:
    augmentation, rng = Augmentation(crop, side=32, share=0.75), np.random.default_rng(0)
    found = [augmentation.draw_box(rng, HEIGHT, WIDTH) for _ in range(count)]
    for box in found:
        assert 0 <= box.top <= HEIGHT - box.height and 0 <= box.left <= WIDTH - box.width
    return found


def test_a_placed_crop_is_a_square_of_its_share_anywhere() -> None:
    found = boxes("place")
    assert {(box.height, box.width) for box in found} == {(36, 36)}
    assert {box.top for box in found} == set(range(13))
    assert {box.left for box in found} == set(range(29))


def test_multi_scale_crops_are_those_of_tsn() -> None:
    found = boxes("scales")
    edges = [48, 42, 36, 31]                             # 1, 0.875, 0.75, 0.66 of the short side
    shapes = {(box.height, box.width) for box in found}
    assert shapes == {(a, b) for i, a in enumerate(edges) for j, b in enumerate(edges)
                      if abs(i - j) <= 1}
    middle = {(box.top, box.left) for box in found if (box.height, box.width) == (36, 36)}
    assert middle <= {(3 * down, 7 * across) for down in range(5) for across in range(5)}


def test_area_crops_are_8_to_100_percent_and_of_bounded_aspect() -> None:
    found = boxes("area")
    shares = np.array([box.height * box.width / (HEIGHT * WIDTH) for box in found])
    aspects = np.array([box.width / box.height for box in found])
    assert 0.07 <= shares.min() < 0.12 and 0.85 < shares.max() <= 1
    assert aspects.min() > 0.72 and aspects.max() < 1.4


def test_a_crop_of_the_side_is_cut_and_others_are_resized() -> None:
    frames, position = placed()[0], np.array([[3, 5], [5, 9]])
    exact = cut_out(frames, position, Box(4, 6, 32, 32), 32, flip=False)  # (U, T, 32, 32, 3)
    assert torch.equal(exact[:, :, 0, 0, 2].int(), torch.from_numpy(position).int())
    assert exact[0, 0, 0, 0, :2].tolist() == [16, 18]
    flipped = cut_out(frames, position, Box(4, 6, 32, 32), 32, flip=True)
    assert torch.equal(flipped, exact.flip(3))
    half = cut_out(frames, position, Box(0, 0, 48, 48), 24, flip=False)
    assert half.shape == (2, 2, 24, 24, 3)
    assert (half[0, 0, 1:-1, 3, 0].int().diff() == 8).all(), "every second row remains"


def test_light_changes_gain_and_level_within_its_range() -> None:
    light = np.array([drawn("place", epoch=epoch, light=0.2).light for epoch in range(200)])
    assert 0.8 <= light[:, 0].min() < 0.85 and 1.15 < light[:, 0].max() <= 1.2
    assert -0.2 <= light[:, 1].min() < -0.15 and 0.15 < light[:, 1].max() <= 0.2
    assert drawn("place").light.tolist() == [1, 0]


def test_left_and_right_change_places_in_labels_of_mirrored_videos() -> None:
    classes = (
        "Pulling something from left to right", "Pulling something from right to left",
        "Turning the camera left while filming something", "Holding something",
        "Turning the camera right while filming something", "wave_left", "Copyright", "leftovers",
    )
    mirror = mirrored_labels(classes)
    assert mirror.tolist() == [1, 0, 4, 3, 2, UNMIRRORED, 6, 7]


def test_a_video_whose_mirror_image_has_no_class_is_never_mirrored() -> None:
    source = RenderedVideos(np.concatenate([placed()] * 3), np.array([0, 1, 2]))
    augmentation = Augmentation("place", side=32, share=2 / 3, flip=True)
    samples = AugmentedSamples(source, SAMPLING, augmentation, seed=0,
                      mirrored=mirrored_labels(["push left", "push right", "look left"]))
    labels: dict[int, set[tuple[int, bool]]] = {0: set(), 1: set(), 2: set()}
    for row in labels:
        for epoch in range(30):
            sample = samples[epoch, row]
            line = sample.pixels[0, 0, 16, :, 1].int()
            labels[row].add((sample.label, bool(line[0] > line[-1])))
    assert labels == {0: {(0, False), (1, True)}, 1: {(1, False), (0, True)}, 2: {(2, False)}}
