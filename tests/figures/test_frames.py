"""The pictures in the timeline are the frames of the record."""

from __future__ import annotations

import base64
from dataclasses import replace

import cv2
import numpy as np
import pytest

from dsanet_core import figures
from tests.factory import make_analysis


def picture(source: str) -> np.ndarray:
    data = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(decoded)[..., ::-1]


@pytest.mark.parametrize(("frames", "rows", "columns"), [(1, 1, 1), (4, 4, 1), (8, 4, 2)])
def test_every_frame_stands_in_reading_order_over_its_snippet(
    frames: int, rows: int, columns: int
) -> None:
    analysis = make_analysis(0, frames=frames)
    images = figures.snippet_timeline(analysis, [0]).layout.images
    _, _, height, width, _ = analysis.thumbnails.shape
    for snippet, image in enumerate(images):
        assert image.x == pytest.approx(analysis.pts_seconds[snippet].mean())
        sheet = picture(image.source)
        assert sheet.shape == (rows * height, columns * width, 3)
        for place, frame in enumerate(analysis.thumbnails[snippet]):
            top, left = place // columns * height, place % columns * width
            np.testing.assert_array_equal(sheet[top : top + height, left : left + width], frame)
    assert len(images) == len(analysis.thumbnails)


def test_a_record_without_thumbnails_gives_no_pictures() -> None:
    analysis = make_analysis(0)
    bare = replace(analysis, thumbnails=np.zeros((8, 4, 0, 0, 3), np.uint8))
    figure = figures.snippet_timeline(bare, [0])
    assert not figure.layout.images
    assert figure.layout.yaxis.domain is None


def test_a_video_shorter_than_a_snippet_still_has_pictures_with_a_size() -> None:
    analysis = make_analysis(0)
    still = replace(analysis, pts_seconds=np.zeros((8, 4)))
    images = figures.snippet_timeline(still, [0]).layout.images
    assert all(image.sizex > 0 for image in images)
