import hashlib

import numpy as np
import pytest

from dsanet_core.synthetic import (
    CATEGORIES,
    FPS,
    GROUP_OF,
    GROUPS,
    NUM_FRAMES,
    label_of,
    make_video,
)
from dsanet_core.zoo import model_spec


def test_same_seed_same_bytes() -> None:
    digest = hashlib.sha256()
    for index in range(len(CATEGORIES)):
        digest.update(make_video(0, index, frame_index=np.array([0, 21, 40, 63])).rgb.tobytes())
    assert digest.hexdigest() == GOLDEN


def test_other_seed_or_index_other_video() -> None:
    first = make_video(0, 3).rgb
    assert not np.array_equal(first, make_video(1, 3).rgb)
    assert not np.array_equal(first, make_video(0, 3 + len(CATEGORIES)).rgb)


def test_drawing_some_frames_gives_the_same_frames() -> None:
    wanted = np.array([5, 6, 60])
    whole, part = make_video(2, 8), make_video(2, 8, frame_index=wanted)
    assert np.array_equal(whole.rgb[wanted], part.rgb)
    assert np.array_equal(whole.object_mask[wanted], part.object_mask)


@pytest.mark.parametrize("size", [(72, 72), (96, 160), (200, 120), (17, 40)])
def test_any_frame_size(size: tuple[int, int]) -> None:
    video = make_video(4, 1, size=size, frame_index=np.array([0, 63]))
    assert video.rgb.shape == (2, *size, 3) and video.rgb.dtype == np.uint8
    assert video.object_mask.shape == (2, *size)


def test_a_large_video_shows_what_the_small_one_shows() -> None:
    frames = np.array([10, 32, 50])
    for index in range(len(CATEGORIES)):
        small = make_video(5, index, frame_index=frames)
        large = make_video(5, index, size=(288, 288), frame_index=frames)
        patches = [v.rgb.reshape(3, 18, side, 18, side, 3).mean((2, 4))  # averages the grain away
                   for v, side in ((small, 4), (large, 16))]
        assert np.abs(patches[0] - patches[1]).mean() < 3
        overlap = large.object_mask[:, 2::4, 2::4] == small.object_mask
        assert overlap.mean() > 0.97


def test_categories_are_balanced_and_grouped() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(CATEGORIES)
    labels = [label_of(i) for i in range(3 * len(CATEGORIES))]
    assert set(np.bincount(labels)) == {3}
    assert set(GROUPS) == {"motion", "interaction", "order", "state", "scene"}


def test_mirrored_orders_show_the_same_two_events() -> None:
    order = [label for label, group in enumerate(GROUP_OF) if group == "order"]
    for first, second in zip(order[::2], order[1::2], strict=True):
        forth = [e.name for e in make_video(0, first, frame_index=np.array([0])).events]
        back = [e.name for e in make_video(0, second, frame_index=np.array([0])).events]
        assert len(forth) == 2 and forth == back[::-1]


def test_no_snippet_sees_both_events_of_an_order() -> None:
    sampling = model_spec("dsa_i3d_synth").protocol.sampling
    span = (sampling.frames_per_snippet - 1) * sampling.frame_stride / (NUM_FRAMES - 1)
    for index in range(500):
        if GROUP_OF[label_of(index)] == "order":
            early, late = make_video(0, index, frame_index=np.array([0])).events
            assert early.end + span < late.start


def test_the_mask_marks_the_object() -> None:
    """The object that turns red and blue is where the mask says, at the time the events say."""
    label = CATEGORIES.index("Something turning red, then blue")
    video = make_video(3, label)
    for event, channel in zip(video.events, (0, 2), strict=True):
        frame = round((event.start + event.end) / 2 * (NUM_FRAMES - 1))
        mask = video.object_mask[frame]
        inside = video.rgb[frame][mask].mean(0)
        outside = video.rgb[frame][~mask].mean(0)
        assert inside.argmax() == channel and inside[channel] > outside[channel] + 20


def test_masks_follow_a_moving_object() -> None:
    video = make_video(6, CATEGORIES.index("Moving something to the left"))
    middles = [np.nonzero(mask)[1].mean() for mask in video.object_mask[[4, 24, 44, 60]]]
    assert np.all(np.diff(middles) < -4)


def test_videos_last_four_seconds() -> None:
    assert len(make_video(0, 0).rgb) == NUM_FRAMES == 4 * FPS


@pytest.mark.parametrize(("size", "index"), [((8, 72), 0), ((72, 72), -1)])
def test_nonsense_is_refused(size: tuple[int, int], index: int) -> None:
    with pytest.raises(ValueError, match="expected sides"):
        make_video(0, index, size=size)


GOLDEN = "8c109a480a87ff461437c2822b463cd8886e4443438d144f2c2de5e4c5820269"
