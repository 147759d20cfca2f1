"""The gallery: one sample per category, the same on every visit."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.server import samples
from dsanet_core import synthetic, video
from dsanet_core.records import Sampling


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(samples, "FOLDER", tmp_path)
    return tmp_path


def test_ids_name_the_categories_and_nothing_else() -> None:
    labels = [samples.label_of(samples.sample_id(n)) for n in range(len(synthetic.CATEGORIES))]
    assert labels == list(range(len(synthetic.CATEGORIES)))
    for odd in ("sample-", "sample--1", "sample-25", "sample-²", "sample-1 ", "SAMPLE-1", "1", ""):
        assert samples.label_of(odd) is None


def test_a_sample_is_its_video_of_the_benchmark_at_display_size(folder: Path) -> None:
    clips = video.read_clips(samples.clip(3), Sampling(8, 4, 4))
    made = synthetic.make_video(samples.SEED, 3, size=samples.SIZE)
    assert made.label == 3
    assert clips.frames.video.num_frames == synthetic.NUM_FRAMES
    assert clips.frames.video.fps == synthetic.FPS
    truth = made.rgb[clips.frames.frame_index].astype(float)
    assert np.abs(clips.frames.rgb - truth).mean() < 6, "what H.264 leaves of noisy frames"


def test_a_sample_is_made_once_and_has_the_same_bytes_each_time(folder: Path) -> None:
    path = samples.clip(11)
    first = path.read_bytes()
    written = path.stat().st_mtime_ns
    assert samples.clip(11).stat().st_mtime_ns == written
    for size in (10_000, 300_000, 3_000_000):
        clutter = np.random.default_rng(size).bytes(size)
        path.unlink()
        assert samples.clip(11).read_bytes() == first, f"after {len(clutter)} bytes of clutter"
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_pictures_are_thumbnails_that_a_page_need_not_fetch() -> None:
    kind, _, text = samples.picture(3).partition(",")
    assert kind == "data:image/jpeg;base64"
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR_RGB)
    thumbnail = samples.thumbnail(3)
    assert picture.shape == thumbnail.shape
    assert np.abs(picture.astype(int) - thumbnail).mean() < 8


def test_thumbnails_show_four_moments_of_the_video() -> None:
    strip = samples.thumbnail(3)
    assert strip.shape == (96, 4 * 96, 3)
    frames = synthetic.make_video(samples.SEED, 3, size=(96, 96)).rgb[samples.THUMBNAIL_FRAMES]
    np.testing.assert_array_equal(strip.reshape(96, 4, 96, 3).swapaxes(0, 1), frames)
