from __future__ import annotations

import numpy as np
import pytest
import torch

from dsanet_core.records import Clips, Frames, Protocol, Sampling, Video
from dsanet_core.video import to_tensor

SAMPLING = Sampling(8, 3, 2)


def clips_of(rgb: np.ndarray, position: np.ndarray, sampling: Sampling = SAMPLING) -> Clips:
    count, height, width, _ = rgb.shape
    video = Video("a.mp4", "0" * 64, "mp4", "h264", width, height, 25.0, count / 25, count)
    return Clips(Frames(video, rgb, np.arange(count), np.arange(count) / 25), sampling, position)


def protocol_of(num_crops: int = 1, *, resize: int = 16, crop: int = 16) -> Protocol:
    return Protocol(SAMPLING, 4, num_crops, resize, crop, mean=(0.5,) * 3, std=(0.25,) * 3)


def grey_clips(height: int = 16, width: int = 16) -> Clips:
    """24 frames, all of the grey level of their number; snippet s, frame t shows 3 s + t."""
    rgb = np.broadcast_to(
        np.arange(24, dtype=np.uint8)[:, None, None, None], (24, height, width, 3)
    ).copy()
    return clips_of(rgb, np.arange(24).reshape(8, 3))


@pytest.mark.parametrize("num_crops", [1, 3])
def test_views_hold_the_snippets_that_the_protocol_says(num_crops: int) -> None:
    protocol = protocol_of(num_crops)
    tensor = to_tensor(grey_clips(20, 40), protocol)
    assert tensor.shape == (2 * num_crops, 4, 3, 3, 16, 16)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    levels = (tensor * 0.25 + 0.5) * 255
    expected = 3 * protocol.snippet_of_view[:, :, None] + np.arange(3)
    for channel in range(3):
        seen = levels[:, :, channel].amin((-1, -2))
        torch.testing.assert_close(seen, torch.from_numpy(expected).float(), atol=1e-3, rtol=0)
        torch.testing.assert_close(levels[:, :, channel].amax((-1, -2)), seen)
    assert expected[1].tolist() == [[3, 4, 5], [9, 10, 11], [15, 16, 17], [21, 22, 23]]


@pytest.mark.parametrize("is_wide", [True, False])
def test_three_crops_lie_along_the_long_side(is_wide: bool) -> None:
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None], (64, 16))
    picture = ramp.T if is_wide else ramp
    rgb = np.repeat(picture[None, :, :, None], 3, axis=3).copy()
    tensor = to_tensor(clips_of(rgb, np.zeros((8, 3), int)), protocol_of(3))
    levels = ((tensor * 0.25 + 0.5) * 255)[::2, 0, 0, 0]  # one view of each crop
    line = levels[:, 0, :] if is_wide else levels[:, :, 0]
    expected = torch.stack([torch.arange(start, start + 16.0) for start in (0, 24, 48)])
    torch.testing.assert_close(line, expected, atol=1e-3, rtol=0)
    centre = to_tensor(clips_of(rgb, np.zeros((8, 3), int)), protocol_of(1))
    torch.testing.assert_close(centre, tensor[2:4])


def test_colours_stay_in_place_and_are_normalised_by_channel() -> None:
    rgb = np.zeros((1, 16, 16, 3), np.uint8)
    rgb[...] = (255, 51, 0)
    protocol = Protocol(
        SAMPLING, 8, 1, 16, 16, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    tensor = to_tensor(clips_of(rgb, np.zeros((8, 3), int)), protocol)
    expected = [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, -0.406 / 0.225]
    assert tensor[0, 0, :, 0, 0, 0].tolist() == pytest.approx(expected, abs=1e-5)


def test_the_short_side_is_resized_smoothly() -> None:
    checks = (np.indices((64, 96)).sum(0) % 2 * 255).astype(np.uint8)
    rgb = np.repeat(checks[None, :, :, None], 3, axis=3).copy()
    tensor = to_tensor(clips_of(rgb, np.zeros((8, 3), int)), protocol_of(resize=32, crop=24))
    assert tensor.shape[-2:] == (24, 24)
    assert ((tensor * 0.25 + 0.5) - 0.5).abs().max() < 0.05  # aliasing would keep black or white


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 2048), (2048, 3)])
def test_odd_shapes_of_pictures_become_input(size: tuple[int, int]) -> None:
    tensor = to_tensor(grey_clips(*size), protocol_of(3))
    assert tensor.shape == (6, 4, 3, 3, 16, 16)
    assert torch.isfinite(tensor).all()


def test_clips_of_another_sampling_are_refused() -> None:
    clips = clips_of(np.zeros((1, 8, 8, 3), np.uint8), np.zeros((8, 4), int), Sampling(8, 4, 2))
    with pytest.raises(ValueError, match="the protocol expects"):
        to_tensor(clips, protocol_of())


@pytest.mark.parametrize("num_crops", [1, 3])
def test_another_resolution_is_the_resized_crop(num_crops: int) -> None:
    from torchvision.transforms.v2 import functional as tv

    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (2, 256, 340, 3), np.uint8)
    position = np.arange(24).reshape(8, 3) % 2
    protocol = Protocol(
        SAMPLING, 8, num_crops, 256, 256, mean=(0.5,) * 3, std=(0.25,) * 3, resolution=224
    )
    tensor = to_tensor(clips_of(rgb, position), protocol)
    assert tensor.shape == (num_crops, 8, 3, 3, 224, 224)
    frames = torch.from_numpy(rgb).permute(0, 3, 1, 2)
    for view, left in enumerate([42] if num_crops == 1 else [0, 42, 84]):
        resized = tv.resize(frames[..., left : left + 256], [224, 224], antialias=True)
        expected = (resized[position].float() / 255 - 0.5) / 0.25  # (8, 3 frames, 3, H, W)
        torch.testing.assert_close(tensor[view], expected.transpose(1, 2))
